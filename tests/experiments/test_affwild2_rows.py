"""Tables A1 to A5: what rows start from, and what becomes of a table of which a row cannot run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import affwild2_run, run
from experiments.affwild2 import FramePlan, load_table
from experiments.affwild2_definitions import FRAME_PROFILES, FrameRow
from experiments.affwild2_problems import Problem, StartError, explain, raise_faults
from experiments.affwild2_report import table_rows
from experiments.affwild2_row import FrameRun
from experiments.affwild2_run import open_frames
from kaffect.errors import ArtifactError, ConfigError, DatasetError, KaffectError, TrainingDiverged
from kaffect.models import affect_resnet18
from kaffect.models.torchvision_weights import torchvision_weights
from kaffect.training.frames_config import FrameConfig
from kaffect.training.precision import precision_here


def plan(table: str, weights: str | None, *rows: int, data: Path | None = None) -> FramePlan:
    found = load_table(table)
    chosen = tuple((n, found.rows[n - 1]) for n in rows or range(1, len(found.rows) + 1))
    return FramePlan(found, FRAME_PROFILES["smoke"], data, chosen, (0,), {}, weights)


# --- initial weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["A1", "A2", "A3", "A4"])
def test_all_rows_of_the_study_s_tables_start_from_the_file(table: str) -> None:
    found = [config.model.weights for _, _, config in plan(table, "w.npz").configurations()]
    assert found == ["w.npz"] * len(load_table(table).rows)
    assert {c.model.weights for _, _, c in plan(table, None).configurations()} == {None}
    assert plan(table, "w.npz").notes[-1] == "initial weights: w.npz"


def test_a5_compares_the_file_with_he_initialisation() -> None:
    starts = {n: c.model.weights for n, _, c in plan("A5", "w.npz").configurations()}
    assert [n for n, weights in starts.items() if weights] == [1, 2] and len(starts) == 12
    assert plan("A5", "w.npz").notes[-1] == "initial weights: w.npz (rows 1, 2)"
    assert [n for n, _, _ in plan("A5", None).configurations()] == list(range(3, 13))


@pytest.mark.parametrize("profile", ["smoke", "demo", "paper"])
def test_without_a_file_every_profile_says_so(
    profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--table", "A1", "--profile", profile, "--dry-run"]) == 0
    assert "note: no weights file: He initialisation\n" in capsys.readouterr().out


def test_a_start_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="'given', 'needed', 'none'. Received: 'always'"):
        FrameRow("a", "a", {}, start="always")


def test_recorded_rows_keep_their_configuration() -> None:
    """Results on record are found again by these: whoever changes one makes them anew."""
    hashes = [load_table("A4").rows[n].configure(FRAME_PROFILES["demo"], {}, None, 0).hash()
              for n in range(15)]  # fmt: skip
    assert hashes == [
        "348f633aa4641b46", "91e810a66ca3e0c1", "1fa1b1acd1769870", "a8eb5a8a5800d695",
        "8724737043b718ed", "5a47791568ccf4dd", "4789212badf1aaf0", "5333f03e7c9a5f47",
        "1564b4bb000be506", "6b1ce4d36061f64f", "61c70005abf79991", "640b52637e7490b4",
        "a7d039ad988d4eaf", "006d2d00ced7b352", "9aaf607d9618a55e",
    ]  # fmt: skip


def narrow_weights(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A file of the network of the smoke profile, with numbers that no initialiser draws."""
    network = affect_resnet18(32, width=0.0625, seed=9)
    arrays = {n: np.asarray(v) + 0.5 for n, v in torchvision_weights(network).items()}
    np.savez(folder / "narrow.npz", **arrays)
    return folder / "narrow.npz", arrays


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))


def test_a_run_s_network_holds_the_file_s_numbers(stills: Path, tmp_path: Path, home: None) -> None:
    path, arrays = narrow_weights(tmp_path)
    wanted = plan("A1", str(path), 1, data=stills)
    source = open_frames(wanted)
    ((_, _, config),) = wanted.configurations()
    started = torchvision_weights(FrameRun(config, source).trainer.network)
    assert started.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(started[name], value, err_msg=name)
    wide = config.changed({"model.width": 0.125})
    with pytest.raises(StartError, match="does not fit.*add --set model.width=1$"):
        FrameRun(wide, source)


# --- rows that have no result --------------------------------------------------------------------


def labels(*arguments: Any, problems: tuple[Problem, ...] = (), ran: set[int] = set()) -> list[str]:
    return [r.label for r in table_rows(plan("A5", *arguments), ran, problems) if ": " in r.label]


