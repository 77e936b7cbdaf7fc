"""Tables A1 to A5: the study's rows and figures, and a table made from real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import run
from kaffect.config import FramewiseConfig
from kaffect.data.annotations.submissions import read_submission
from kaffect.studies.finding import find_trained
from kaffect.studies.framewise import STUDY
from kaffect.studies.plan import Plan
from kaffect.studies.reference import published_figures
from kaffect.studies.report.metrics import METRICS
from tests.studies.log_lines import passes

pytestmark = pytest.mark.precision

NAMES = ("A1", "A2", "A3", "A4", "A5")


# --- the tables as data --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_a_configuration_of_its_own(name: str) -> None:
    table = find_trained(name)
    assert table.name == name and set(table.metrics) <= METRICS.keys()
    for profile in STUDY.profiles.values():
        plan = Plan(table, profile, None, (), weights="w.npz")
        configs = [plan.configure(row, 0) for row in table.rows]
        assert len({config.hash() for config in configs}) == len(table.rows)
        assert len({config.model.image_size for config in configs}) == 1
    assert len({row.label for row in table.rows}) == len(table.rows)
    assert max(len(row.short) for row in table.rows) <= 18


def row(name: str, number: int) -> Any:
    table = find_trained(name)
    return Plan(table, STUDY.profiles["paper"], None, ()).configure(table.rows[number - 1], 0)


def test_the_study_s_recipes_are_as_it_states_them() -> None:
    va, expression, au, joint = (row(t, 1) for t in ("A3", "A1", "A2", "A4"))
    assert (va.loss.va, va.train.optimizer, va.train.schedule) == ("mse", "adam", "plateau")
    assert va.model.extra_normalization and va.data.train_share == 0.8
    assert (expression.train.optimizer, expression.loss.class_weights) == ("sgd", "balanced")
    assert (au.train.optimizer, au.loss.positive_weights) == ("adam", "balanced")
    assert (joint.loss.va, joint.loss.au, joint.train.optimizer) == ("mse", "mse", "adam")
    assert joint.loss.tasks == ("va", "expression", "au")
    for config in (va, expression, au, joint):
        assert config.train.epochs == 10 and config.train.steps == 0
        assert config.data.flip and config.data.rotation and not config.data.zoom
        assert config.data.mixing == "none" and config.model.image_size == 112


def test_rows_of_a4_change_one_thing_at_a_time() -> None:
    """From the study's recipe to masks, BCE and CCC; then one addition each to the sound one."""

    def changed(a: FramewiseConfig, b: FramewiseConfig) -> set[str]:
        one, two = a.to_dict(), b.to_dict()
        return {f"{p}.{k}" for p in one for k in one[p] if one[p][k] != two[p][k]}

    rows = [row("A4", n) for n in range(1, 27)]
    assert changed(rows[0], rows[1]) == {"data.subset"}
    assert changed(rows[0], rows[2]) == {"data.subset", "data.train_share"}
    assert changed(rows[2], rows[3]) == {"data.labels"}
    assert changed(rows[3], rows[4]) == {"loss.masked"}
    assert changed(rows[3], rows[5]) == {"loss.au", "loss.positive_weights"}
    assert changed(rows[5], rows[6]) == {"loss.va"}
    for number, setting in ((9, "loss.weighting"), (10, "data.balanced"), (11, "train.thresholds"),
                            (12, "data.mixing"), (13, "loss.tasks"), (14, "loss.tasks"),
                            (15, "loss.tasks")):  # fmt: skip
        assert changed(rows[7], rows[number - 1]) == {setting}, number
    # The steps that rows 6 and 8 make together, one by one.
    assert changed(rows[3], rows[15]) == {"loss.au"}
    assert changed(rows[15], rows[5]) == {"loss.positive_weights"}
    walk = [changed(rows[a - 1], rows[b - 1])
            for a, b in ((7, 17), (17, 18), (18, 19), (19, 20), (20, 21), (21, 8))]  # fmt: skip
    # Without decay AdamW is Adam; warm-up without cosine is nothing.
    assert walk == [
        {"train.optimizer", "train.weight_decay"}, {"train.learning_rate"}, {"train.schedule"},
        {"train.warmup"}, {"data.zoom", "data.shift"}, {"data.brightness", "data.contrast"},
    ]  # fmt: skip
    assert set().union(*walk) == changed(rows[6], rows[7])
    assert changed(rows[0], rows[21]) == {"data.validation_share", "data.scored"}
    weights = {f"loss.{task}_weight" for task in ("va", "expression", "au")}
    assert changed(rows[3], rows[22]) == weights - {"loss.expression_weight"}
    assert changed(rows[7], rows[23]) == weights - {"loss.va_weight"}
    assert changed(rows[7], rows[24]) == changed(rows[7], rows[25]) == {"train.precision"}


