"""`--weights FILE` of Tables X and XI: what is loaded, what is trained first, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from experiments import run
from kaffect import cli
from kaffect.config import RecognitionConfig
from kaffect.errors import DatasetError
from kaffect.files import writer_lock
from kaffect.studies import recognition
from kaffect.studies.experiment import loaded
from kaffect.studies.finding import tables
from kaffect.studies.plan import make_plan
from kaffect.studies.recognition import encoding
from kaffect.studies.sources import open_source
from kaffect.training.pretraining import frame_schedule
from tests.data.drawing import build_tree, write_boxes
from tests.published_weights import NAMES, affwildnet, write_checkpoint, write_vggface

WIDTH, UNITS = 1 / 32, 16
SMALL = ("--set", f"model.width={WIDTH}", "--set", f"model.fc_units={UNITS}")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = build_tree(tmp_path_factory.mktemp("data") / "tree")
    for track, count in (("b_right", 40), ("d", 33)):
        write_boxes(root, track, range(count))
    return root


@pytest.fixture(scope="module")
def vggface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vggface(tmp_path_factory.mktemp("weights") / "anything.bin", WIDTH)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_checkpoint(tmp_path_factory.mktemp("ck"), affwildnet(WIDTH, UNITS, units=6))


def settings(capsys: pytest.CaptureFixture, *more: object) -> dict[str, Any]:
    arguments = ["train", "--table", "XI", "--row", "2", "--profile", "paper", *map(str, more)]
    assert cli.main([*arguments, "--dry-run"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def head(capsys: pytest.CaptureFixture, *more: object) -> str:
    arguments = ["--table", "XI", "--row", "2", "--profile", "paper", "--dry-run", *map(str, more)]
    assert run.main(arguments) == 0
    return capsys.readouterr().out


def test_preprocessing_follows_the_weights(capsys, vggface: Path, checkpoint: str) -> None:
    found = settings(capsys, "--weights", vggface)
    assert found["model"]["preprocessing"] == "vggface"
    assert found["model"]["weights"] == str(vggface) and found["model"]["start"] == "cnn"
    pretrain = found["pretrain"]
    assert (pretrain["layers"], pretrain["epochs"], pretrain["steps"]) == ("missing", 20, 0)
    assert settings(capsys, "--weights", checkpoint)["model"]["preprocessing"] == "paper"
    asked = settings(capsys, "--weights", vggface, "--set", "model.preprocessing=paper")
    assert asked["model"]["preprocessing"] == "paper"
    assert settings(capsys, "--set", f"model.weights={vggface}") == found
    bare = settings(capsys)
    assert bare["model"]["preprocessing"] == "paper" and bare["pretrain"]["epochs"] == 0


def test_random_layers_that_stay_fixed_are_warned_of(
    capsys, vggface: Path, checkpoint: str
) -> None:
    random = "WARNING: the CNN is fixed at random weights"
    assert random in head(capsys)
    assert "WARNING" not in head(capsys, "--cnn", "end_to_end")
    assert "WARNING" not in head(capsys, "--set", "pretrain.epochs=2")
    assert "WARNING" not in head(capsys, "--weights", vggface)
    untrained = head(capsys, "--weights", vggface, "--set", "pretrain.epochs=0")
    assert "WARNING: the fully connected layer is fixed at random weights" in untrained
    assert "WARNING" not in head(capsys, "--weights", checkpoint, "--set", "pretrain.epochs=0")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--weights", "README.md"], "Expected a keras-vggface notop file (HDF5) or a TensorFlow"),
        (["--weights", "nothing"], "--weights nothing: no such file"),
        (["--set", "model.start=all"], "model.start=all. Expected --weights with a TensorFlow"),
    ],
)
def test_what_is_no_weights_file_is_rejected_before_anything_runs(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert run.main(["--table", "XI", "--profile", "smoke", *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not out.exists()


def test_a_file_of_another_width_is_rejected_before_data_are_prepared(
    vggface: Path, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--table", "XI", "--row", "2", "--profile", "smoke", "--data", str(tree)]
    out = tmp_path / "out"
    assert run.main([*arguments, "--weights", str(vggface), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.rstrip().endswith("--set model.width=0.03125)") and error.count("\n") == 1
    assert "preparing" not in error and not list(out.glob("*.jsonl"))


def test_an_epoch_is_a_pass_over_the_frames() -> None:
    pretrain = RecognitionConfig().changed({"pretrain.epochs": 20, "pretrain.batch": 64}).pretrain
    for frames, every in ((64, 10), (6400, 100), (6401, 101), (10**7, 1000)):
        found = frame_schedule(pretrain, frames)
        assert (found.evaluate_every, found.steps) == (every, 20 * every)
    steps = RecognitionConfig().changed({"pretrain.epochs": 20, "pretrain.steps": 7}).pretrain
    assert frame_schedule(steps, 6400).steps == 7


def trained(
    tree: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *more: object
) -> tuple[dict[str, Any], keras.Model, dict[str, np.ndarray]]:
    """The record of a run, its CNN, and the CNN's weights before it was trained."""
    networks: list[keras.Model] = []
    before: dict[str, np.ndarray] = {}
    original = encoding.fill_encoder

    def fill(network: keras.Model, path: str) -> tuple[str, ...]:
        filled = original(network, path)
        networks.append(network)
        before.update(kernels(network))
        return filled

    monkeypatch.setattr(encoding, "fill_encoder", fill)
    arguments = ["--table", "XI", "--row", "2", "--profile", "smoke", "--data", str(tree)]
    assert run.main([*arguments, *SMALL, *map(str, more), "--out", str(out)]) == 0
    (line,) = [
        record
        for record in map(json.loads, (out / "table_xi.jsonl").read_text().splitlines())
        if record["row"] == 2
    ]
    return line, networks[0], before


