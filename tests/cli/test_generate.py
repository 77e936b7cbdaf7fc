"""`kaffect generate` as a user meets it: pictures, picked faces, mistakes without a traceback."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.data.prepared.stills import read_stills
from kaffect.files import read_json, write_json
from kaffect.labels import ACTION_UNITS_8
from kaffect.studies.gan.generation import generate_faces
from kaffect.studies.image_grids import image_grid, read_image
from tests.training import tiny_gan


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "checkpoints" / "row-05"
    tiny_gan.save_untrained(folder)
    return folder


def _rows(path: Path) -> list[dict[str, float]]:
    with open(path, encoding="utf-8", newline="") as handle:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(handle)]


def test_grid_and_table_of_the_same_faces(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid, table = tmp_path / "faces.png", tmp_path / "faces.csv"
    command = ["generate", "--model", str(model), "--count", "5", "--seed", "1"]
    assert main([*command, "--grid", str(grid), "--csv", str(table)]) == 0
    faces = generate_faces(model, 5, seed=1)
    np.testing.assert_array_equal(read_image(grid), image_grid(faces.images))
    rows = _rows(table)
    assert [row.pop("face") for row in rows] == [1, 2, 3, 4, 5]
    for row, judged in zip(rows, faces.judged, strict=True):
        assert row == pytest.approx(dict(judged), abs=1e-6)
    out = capsys.readouterr().out
    assert f"faces: {grid} (5 of 32x32 pixels)" in out
    mean = np.mean([face["valence"] for face in faces.judged])
    assert f"valence {mean:+.3f}" in out
    before = grid.read_bytes()
    assert main([*command, "--grid", str(grid)]) == 0
    assert grid.read_bytes() == before, "the same seed must give the same bytes"
    assert main([*command, "--grid", str(grid), "--weights", "trained"]) == 0
    assert grid.read_bytes() != before


def test_wished_faces_come_nearer_to_the_wish(model: Path, tmp_path: Path) -> None:
    command = ["generate", "--model", str(model), "--count", "4", "--seed", "2"]
    any_faces, wished = tmp_path / "any.csv", tmp_path / "wished.csv"
    assert main([*command, "--csv", str(any_faces)]) == 0
    wish = ["--valence", "0.1", "--action-units", "AU4, au12", "--candidates", "60"]
    assert main([*command, "--csv", str(wished), *wish]) == 0

    def distance(row: dict[str, float]) -> float:
        units = [(row[name] - (name in ("AU4", "AU12"))) ** 2 for name in ACTION_UNITS_8]
        return ((row["valence"] - 0.1) / 2) ** 2 + float(np.mean(units))

    picked = [distance(row) for row in _rows(wished)]
    drawn = [distance(row) for row in _rows(any_faces)]
    assert picked == sorted(picked)
    # The first four candidates are the four faces without a wish.
    assert picked[0] <= min(drawn) and sum(picked) < sum(drawn)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to write: --grid FILE.png"),
        (["--grid", "f.png", "--count", "0"], "1 or more. Received: 0"),
        (["--grid", "f.png", "--candidates", "0"], "--candidates: expected 1 or more. Received: 0"),
        (["--grid", "f.png", "--valence", "2"], "Wished valence. Expected -1 to 1. Received: 2.0"),
        (["--grid", "f.png", "--action-units", "AU6,,"], "names like AU6,AU12. Received: 'AU6,,'"),
        (
            ["--grid", "f.png", "--action-units", "AU26", "--candidates", "4"],
            "Unknown Action Unit. Expected one of 'AU1', 'AU12', 'AU15', 'AU2', 'AU20', 'AU25', "
            "'AU4', 'AU6'. Received: 'AU26'",
        ),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    model: Path,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "--model", str(model), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def _refused(model: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["generate", "--model", str(model), "--count", "2", "--grid", "no.png"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_folder_above_names_the_gans_in_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = _refused(model.parent.parent, capsys)
    assert "expected the folder of one trained GAN" in error and str(model) in error
    assert "none there" in _refused(tmp_path, capsys)


def test_a_checkpoint_of_another_network_says_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_gan.save_untrained(tmp_path)
    path = tmp_path / "run.json"
    described = read_json(path)
    loss = {**described["config"]["loss"], "tasks": ["au"]}
    write_json(path, {**described, "config": {**described["config"], "loss": loss}}, sealed=True)
    error = _refused(tmp_path, capsys)
    # The last layer has 9 outputs for Action Units only, 11 in the checkpoint.
    assert "another configuration" in error and ", 9]" in error and ", 11]" in error
    write_json(path, {**described, "label_space": "mine"}, sealed=True)
    assert "not the description of a run" in _refused(tmp_path, capsys)
    write_json(path, {"schema": 2, "kind": "something"}, sealed=True)
    assert "not the description of a run" in _refused(tmp_path, capsys)


def test_a_gan_without_valence_cannot_be_asked_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units_only = tiny_gan.UNTRAINED.changed({"loss.tasks": ["au"]})
    tiny_gan.save_untrained(tmp_path, units_only)
    command = ["generate", "--model", str(tmp_path), "--count", "1", "--candidates", "4"]
    assert main([*command, "--grid", "no.png", "--valence", "0.5"]) == 2
    assert "does not judge valence and arousal" in capsys.readouterr().err


def test_single_faces_are_a_list_that_data_takes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "generated"
    command = ["generate", "--model", str(model), "--count", "6", "--seed", "3"]
    assert main([*command, "--out", str(out)]) == 0
    faces, stills = generate_faces(model, 6, seed=3), read_stills(out / "faces.csv")
    assert sum(len(stills.splits[name]) for name in stills.splits) == 6
    with open(out / "faces.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row, image, judged in zip(rows, faces.images, faces.judged, strict=True):
        np.testing.assert_array_equal(read_image(out / row["path"]), image)
        units = np.array([judged[name] for name in ACTION_UNITS_8])
        assert [int(row[name]) for name in ACTION_UNITS_8] == (units >= 0.5).astype(int).tolist()
        sure = np.maximum(units, 1 - units).mean()
        assert float(row["confidence"]) == pytest.approx(sure, abs=1e-6) and row["seed"] == "3"
        assert float(row["valence"]) == pytest.approx(np.clip(judged["valence"], -1, 1), abs=1e-6)
    values = sorted(float(row["confidence"]) for row in rows)
    some, least = tmp_path / "some", (values[2] + values[3]) / 2
    assert main([*command, "--out", str(some), "--confidence", str(least)]) == 0
    kept = (some / "faces.csv").read_text().splitlines()[1:]
    assert len(kept) == len(list(some.glob("faces/*.png"))) == 3
    capsys.readouterr()
    for folder, more, said in (
        (out, [], "there is something in it"),
        (tmp_path / "none", ["--confidence", "1"], "the highest here"),
        (tmp_path / "none", ["--confidence", "2"], "--confidence. Expected 0 to 1"),
    ):
        assert main([*command, "--out", str(folder), *more]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not (tmp_path / "none").exists() and len(list(out.glob("faces/*.png"))) == 6
