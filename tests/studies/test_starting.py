"""`--start RUN`: layers that fit are taken over; a resumed run has the same start."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from experiments import run
from kaffect import cli
from kaffect.config import CONFIGURATIONS, FramewiseConfig, GanConfig
from kaffect.config.start import Start
from kaffect.errors import ConfigError
from kaffect.faces.crops import CropRule
from kaffect.files import sha256
from kaffect.labels import AFF_WILD, AFF_WILD2
from kaffect.serving.own_model import OWN_MODEL
from kaffect.studies import starting
from kaffect.studies.experiment import Row
from kaffect.studies.finding import find_trained
from kaffect.studies.framewise.stills import still_settings
from kaffect.studies.plan import make_plan
from kaffect.studies.problems import StartError
from kaffect.studies.recognition.encoding import fixed_encoder
from kaffect.studies.starting import Filled, StartWeights, begin, content_of, read_start
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.framewise import build_framewise
from kaffect.training.gan import GanTrainer
from kaffect.training.runs import RunDescription, content_hash, find_run, load_run

Finished = tuple[Path, Path]
SMALL = {"model.image_size": 32, "model.width": 1 / 16, "loss.tasks": ["expression"]}


def network(seed: int = 0, **changes: Any) -> keras.Model:
    settings = {**SMALL, "train.seed": seed, **changes}
    return build_framewise(FramewiseConfig().changed(settings), AFF_WILD)


def values(model: keras.Model) -> dict[str, np.ndarray]:
    return {v.path: v.value.numpy() for v in model.variables if "seed_generator" not in v.path}


def start_of(path: Path) -> Start:
    return Start(str(path), content_of(path))


# --- which layers -----------------------------------------------------------------------------


def test_layers_are_taken_by_name_and_shape_and_the_rest_is_left() -> None:
    theirs, mine = network(1), network(2, **{"loss.tasks": ["expression", "va"]})
    before = values(mine)
    given = dict(values(theirs))
    given["expression_logits/kernel"] = np.ones((32, 8), np.float32)  # one class more
    filled = StartWeights("x", "run:1", {"network": given}).fill(mine)
    assert set(filled.left) == {"expression_logits", "valence_arousal"}
    for name, value in values(mine).items():
        left = name.split("/")[0] in filled.left
        np.testing.assert_array_equal(value, before[name] if left else given[name], err_msg=name)
    # The bias alone would have fitted: a layer is taken whole or not at all.
    assert before["expression_logits/bias"].shape == given["expression_logits/bias"].shape


def test_generator_and_discriminator_are_not_mistaken_for_each_other() -> None:
    same = {"batch_normalization_1/gamma": np.ones(2, np.float32)}
    other = {"batch_normalization_1/gamma": np.zeros(2, np.float32)}
    inputs = keras.Input((2,))
    layer = keras.layers.BatchNormalization(name="batch_normalization_1", center=False)
    model = keras.Model(inputs, layer(inputs))
    zeros, ones = {"moving_mean": np.zeros(2)}, {"moving_variance": np.ones(2)}
    rest = {f"batch_normalization_1/{k}": v for k, v in (zeros | ones).items()}
    weights = StartWeights("x", "run:1", {"generator": same | rest, "discriminator": other | rest})
    for role, expected in (("generator", 1.0), ("discriminator", 0.0)):
        assert weights.fill(model, role).left == ()
        assert model.variables[0].value.numpy().tolist() == [expected] * 2
    assert weights.fill(model, "network").taken == ()


def test_a_run_of_which_nothing_fits_is_rejected() -> None:
    weights = StartWeights("x", "run:1", {"network": {"dense/kernel": np.ones((2, 2))}})
    filled = weights.fill(network())
    with pytest.raises(StartError, match="no layer fits .* Expected some of conv1, bn1, .*dense"):
        weights.require_taken(filled)


def test_the_note_names_both() -> None:
    taken = tuple(f"conv{i}" for i in range(9))
    note = StartWeights("mine", "run:0123", {}).note(Filled(taken, ("head",)))
    assert note == (
        "started from mine, run:0123: 9 of 10 layers taken (conv0, conv1, conv2, conv3, conv4, "
        "conv5 and 3 more); left at their initialisation: head"
    )


# --- from where -------------------------------------------------------------------------------


def test_the_projects_own_network_can_be_started_from() -> None:
    weights = read_start(start_of(OWN_MODEL))
    assert weights.content == f"sha256:{sha256(OWN_MODEL / '1' / 'manifest.json')}"
    # Of seven expressions the head is another one, of eight it is not.
    config = FramewiseConfig().changed(still_settings("expression", 1000))
    filled = weights.fill(build_framewise(config, AFF_WILD))
    assert filled.left == ("expression_logits",) and len(filled.taken) == 40
    assert weights.fill(build_framewise(config, AFF_WILD2)).left == ()


def test_the_averages_of_a_gan_begin_with_the_run(finished_gan_table: Finished) -> None:
    results = finished_gan_table[1]
    loaded = load_run(find_run(results), "last").networks
    trainer = GanTrainer(loaded.config, loaded.space)

    class RowOfAGan:
        filled = None
        networks = {"generator": trainer.generator, "discriminator": trainer.discriminator}
        started = staticmethod(trainer.restart_averages)

    found = begin(RowOfAGan(), start_of(results))
    assert found["record"]["start"]["left"] == []
    for name in ("generator", "discriminator"):
        wanted = values(getattr(loaded, name))
        for path, value in values(getattr(trainer, name)).items():
            np.testing.assert_array_equal(value, wanted[path], err_msg=path)
    average, first = trainer.average.averages[0], trainer.generator.variables[0]
    np.testing.assert_array_equal(average.value.numpy(), first.value.numpy())
    assert int(trainer.average.count.value) == 0


def test_the_fixed_cnn_is_filled_and_not_trained_again(finished: Finished) -> None:
    results = finished[1]
    loaded = load_run(find_run(results))
    config = loaded.description.config.changed(
        {"train.seed": 7, "start.run": str(results), "start.content": content_of(results)}
    )
    assert config.pretrain.trains
    encoder = fixed_encoder(config, None)  # type: ignore[arg-type] - training would need data
    for name, value in values(encoder.network).items():
        np.testing.assert_array_equal(value, values(loaded.networks.encoder)[name], err_msg=name)
    assert "13 convolutions and FC" in encoder.origin and "(--start)" in encoder.origin


# --- what is not accepted -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing", "empty", "file.csv"])
def test_what_is_no_network_is_rejected_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.csv").write_text("path\n")
    with pytest.raises(StartError, match="--start .* Expected the folder of a run.* Received") as e:
        content_of(tmp_path / name)
    assert "\n" not in str(e.value)


def test_another_content_than_planned_is_rejected() -> None:
    with pytest.raises(StartError, match="has changed since .* Expected run:1. Received: 'sha"):
        read_start(Start(str(OWN_MODEL), "run:1"))


def test_a_path_without_content_is_no_setting() -> None:
    with pytest.raises(ConfigError, match="both, as --start RUN sets them"):
        FramewiseConfig().changed({"start.run": "x"})


def options(*words: str) -> Namespace:
    return run.parser().parse_args(["--table", "A5", *words])


def test_start_and_weights_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="--start and --weights: expected one of them"):
        make_plan(find_trained("A5"), options("--start", str(OWN_MODEL), "--weights", "setup.cfg"))


def test_rows_of_random_weights_stay_random() -> None:
    plan = make_plan(find_trained("A5"), options("--start", str(OWN_MODEL)))
    starts = {row.start: plan.configure(row, 0).start.run for _, row in plan.rows}
    assert starts == {"none": None, "needed": str(OWN_MODEL)}
    assert plan.configure(Row("", "", {}), 0).start.content.startswith("sha256:dd8fa47a")


# --- identity -------------------------------------------------------------------------------


def test_without_a_start_hashes_are_those_of_before() -> None:
    """As computed by the version before there was the setting: published rows keep their names."""
    assert {name: kind().hash() for name, kind in CONFIGURATIONS.items()} == {
        "recognition": "3f7d55c00590c593",
        "gan": "284a236987a3f624",
        "framewise": "e3aeb790afaa1ab8",
    }


@pytest.mark.parametrize("kind", [FramewiseConfig, GanConfig])
def test_the_hash_is_of_the_content_and_not_of_the_path(kind: Any) -> None:
    def hashed(run: str, content: str) -> str:
        name: str = kind().changed({"start.run": run, "start.content": content}).hash()
        return name

    assert hashed("a", "run:1") == hashed("b", "run:1") != hashed("a", "run:2")
    assert kind().hash() != hashed("a", "run:1")


TINY = {
    "model.backbone": "small",
    "model.image_size": 32,
    "model.mirrored": False,
    "train.ema": 0.0,
    "train.epochs": 1,
    # A rate of nothing: the weights that are kept are those that were begun with.
    "train.learning_rate": 1e-12,
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A run with weights of another seed."""
    config = FramewiseConfig().changed({**still_settings("expression", 30), **TINY})
    folder = tmp_path / "source"
    trained = build_framewise(config.changed({"train.seed": 9}), AFF_WILD)
    CheckpointFolder(folder).save(0, {"network": trained}, {}, best=True)
    rule = CropRule("square", 32)
    RunDescription("framewise", config, AFF_WILD, rule, None, {}).write(folder)
    return folder


