"""`run.py --resume` with other settings: what may change when a row goes on, and what may not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments import run
from kaffect.config import FramewiseConfig
from kaffect.studies.framewise.study import FrameTraining, Framewise
from kaffect.training.loop import LENGTH
from kaffect.training.runs import load_run


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train.schedule": "constant"}, LENGTH),
        ({"train.schedule": "constant", "train.steps": 40}, LENGTH),
        ({"train.schedule": "cosine"}, ()),
        # An epoch stays an epoch; of `steps` both settings move the validation passes.
        ({"train.schedule": "plateau"}, ("train.epochs",)),
        ({"train.schedule": "plateau", "train.steps": 40}, ()),
    ],
)
def test_the_length_may_change_where_no_rate_depends_on_it(
    changes: dict[str, Any], expected: tuple[str, ...]
) -> None:
    training: Any = SimpleNamespace(config=FramewiseConfig().changed(changes))
    assert Framewise.free(SimpleNamespace(), training) == expected  # type: ignore[arg-type]


def command(table: str, data: Path, out: Path, *settings: str) -> list[str]:
    small = ["data.batch=4", "model.width=0.0625", *settings]
    return [
        "--table", table, "--row", "1", "--data", str(data), "--profile", "smoke",
        "--out", str(out), *(word for setting in small for word in ("--set", setting)),
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameTraining, "draw", lambda *a: None)


def records(out: Path) -> list[dict[str, Any]]:
    lines = (out / "table_a1.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["row"] == 1]


def test_more_steps_end_where_the_longer_run_does(stills: Path, tmp_path: Path) -> None:
    short, long = (["train.steps=2", "train.epochs=1"], ["train.steps=4", "train.epochs=2"])
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    assert run.main(command("A1", stills, parts, *short)) == 0
    assert run.main([*command("A1", stills, parts, *long), "--resume"]) == 0
    assert run.main(command("A1", stills, whole, *long)) == 0
    (_, gone_on), (at_once,) = records(parts), records(whole)
    assert [look["step"] for look in gone_on["history"]] == [2, 4]
    for name in ("history", "metrics", "config_hash", "best_step"):
        assert gone_on[name] == at_once[name], name
    found, wanted = (
        load_run(out / "checkpoints" / "row-01-seed-0", "last").networks.get_weights()
        for out in (parts, whole)
    )
    for value, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_plateau_cannot_go_on_with_other_intervals(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plateau = ["train.schedule=plateau", "train.steps=2"]
    assert run.main(command("A1", stills, tmp_path / "out", *plateau, "train.epochs=1")) == 0
    capsys.readouterr()
    other = command("A1", stills, tmp_path / "out", *plateau, "train.epochs=2")
    assert run.main([*other, "--resume"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "train.epochs: expected 1, received 2." in error
    assert len(records(tmp_path / "out")) == 1


def test_a_folder_of_an_earlier_version_is_not_gone_on_with(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "out" / "checkpoints" / "row-01-seed-0" / "frames.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    (earlier.parent / "LAST.json").write_text("{}")
    before = sorted((tmp_path / "out").rglob("*"))
    assert run.main([*command("A1", stills, tmp_path / "out"), "--resume"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("error: ") and "a run of an earlier version of kaffect" in line
    left = set((tmp_path / "out").rglob("*")) - set(before)
    assert {path.name for path in left} <= {"data.json", "run.lock"}, "nothing was trained"
