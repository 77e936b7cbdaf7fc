"""The tables as data: exactly the paper's rows, in its order; resuming with other settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import run
from kaffect.config import RecognitionConfig
from kaffect.studies.finding import find_trained
from kaffect.studies.recognition import STUDY
from tests.data.drawing import contents


def test_the_best_row_of_xi_is_row_5_of_x_but_for_nothing() -> None:
    best, same = find_trained("XI").rows[1], find_trained("X").rows[4]
    paper = RecognitionConfig()
    assert paper.changed(best.changes) == paper.changed(same.changes) == paper


def test_the_paper_profile_is_the_papers_network() -> None:
    assert not STUDY.profiles["paper"].changes and not STUDY.profiles["paper"].deviations
    for name in ("smoke", "demo"):
        assert STUDY.profiles[name].deviations, "a smaller network must say so above its table"


@pytest.mark.parametrize(
    "change", ["model.fc_units=8", "model.preprocessing=vggface", "pretrain.steps=5"]
)
def test_resuming_with_other_settings_changes_nothing(
    finished: tuple[Path, Path],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(tree.parent / "home"))
    before = {name: digest for name, digest in contents(out).items() if name != "run.lock"}
    assert any(name.startswith("encoders/") for name in before)
    arguments = ["--table", "XI", "--row", "2", "--data", str(tree), "--profile", "smoke"]
    again = [*arguments, "--out", str(out), "--resume", "--set", change]
    assert run.main(again) == 2
    assert "was started otherwise and cannot go on like this" in capsys.readouterr().err
    assert {n: d for n, d in contents(out).items() if n != "run.lock"} == before
