"""A run folder says what it is, and its network comes back whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from kaffect.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from kaffect.errors import ArtifactError
from kaffect.faces.crops import CropRule
from kaffect.files import read_json
from kaffect.labels import AFF_WILD2
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.multitask import adam
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.runs import RunDescription, load_run, save_encoder

CONFIG = RunConfig(
    data=DataConfig(image_size=32, sequence_length=4),
    model=ModelConfig(width=1 / 32, fc_units=8, gru_units=(5, 4), attention_length=3),
)

pytestmark = pytest.mark.precision


def trained(results: Path, cnn: str) -> tuple[Path, np.ndarray, np.ndarray]:
    """A run in `results` with weights that no seed gives; its folder, pictures, valence/arousal."""
    config = dataclasses.replace(CONFIG, train=TrainConfig(cnn=cnn))
    encoder = build_encoder(config)
    network = build_network(config, AFF_WILD2)
    rng = np.random.default_rng(0)
    for variable in (*encoder.trainable_variables, *network.trainable_variables):
        variable.assign(rng.normal(0, 0.3, variable.shape))
    optimizer = adam(config.train, "float32")
    optimizer.build(network.trainable_variables)
    folder = results / "checkpoints" / "row-01-seed-0"
    place = save_encoder(results, 0, encoder, "by hand") if cnn == "fixed" else None
    objects = {"network": network, "optimizer": optimizer}
    CheckpointFolder(folder).save(3, objects, {}, best=True)
    relative = None if place is None else "../../encoders/seed-0"
    RunDescription(
        config, AFF_WILD2, CropRule(image_size=32), 30, {"name": "x"}, encoder=relative
    ).write(folder)
    images = rng.integers(0, 256, (1, 4, 32, 32, 3), dtype=np.uint8)
    features = images
    if cnn == "fixed":
        features = encoder(images[0]).numpy()[np.newaxis]
    return folder, images, network(features)["valence_arousal"].numpy()


@pytest.mark.parametrize("cnn", ["fixed", "end_to_end"])
def test_a_run_comes_back(tmp_path: Path, cnn: str) -> None:
    folder, images, expected = trained(tmp_path / "a", cnn)
    moved = (tmp_path / "a").rename(tmp_path / "elsewhere")  # nothing depends on the place
    run = load_run(moved / folder.relative_to(tmp_path / "a"))
    outputs = run.network(np.tile(images, (1, 3, 1, 1, 1)))  # of any length
    np.testing.assert_allclose(outputs["valence_arousal"][:, :4], expected, atol=1e-5)
    assert outputs["expression_logits"].shape == (1, 12, 8)
    assert run.step == 3 and run.description.label_space == AFF_WILD2
    assert run.description.crop_rule.image_size == 32


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path / "a", "fixed")
    (tmp_path / "a" / "encoders").rename(tmp_path / "away")
    with pytest.raises(ArtifactError, match="encoders/seed-0: missing"):
        load_run(folder)
    path = folder / "run.json"
    values = read_json(path)
    path.write_text(json.dumps({**values, "encoder": "../../../away/seed-0"}))
    with pytest.raises(Exception, match="leaves the folder"):
        load_run(folder)
    path.write_text(json.dumps({**values, "crop_rule": {"mode": "paper"}}))
    with pytest.raises(ArtifactError, match="Crop rule"):
        load_run(folder)
    path.write_text('{"kind": "gan"}')
    with pytest.raises(ArtifactError, match="not the description of a recognition run"):
        load_run(folder)
