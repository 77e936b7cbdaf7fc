"""`kaffect train` and `kaffect evaluate`: one network, the same figures as in its table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kaffect import cli
from kaffect.data.prepared.records import PreparedData
from kaffect.studies.evaluate import evaluate_run
from kaffect.training.runs import load_run

pytestmark = pytest.mark.precision

ROW = "checkpoints/row-02-seed-0"


@pytest.fixture()
def run_folder(finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    _, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    return out


def _evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    capsys.readouterr()
    assert cli.main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_checkpoint_gives_the_figures_of_its_table_again(
    run_folder: Path, finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (run_folder / "table_xi.jsonl").read_text().splitlines()
    (record,) = (r for r in map(json.loads, lines) if r["row"] == 2)
    found = _evaluated(capsys, str(run_folder / ROW), "--split", "validation")
    assert found["step"] == record["best_step"] and found["data_kind"] == "real"
    assert found["metrics"] == record["metrics"], "to the last digit"
    tree, _ = finished
    again = _evaluated(capsys, str(run_folder / ROW), "--split", "train", "--data", str(tree))
    assert again["metrics"]["ccc_valence"] != found["metrics"]["ccc_valence"]


def test_intervals_leave_one_person_out_at_a_time(
    run_folder: Path, finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    tree, _ = finished
    arguments = [str(run_folder / ROW), "--split", "train", "--data", str(tree)]
    found = _evaluated(capsys, *arguments)
    run = load_run(run_folder / ROW)
    scored = evaluate_run(run, PreparedData.open(Path(found["data"])), "train")
    labels, index = scored.index.scoring(), scored.index
    valid, who = labels.va_valid, labels.track[labels.va_valid]
    x = labels.valence_arousal[valid, 0].astype(float)
    at = np.searchsorted(index.rows, labels.row[valid])
    y = scored.answers["valence_arousal"][at, 0].astype(float)

    def ccc(kept: np.ndarray) -> float:
        (xx, xy), (_, yy) = np.cov(x[kept], y[kept], bias=True)
        return 2 * xy / (xx + yy + (x[kept].mean() - y[kept].mean()) ** 2)

    lengths = np.bincount(who)[np.unique(who)]
    k, whole = len(lengths), ccc(who >= 0)
    squares = sum((ccc(who != person) - whole) ** 2 for person in np.unique(who))
    freedom = lengths.sum() ** 2 / (lengths**2).sum() - 1
    half = stats.t.ppf(0.975, freedom) * np.sqrt((k - 1) / k * squares)
    assert k > 1 and half > 0
    wanted = [max(-1, whole - half), min(1, whole + half)]
    assert found["intervals"]["ccc_valence"] == pytest.approx(wanted, rel=1e-6)
    assert set(found["intervals"]) < set(found["metrics"])
    assert cli.main(["evaluate", *arguments]) == 0
    text = capsys.readouterr().out
    assert f"[{wanted[0]:.4f}, {wanted[1]:.4f}]" in text and f"va {k} people" in text
    # One person is no sample of people.
    assert _evaluated(capsys, str(run_folder / ROW), "--split", "validation")["intervals"] == {}


def test_data_that_do_not_fit_are_refused(
    run_folder: Path,
    finished: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, _ = finished
    prepared = tmp_path / "prepared"
    small = ["data", "prepare", str(tree), "--out", str(prepared), "--image-size", "32"]
    assert cli.main(small) == 0
    capsys.readouterr()
    run = str(run_folder / ROW)
    assert cli.main(["evaluate", run, "--split", "validation", "--data", str(prepared)]) == 2
    error = capsys.readouterr().err
    assert "crop rule" in error and "96" in error and "32" in error
    assert cli.main(["evaluate", run]) == 2
    assert "no such split" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path)]) == 2
    assert "run.json" in capsys.readouterr().err


def test_a_file_of_settings_trains_what_the_table_trained(
    run_folder: Path,
    finished: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, _ = finished
    where = ["--data", str(tree), "--profile", "smoke"]
    assert cli.main(["train", "--table", "XI", "--row", "2", *where, "--dry-run"]) == 0
    settings = tmp_path / "mine.json"
    settings.write_text(capsys.readouterr().out)
    out = tmp_path / "out"
    assert cli.main(["train", "--config", str(settings), *where, "--out", str(out)]) == 0
    line, *_ = (out / "table_run.jsonl").read_text().splitlines()
    mine = json.loads(line)
    lines = (run_folder / "table_xi.jsonl").read_text().splitlines()
    (table,) = (r for r in map(json.loads, lines) if r["row"] == 2)
    assert mine["label"] == "mine" and mine["config_hash"] == table["config_hash"]
    assert mine["metrics"] == table["metrics"], "same settings, same numbers"
    assert "mine" in (out / "table_run.md").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("[1]", "expected a JSON object"),
        ('{"train": {"stepz": 3}}', "unknown setting"),
        ('{"loss": {"va": "rmse"}}', "rmse"),
        ("{", "mine.json"),
    ],
)
def test_a_file_of_settings_that_is_none(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    assert cli.main(["train", "--config", str(path), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_table_needs_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--table", "XI"]) == 2
    assert "--row" in capsys.readouterr().err