def test_fixed_task_weights_make_equal_parts() -> None:
    """Of what the network loses before it knows anything, by each row's own formulas."""
    study, sound = row("A4", 23).loss, row("A4", 24).loss
    quarter = np.mean((np.array([0.0, 1.0]) - 0.5) ** 2)
    first = {"va": 0.0712, "expression": np.log(8), "au": quarter}
    parts = [study.weight(task) * value for task, value in first.items()]
    assert parts == pytest.approx([parts[0]] * 3, rel=0.01)
    share = 0.01  # a rare unit: its positive frames weigh (1 - share) / share
    weighted = (share * (1 - share) / share + (1 - share)) * np.log(2)
    first = {"va": 1.0, "expression": np.log(8), "au": weighted}
    parts = [sound.weight(task) * value for task, value in first.items()]
    assert parts == pytest.approx([1.0] * 3, rel=0.02)


def test_the_study_s_figures_add_up() -> None:
    """Its averages are those of the printed columns, to the last digit but one."""
    expressions, units, va = (published_figures(t)[1] for t in ("A1", "A2", "A3"))
    for figures, mean, count in ((expressions, "p_expr", 8), (units, "p_au", 12)):
        each = [value for name, value in figures.items() if name != mean]
        assert len(each) == count
        assert np.mean(each) == pytest.approx(figures[mean], abs=1e-4)
    assert va["p_va"] == pytest.approx((va["ccc_valence"] + va["ccc_arousal"]) / 2, abs=1e-4)
    assert published_figures("A4")[1] == {
        "p_va": 0.0274, "p_expr": 0.2208, "p_au": 0.0865,
        "loss_va": 0.0046, "loss_expr": 0.0002, "loss_au": 0.0038,
    }  # fmt: skip
    assert published_figures("A5") == {}


# --- from files to a report ----------------------------------------------------------------------


def smoke(table: str, number: int, data: Path, out: Path, *more: str) -> list[str]:
    return [
        "--table", table, "--row", str(number), "--data", str(data), "--profile", "smoke",
        "--out", str(out), *more,
    ]  # fmt: skip


