"""The trial: a known delay is found, good annotators pass and random ones do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kaffect.annotation.labels import Take
from kaffect.annotation.trial import latest_result, score_take, target
from kaffect.cli import main
from kaffect.data import read_annotations
from tests.annotation import simulated

SEED = 11


@pytest.mark.parametrize("frames", [0, 6, 20.5, 45, 71.3, 90])
def test_an_injected_delay_is_found_within_a_frame(frames: float) -> None:
    result = score_take(SEED, simulated.delayed(SEED, frames))
    assert abs(result.delay - frames) <= 1
    assert not result.flagged and result.reliability > 0.99
    assert result.gain == pytest.approx(1, abs=0.02)


def flagged(kind: object, people: int) -> int:
    rng = np.random.default_rng(3)
    return sum(score_take(seed, kind(seed, rng)).flagged for seed in range(people))  # type: ignore


def test_good_annotators_pass_and_random_ones_do_not() -> None:
    assert flagged(simulated.good, 6) == 0
    assert flagged(simulated.random, 6) == 6


@pytest.mark.nightly
def test_a_hundred_of_each() -> None:
    assert flagged(simulated.good, 100) <= 5
    assert flagged(simulated.random, 100) >= 95


def test_targets_are_known_and_bounded() -> None:
    wanted = target(SEED)
    assert wanted.shape == (3600, 2) and np.abs(wanted).max(axis=0) == pytest.approx([0.9, 0.9])
    assert (wanted == target(SEED)).all() and not (wanted == target(SEED + 1)).any()
    assert abs(np.corrcoef(wanted.T)[0, 1]) < 0.4, "valence and arousal move by themselves"


def test_a_trial_that_was_broken_off_does_not_count() -> None:
    whole, still = simulated.delayed(SEED, 20), simulated.delayed(SEED, 40)
    broken = Take(still.dimensions, "mouse", "bounded", still.samples[:3000], 50.0)
    assert score_take(SEED, broken).flagged
    result = latest_result(SEED, [(1.0, whole), (2.0, broken), (3.0, Take(("valence",), "", ""))])
    assert result is not None and result.delay == 20
    assert latest_result(SEED, [(2.0, broken)]) is None
    resting = Take(whole.dimensions, "mouse", "bounded", [[0, 0, 0, 0, 0], [1, 30, 0, 0, 0]], 120)
    assert score_take(SEED, resting).flagged


def experts(folder: Path, lags: dict[str, int], trials: object) -> Path:
    rng = np.random.default_rng(2)
    curve = np.cumsum(rng.normal(0, 0.05, (400, 2)), axis=0)
    curve /= np.abs(curve).max()
    for name, lag in lags.items():
        path = folder / name / "VA_Set/Training_Set/film.txt"
        path.parent.mkdir(parents=True)
        late = curve[np.maximum(np.arange(400) - lag, 0)]
        rows = "\n".join(f"{v:.5f},{a:.5f}" for v, a in late)
        path.write_text(f"valence,arousal\n{rows}\n")
    if trials is not None:
        (folder / "trials.json").write_text(json.dumps(trials))
    return folder


def test_delays_of_trials_bring_the_merged_trace_to_the_events_time(tmp_path: Path) -> None:
    lags = {"anna": 40, "ben": 85}
    trials = {name: {"delay": lag, "flagged": False} for name, lag in lags.items()}
    folder = experts(tmp_path / "e", lags, trials)
    flags = ["data", "merge-annotators", str(folder), "--out", str(tmp_path / "m")]
    assert main([*flags, "--reference", "trial"]) == 0
    merged = read_annotations(tmp_path / "m/annotations/VA_Set/Training_Set/film.txt")
    one = read_annotations(folder / "anna/VA_Set/Training_Set/film.txt").values
    np.testing.assert_allclose(merged.values[:315], one[40:355], atol=1e-5)
    report = json.loads((tmp_path / "m/agreement.json").read_text())
    assert report["tasks"]["va"]["delay in frames"] == {"anna": 40, "ben": 85}


@pytest.mark.parametrize(
    "trials",
    [None, {}, {"anna": {"delay": 3, "flagged": False}}, [1],
     {"anna": {"delay": 3, "flagged": False}, "ben": {"delay": 3, "flagged": True}},
     {"anna": {"delay": 3, "flagged": False}, "ben": {"delay": 91, "flagged": False}},
     {"anna": {"delay": 3, "flagged": False}, "ben": {"delay": 2.5, "flagged": False}}],
    ids=str,
)  # fmt: skip
def test_without_a_trial_nobody_is_moved(
    tmp_path: Path, trials: object, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = experts(tmp_path / "e", {"anna": 0, "ben": 3}, trials)
    flags = ["data", "merge-annotators", str(folder), "--out", str(tmp_path / "m")]
    assert main([*flags, "--reference", "trial"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "trial" in line and not (tmp_path / "m").exists()