def kernels(network: keras.Model) -> dict[str, np.ndarray]:
    vggface = network.get_layer("vggface")
    found = {name: vggface.get_layer(name).kernel.numpy() for name in NAMES}
    return {**found, "fc6": network.get_layer("fc6").kernel.numpy()}


def changed(network: keras.Model, before: dict[str, np.ndarray]) -> set[str]:
    return {name for name, kernel in kernels(network).items() if (kernel != before[name]).any()}


def origin(record: dict[str, Any]) -> str:
    (note,) = [note for note in record["notes"] if note.startswith("CNN: ")]
    return str(note)


def test_what_the_file_does_not_fill_is_trained_first(
    tree: Path, vggface: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, network, before = trained(tree, tmp_path / "a", monkeypatch, "--weights", vggface)
    assert changed(network, before) == {"fc6"}
    note = origin(record)
    digest = encoding.find_weights(vggface).sha256[:12]
    assert f"13 convolutions of keras-vggface (anything.bin, SHA-256 {digest})" in note
    assert "preprocessing vggface;" in note
    assert "FC 144->16 from He initialisation" in note
    assert "FC 144->16 trained on single frames, step 4" in note and "random" not in note
    assert all(layer.trainable for layer in network.layers)


def test_all_layers_are_trained_where_that_is_asked_for(
    tree: Path, vggface: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, and never by two processes at a time: the CNN is everybody's."""
    # Such a run says everything that the head of a table says in its origin.
    changes = {
        "model.width": WIDTH,
        "model.fc_units": UNITS,
        "model.weights": str(vggface),
        "pretrain.layers": "all",
        "pretrain.steps": 2,
        "pretrain.batch": 8,
        "pretrain.evaluate_every": 2,
    }
    before: dict[str, np.ndarray] = {}
    original = encoding.train_encoder

    def train(network: keras.Model, *rest: Any) -> Any:
        before.update(kernels(network))
        return original(network, *rest)

    monkeypatch.setattr(encoding, "train_encoder", train)
    frames, refused = encoding._train_frames, []

    def train_alone(*arguments: Any) -> Any:
        with pytest.raises(DatasetError, match="the CNN is being written by process") as caught:
            with writer_lock(arguments[-1].root, "the CNN"):
                pass
        refused.append(caught)
        return frames(*arguments)

    monkeypatch.setattr(encoding, "_train_frames", train_alone)
    profile = recognition.STUDY.profiles["smoke"]
    source = open_source(tree, profile, "expression", tasks=("va", "expression"))
    capsys.readouterr()
    encoder = encoding.fixed_encoder(RecognitionConfig().changed(changes), source)
    assert capsys.readouterr().out.startswith("training the CNN on single frames (2 steps) in ")
    again = encoding.fixed_encoder(RecognitionConfig().changed(changes), source)
    assert capsys.readouterr().out.startswith("taking the CNN on single frames (2 steps) in ")
    assert not changed(again.network, kernels(encoder.network)) and len(refused) == 2
    assert changed(encoder.network, before) == {*NAMES, "fc6"}
    assert "preprocessing paper, not vggface as the file was trained with" in encoder.origin
    assert "13 convolutions and FC 144->16 trained on single frames, step 2" in encoder.origin


def test_affwildnet_needs_no_training_before(
    tree: Path, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    more = ("--weights", checkpoint, "--set", "model.start=all", "--set", "model.gru_units=6,6")
    more += ("--set", "data.select=paper", "--set", "data.scored=paper")
    record, network, before = trained(tree, tmp_path / "a", monkeypatch, *more)
    assert not changed(network, before)
    np.testing.assert_array_equal(before["fc6"], affwildnet(WIDTH, UNITS)["linear_1/weights"])
    note = origin(record)
    assert "13 convolutions and FC 144->16 of AffWildNet (model.ckpt-7, SHA-256" in note
    assert "trained on single frames" not in note and "random" not in note
    assert any("research use only" in note for note in record["notes"])
    run_json = json.loads((tmp_path / "a/checkpoints/row-02-seed-0/run.json").read_text())
    assert run_json["config"]["model"]["start"] == "all"
    # The checkpoint need not be there any more.
    moved = Path(checkpoint).parent.rename(Path(checkpoint).parent.with_name("moved"))
    try:
        capsys.readouterr()
        folder = tmp_path / "a/checkpoints/row-02-seed-0"
        assert cli.main(["evaluate", str(folder), "--json"]) == 0
    finally:
        moved.rename(Path(checkpoint).parent)
    # Of the frames that the paper keeps, too.
    assert json.loads(capsys.readouterr().out)["metrics"] == pytest.approx(record["metrics"])
    page = (tmp_path / "a/table_xi.md").read_text()
    assert "29 of 33 (test)" in page and "set on the command line: " in page


@pytest.mark.parametrize(
    "table, more, part, kept",
    [
        ("XI", (), "expression", 29),
        ("XI", ("--set", "data.partition=au"), "au", 33),
        ("IX", (), "au", 33),
    ],
)
def test_the_head_says_which_frames_are_scored(
    tree: Path, table: str, more: tuple[str, ...], part: str, kept: int
) -> None:
    words = ["--table", table, "--profile", "smoke", "--data", str(tree), *more]
    wanted = ["--set", "data.scored=paper", "--set", "data.seed=3"]
    plan = make_plan(tables()[table], run.parser().parse_args([*words, *wanted]))
    source = loaded(plan.study.adapter).open_source(plan)
    # Every seventh of track d's 33 frames has no expression; AU12 is active in all.
    assert len(source.split("test").scoring()) == kept
    assert f"of part '{part}'" in source.notes[0] and f"{kept} of 33 (test)" in source.notes[0]
    assert source.split("test").scored_seed == 3
    plain = loaded(plan.study.adapter).open_source(
        make_plan(tables()[table], run.parser().parse_args(words))
    )
    assert len(plain.split("test").scoring()) == 33
    assert not any("Section II-D" in note for note in plain.notes)


@pytest.mark.parametrize(
    "setting, values, said",
    [
        ("data.scored", ("all", "paper"), "data.scored and data.seed of its rows"),
        ("data.partition", ("au", "expression"), "data.partition of its rows"),
    ],
)
def test_rows_of_a_table_are_scored_on_the_same_frames(
    setting: str, values: tuple[str, str], said: str, tmp_path: Path, capsys
) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from kaffect.studies.experiment import Row, Table\n"
        f"rows = [Row(w, w, {{'{setting}': w}}) for w in {values}]\n"
        "TABLE = Table('own', 'x', 'recognition', rows=tuple(rows))\n"
    )
    assert run.main(["--table", str(file), "--dry-run"]) == 2
    assert f"{said}. Expected the same for all" in capsys.readouterr().err