def test_a_training_begins_with_the_run_and_goes_on_with_no_other(
    source: Path,
    stills: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the command line: the record, run.json, and a second command with another start."""
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    out = tmp_path / "out"
    words = ["train", "--task", "expression", "--data", str(stills), "--out", str(out)]
    words += [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    assert cli.main([*words, "--start", str(source)]) == 0
    content = f"run:{content_hash(source)}"
    line = "started from source, " + content[:19]
    assert line in capsys.readouterr().out
    records = [json.loads(text) for text in (out / "table_run.jsonl").read_text().splitlines()]
    record = next(record for record in records if record["row"] == 1)
    assert record["start"]["content"] == record["config"]["start"]["content"] == content
    assert record["start"]["left"] == [] and any(line in note for note in record["notes"])
    trained = load_run(out / record["folder"])
    assert trained.description.config.start.content == content
    begun = values(load_run(source).networks)
    for name, value in values(trained.networks).items():
        if "moving" not in name:  # statistics of normalisation have no rate
            np.testing.assert_allclose(value, begun[name], atol=1e-6, err_msg=name)
    assert cli.main([*words, "--start", str(OWN_MODEL), "--resume"]) == 2
    assert "start.content: expected 'run:" in capsys.readouterr().err


def test_reading_a_start_twice_reads_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start = start_of(OWN_MODEL)
    read_start(start)
    monkeypatch.setattr(starting, "load_export", None)
    assert read_start(start).networks["network"]
