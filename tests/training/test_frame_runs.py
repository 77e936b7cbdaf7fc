"""A run of single frames comes back from its folder, and its export says what it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kaffect.errors import ArtifactError
from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD2
from kaffect.serving.loading import load_export
from kaffect.serving.run_export import export_run
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.frame_runs import build_frame_network, describe_frame_run, load_frame_run
from kaffect.training.frames_config import FrameConfig, FrameModel
from kaffect.training.precision import resolved

pytestmark = pytest.mark.precision


def test_a_run_of_single_frames_comes_back_and_is_exported(tmp_path: Path) -> None:
    config = resolved(FrameConfig(model=FrameModel(image_size=32, width=1 / 16)))
    network = build_frame_network(config, AFF_WILD2)
    rng = np.random.default_rng(2)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    folder = tmp_path / "checkpoints" / "row-01-seed-0"
    CheckpointFolder(folder).save(4, {"network": network}, {}, best=True)
    record = {
        "config": config.to_dict(), "thresholds": [0.25] * 11 + [1.0],
        "logit_thresholds": [-1.0986] * 11 + [40.5], "data_name": "drawn",
        "data_kind": "synthetic", "data_hash": "x", "validation": {"score": 1.0, "none": None},
        "scored_split": "test", "metrics": {"au_f1": 0.5}, "notes": [], "commit": "y",
    }  # fmt: skip
    prepared = SimpleNamespace(label_space=AFF_WILD2, crop_rule=CropRule(image_size=32), fps=30)
    describe_frame_run(folder, prepared, record)  # type: ignore[arg-type]
    again, found, _ = load_frame_run(folder)
    images = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected = network(images)
    for name, value in again(images).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert found == config
    export = load_export(export_run(tmp_path, tmp_path / "resnet" / "1", precision="run"))
    answers = export.run("serving_default", images=images)
    for name in ("valence_arousal", "expression_logits"):
        if name in expected:
            np.testing.assert_allclose(answers[name], expected[name], atol=1e-4)
    card = (tmp_path / "resnet" / "1" / "MODEL_CARD.md").read_text()
    last, first = AFF_WILD2.action_units[-1], AFF_WILD2.action_units[0]
    assert f"these probabilities: {first} 0.25, " in card and f"{last} 1 (logit 40.5), " in card
    assert export.facts.action_unit_logit_thresholds[last] == 40.5
    assert export.facts.metrics == {"validation": {"score": 1.0}, "test": {"au_f1": 0.5}}
    (folder / "frames.json").write_text("{}")
    with pytest.raises(ArtifactError, match="not the description of a run of single frames"):
        load_frame_run(folder)
