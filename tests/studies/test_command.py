"""`experiments/run.py` as a user meets it: answers, mistakes, and a table from real files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import run
from tests.data.drawing import build_tree, write_labels

ROOT = Path(run.__file__).parent.parent


@pytest.mark.parametrize("program", ["experiments/run.py", "kaffect/cli/__main__.py"])
def test_help_and_mistakes_load_nothing_heavy(program: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{program!r}, '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "XII"], "--table: unknown table. Expected one of"),
        (["--figure", "99"], "--figure: unknown figure. Expected one of"),
        (["--table", "XI", "--row", "13"], "rows 1 to 12. Received: 13"),
        (["--table", "XI", "--seeds", "0"], "--seeds: expected 1 or more. Received: 0"),
        (["--table", "XI", "--data", "no/such/folder"], "--data no/such/folder: expected a folder"),
        (["--table", "XI", "--weights", "no.h5"], "--weights no.h5: no such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
    assert error.count("\n") == 1


def test_dry_run_lists_the_rows_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.main(["--table", "x", "--dry-run", "--seeds", "2"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("row ")]
    assert len(lines) == 7 * 2
    assert "loss.va_weight=0.25, loss.expression_weight=0.75" in lines[2]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_data_tree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert run.main(["--table", "XI", "--data", "photos", "--profile", "smoke"]) == 2
    error = capsys.readouterr().err
    assert "photos" in error and "annotations" in error and "Traceback" not in error


def test_a_wrong_label_names_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = build_tree(tmp_path / "tree")
    path = write_labels(tree, "VA", "Training", "a", ["0.1,0.2", "0.1,1.7"] + ["0,0"] * 48)
    assert run.main(["--table", "XI", "--data", str(tree), "--profile", "smoke"]) == 2
    error = capsys.readouterr().err
    assert f"{path}:3" in error and "1.7" in error
    assert not list(tmp_path.glob("runs/*/*.jsonl"))


def test_end_to_end_training_runs_through_the_cnn(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    command = ["--table", "X", "--row", "2", "--data", str(tree), "--profile", "smoke"]
    assert run.main([*command, "--cnn", "end_to_end", "--out", str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out" / "table_x.jsonl").read_text().splitlines()
    record = json.loads(lines[0])
    assert record["config"]["train"]["cnn"] == "end_to_end"
    # Row 2 of Table X trains valence and arousal only.
    assert "ccc_valence" in record["metrics"] and "accuracy" not in record["metrics"]
    names = (tmp_path / "out" / "checkpoints" / "row-02-seed-0").glob("*/variables.json")
    assert any("conv" in name.read_text() for name in names), "the CNN is trained and saved"


def _records(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "table_xi.jsonl").read_text().splitlines()]


def test_the_table_is_made_from_what_is_there(finished: tuple[Path, Path]) -> None:
    tree, out = finished
    records = {record["row"]: record for record in _records(out)}
    assert set(records) == {2, "constant", "linear_probe"}
    record = records[2]
    assert record["data_kind"] == "real" and record["scored_split"] == "validation"
    assert record["config"]["loss"]["va"] == "ccc"
    assert record["config"]["train"]["learning_rate"] == 1e-3
    assert set(record["metrics"]) >= {"ccc_valence", "ccc_arousal", "accuracy", "f1_macro"}
    # Constant labels of arousal and of the prediction agree to nothing, by definition.
    assert records["constant"]["metrics"]["ccc_valence"] == 0.0
    assert any("no test set" in note for note in record["notes"])
    assert any("CNN: He initialisation" in note for note in record["notes"])


def test_the_report_says_what_the_figures_are(finished: tuple[Path, Path]) -> None:
    _, out = finished
    for name in ("table_xi.md", "table_xi.html"):
        text = (out / name).read_text()
        assert "0.616" in text, "the paper's figure stands beside ours"
        assert "no test set" in text and "validation" in text
        assert "n=1" in text
        assert "synthetic data" not in text.lower() and "(synthetic" not in text


def test_tensorboard_files_hold_curves_and_pictures(finished: tuple[Path, Path]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, out = finished
    events = EventAccumulator(str(out / "tensorboard" / "row-02-seed-0"), {"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {
        "train/loss",
        "validation/ccc_valence",
        "validation/f1_macro",
        "optimizer/learning_rate",
        "speed/frames_per_second",
        "faces",
        "attention",
        "_hparams_/session_start_info",
    } <= tags


def test_resume_trains_nothing_twice_and_out_is_not_overwritten(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    before = (out / "table_xi.jsonl").read_bytes()
    arguments = ["--table", "XI", "--row", "2", "--data", str(tree), "--profile", "smoke"]
    assert run.main([*arguments, "--out", str(out)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert run.main([*arguments, "--out", str(out), "--resume"]) == 0
    assert (out / "table_xi.jsonl").read_bytes() == before
    capsys.readouterr()
    other = [*arguments, "--out", str(out), "--resume", "--implementation", "cell"]
    assert run.main(other) == 2, "its checkpoints are of a run with other settings"
    error = capsys.readouterr().err
    assert "model.implementation: expected 'fused', received 'cell'." in error
    assert (out / "table_xi.jsonl").read_bytes() == before