def test_only_rows_that_were_asked_for_say_why_they_did_not_run() -> None:
    names = [row.label for row in load_table("A5").rows[:2]]
    assert labels(None) == [f"{name}: not run: no weights" for name in names]
    assert labels("w.npz", 3) == [] and labels(None, 3) == [] and labels("w.npz") == []
    assert labels(None, ran={1}) == [f"{names[1]}: not run: no weights"]
    problem = Problem(1, 0, "failed", "it diverged", True)
    assert labels("w.npz", problems=(problem,)) == [f"{names[0]}: failed"]
    assert labels("w.npz", problems=(problem,), ran={1}) == [], "another seed has a result"


def test_problems_are_told_once_for_each_reason() -> None:
    start, data = StartError("w.npz: no"), DatasetError("no labels")
    found = [Problem.of(1, 0, start), Problem.of(2, 0, start), Problem.of(4, 0, data)]
    assert explain(found) == ["rows 1, 2: not run: w.npz: no", "row 4: not run: no labels"]
    diverged = Problem.of(3, 1, TrainingDiverged("at step 7"))
    assert explain([found[2], diverged])[1] == "row 3 (seed 1): failed: at step 7"
    assert Problem.of(3, 1, ArtifactError("checkpoint")).kind == "failed"
    raise_faults([found[2]])  # data without labels are no fault of the command
    with pytest.raises(KaffectError, match="^rows 1, 2: not run: w.npz: no$"):
        raise_faults(found)


Fake = Callable[[dict[str, Exception]], dict[str, str]]


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Rows are not trained: those of some settings raise, the others score one half.

    The result gets the precision that each configuration was run in.
    """
    precisions: dict[str, str] = {}
    for name in ("draw_run", "describe_frame_run"):
        monkeypatch.setattr(affwild2_run, name, lambda *a, **k: None)
    monkeypatch.setattr(affwild2_run.FrameTableRun, "_submit", lambda *a: None)

    def install(errors: dict[str, Exception]) -> dict[str, str]:
        def run_row(config: FrameConfig, *a: Any, **k: Any) -> tuple[dict[str, Any], None]:
            key = f"{config.train.optimizer} {config.loss.class_weights} {config.data.mixing}"
            if key in errors:
                raise errors[key]
            precisions[config.hash()] = config.train.precision
            part = {"metrics": {"p_expr": 0.5}, "wall_time": 1.0, "frames": {"validation": 37}}
            return part, None

        monkeypatch.setattr(affwild2_run, "run_row", run_row)
        return precisions

    return install


def test_a_row_that_fails_leaves_the_others_their_turn(
    stills: Path,
    tmp_path: Path,
    home: None,
    faked: Fake,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faked({
        "sgd balanced none": StartError("w.npz: not the weights"),
        "sgd none none": TrainingDiverged("loss is nan"),
    })  # fmt: skip
    out = tmp_path / "out"
    command = ["--table", "A1", "--data", str(stills), "--profile", "smoke", "--out", str(out)]
    assert run.main(command) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == "error: row 1: not run: w.npz: not the weights; row 2: failed: loss is nan"
    lines = [json.loads(line) for line in (out / "table_a1.jsonl").read_text().splitlines()]
    assert [r["row"] for r in lines if isinstance(r["row"], int)] == [3, 4, 5]
    assert "constant" in [r["row"] for r in lines]
    report = (out / "table_a1.md").read_text()
    assert "- row 1: not run: w.npz: not the weights\n" in report
    assert "- row 2: failed: loss is nan\n" in report
    assert "class weights: failed" in report and "SGD: not run" in report
    # Mended, the same command finishes what is missing and says nothing of it.
    faked({"sgd none none": DatasetError("no labels")})
    assert run.main([*command, "--resume"]) == 0
    lines = [json.loads(line) for line in (out / "table_a1.jsonl").read_text().splitlines()]
    assert sorted(r["row"] for r in lines if isinstance(r["row"], int)) == [1, 3, 4, 5]
    assert "- row 2: not run: no labels\n" in (out / "table_a1.md").read_text()


def test_each_row_has_its_own_precision_and_says_on_what_it_is_scored(
    stills: Path, tmp_path: Path, home: None, faked: Fake
) -> None:
    precisions, out = faked({}), tmp_path / "out"
    out.mkdir()
    affwild2_run.run(plan("A4", None, 8, 22, 25, 26, data=stills), out, False)
    lines = [json.loads(line) for line in (out / "table_a4.jsonl").read_text().splitlines()]
    rows = {r["row"]: r for r in lines if isinstance(r["row"], int)}
    wanted = {8: precision_here("auto"), 22: precision_here("auto"), 25: "float32"}
    wanted |= {26: "mixed_bfloat16"}
    assert {n: r["precision"] for n, r in rows.items()} == wanted
    assert {n: precisions[r["config_hash"]] for n, r in rows.items()} == wanted
    note = "row 22 is validated and scored on the 37 training frames that follow those it was "
    note += "trained on"
    assert [n for n, r in rows.items() if note in r["notes"]] == [22]