def scalars(folder: Path) -> dict[str, list[float]]:
    """The curves that TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    events = EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    curves = {
        tag: [tensor_util.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if "/" in tag and not tag.startswith("_")
    }
    # Those of precision and recall are whole tables.
    return {t: [float(v) for v in values] for t, values in curves.items() if not values[0].ndim}


@pytest.fixture
def joint(finished_framewise: tuple[Path, Path]) -> tuple[Path, Path]:
    """A tree with three tasks and no test set, and the joint network of Table A4 on it."""
    return finished_framewise


def records(path: Path) -> dict:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {record["row"]: record for record in lines}


def test_the_joint_network_on_a_users_tree(joint: tuple[Path, Path]) -> None:
    _, out = joint
    found = records(out / "table_a4.jsonl")
    assert set(found) == {9, "constant", "constant_all_units", "linear_probe"}
    record = found[9]
    assert record["data_kind"] == "real" and record["scored_split"] == "validation"
    assert record["config"]["loss"]["weighting"] == "uncertainty"
    assert {"p_va", "p_expr", "p_au", "p_mtl", "f1_neutral", "f1_au25"} <= set(record["metrics"])
    assert record["steps"] == 4 and len(record["history"]) == 2
    first = record["history"][0]
    assert "weight_expression" in first["train"]
    assert 0 <= first["train"]["accuracy"] <= 1 and -1 <= first["train"]["ccc_arousal"] <= 1
    assert not [name for name in first["train"] if name.startswith("seen")]
    curves = scalars(out / "tensorboard" / "row-09-seed-0")
    for name in ("accuracy", "ccc_valence", "ccc_arousal"):
        for part in ("train", "validation"):
            wanted = [look[part][name] for look in record["history"]]
            # The scored split, here validation too, comes last.
            assert curves[f"{part}/{name}"][: len(wanted)] == pytest.approx(wanted)
    # Faces: track a in 47 of its 50 frames, b_left in all 50 that 40 at 24 fps become; b_right
    # has no boxes, and no detector finds a face in bars.
    assert record["frames_seen"] == 64 and record["frames"]["train"] == 47 + 50
    for name in ("curves", "expressions", "units"):
        assert (out / "pictures" / f"row-09-seed-0-{name}.png").stat().st_size > 2000
    for task in ("va", "expression", "au"):
        submitted = read_submission(out / "submissions" / f"row-09-seed-0-{task}.txt", task)
        assert submitted.incomplete({"c": 62}) == []
    report = (out / "table_a4.md").read_text()
    assert "0.221" in report and "study (Aff-Wild2)" in report and "no test set" in report


def test_a_row_is_not_trained_twice_and_a_weights_file_is_asked_for(
    joint: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, out = joint
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    before = (out / "table_a4.jsonl").read_bytes()
    assert run.main(smoke("A4", 9, tree, out, "--resume")) == 0
    assert (out / "table_a4.jsonl").read_bytes() == before
    capsys.readouterr()
    other = smoke("A4", 9, tree, out, "--resume", "--set", "data.rotation=3")
    assert run.main(other) == 2, "its checkpoints are of a run with other settings"
    told = capsys.readouterr()
    assert "data.rotation: expected 10.0, received 3." in told.err
    assert "row  9" not in told.out, "a wrong --resume stops the command: no row is tried"
    assert (out / "table_a4.jsonl").read_bytes() == before
    assert run.main(smoke("A5", 1, tree, out.parent / "a5")) == 0
    assert "not run: no weights" in (out.parent / "a5" / "table_a5.md").read_text()
    assert 1 not in records(out.parent / "a5" / "table_a5.jsonl")


def test_stills_go_through_the_same_command_and_are_learned(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", "train.steps=24", "--set", "model.width=0.125", "--set", "data.batch=8"]
    assert run.main(smoke("A1", 3, stills, tmp_path / "out", *settings)) == 0
    found = records(tmp_path / "out" / "table_a1.jsonl")
    record = found[3]
    assert record["scored_split"] == "test" and record["data_name"] == "faces"
    assert record["config"]["train"]["steps"] == 24
    assert record["metrics"]["accuracy"] == 1.0
    assert found["constant"]["metrics"]["accuracy"] < 0.7
    assert found["linear_probe"]["metrics"]["accuracy"] == 1.0
    (note,) = [note for note in record["notes"] if "set on the command line" in note]
    assert "train.steps 24 instead of 0" in note and "data.batch 8 instead of 64" in note
    report = (tmp_path / "out" / "table_a1.md").read_text()
    assert "Aff-Wild2: in all 60 | about 2,700,000 (Section 1.9.1)" in report.replace("\\", "")
    predicted = tmp_path / "out" / "checkpoints" / "row-03-seed-0" / "predictions.csv"
    wanted = [line.rsplit(",", 1) for line in stills.read_text().splitlines()]
    wanted = [text for text, split in wanted if split in ("split", "test")]
    assert predicted.read_text().splitlines() == wanted  # all are right: accuracy 1
    told = capsys.readouterr()
    steps = [look["step"] for look in record["history"]]
    assert passes(told.err) == [("row 3/5, seed 0", f"{step} of 24", step < 24) for step in steps]
    assert len(steps) > 1 and not passes(told.out), "standard output is for results"


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--table", "A1", "--row", "9"], "table A1 has rows 1 to 5. Received: 9"),
        (["--table", "A1", "--set", "epochs=3"], "Unknown setting"),
        (["--table", "A1", "--set", "train.epochs=2.5"], "train.epochs. Expected a positive whole"),
        (["--table", "A1", "--set", "train.seed=3"], "train.seed: expected --seeds N"),
        (["--table", "A1", "--data", "none.csv"], "none.csv: expected a list of stills"),
        (["--table", "A1", "--data", "none"], "none: expected a folder"),
        (["--table", "A5", "--weights", "none.npz"], "none.npz: no such file"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_dry_run_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.main(["--table", "a5", "--dry-run", "--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert out.count("not run: no weights") == 2 and out.count(" seed ") == 2 * 11
    assert not list(tmp_path.iterdir())
