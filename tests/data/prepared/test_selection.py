"""Which frames Section II-D keeps, for training and for scores: counted by hand and in plain loops.

The part for Action Units has 139,298 frames with an active unit and 40,702 without; the test sets
have 49,205 and 27,440 frames.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.records import FrameIndex
from kaffect.training.gan_data import GanBatches
from tests.data.frame_index import index_of

ALL = ("va", "expression", "au")


def index_with(
    expression: np.ndarray, units: np.ndarray, au: np.ndarray, track: np.ndarray | None = None
) -> FrameIndex:
    """Frames of one track (or of `track`) that all show a face and have valence and arousal."""
    count = len(expression)
    track = np.zeros(count, np.int32) if track is None else track
    frame = np.concatenate([np.arange(n) for n in np.bincount(track)])
    everywhere = np.ones(count, bool)
    tasks = [ALL] * (int(track.max()) + 1)
    flags = (everywhere, expression, au, everywhere)
    return index_of(track, frame, *flags, action_units=units, tasks=tasks)


def random_units(count: int, active: float, seed: int = 0) -> np.ndarray:
    """[count, 8] in runs of some 20 frames, of which a share has one active unit or two."""
    rng = np.random.default_rng(seed)
    on = np.repeat(rng.uniform(size=count // 20 + 1) < active, 20)[:count]
    units = np.zeros((count, 8), np.int8)
    units[on, rng.integers(8, size=on.sum())] = 1
    units[on, rng.integers(8, size=on.sum())] = 1
    return units


def runs_of(numbers: list[int]) -> list[list[int]]:
    """Consecutive numbers together."""
    keyed = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return [[number for _, number in group] for _, group in keyed]


def test_the_expression_part_keeps_frames_with_an_expression() -> None:
    labelled = np.arange(1000) % 5 < 2  # 40 %; valence and arousal everywhere
    index = index_with(labelled, np.zeros((1000, 8), np.int8), np.zeros(1000, bool))
    part = index.for_partition("expression")
    windows = make_windows(part, 80, select="paper")
    kept = windows[windows >= 0]
    assert len(kept) == 400 and labelled[kept].all()
    # "Consecutive" is among the kept: five full sequences.
    assert windows.shape == (5, 80) and (windows >= 0).all()
    assert len(make_windows(part, 80, select="all")) == 13
    assert len(make_windows(index.for_partition("va"), 80, select="paper")) == 13


def test_a_frame_without_face_is_not_kept() -> None:
    flags = np.ones((4, 6), bool)
    flags[3, [1, 2]] = False
    track, frame = np.zeros(6, int), np.arange(6)
    index = index_of(track, frame, *flags, tasks=[ALL]).for_partition("expression")
    assert index.kept_rows().tolist() == [0, 3, 4, 5]
    assert index.scored_as_in_paper().scoring().row.tolist() == [0, 3, 4, 5]
    assert index.scoring().row.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", [0, 3])
def test_frames_without_an_active_unit_are_sampled_in_the_papers_share(seed: int) -> None:
    units, track = random_units(4000, 0.5), np.repeat(np.arange(4), 1000)
    au = np.ones(4000, bool)
    au[500:700] = False  # not annotated: neither active nor inactive
    index = index_with(np.ones(4000, bool), units, au, track).for_partition("au")
    kept = index.kept_rows(seed)
    active = [row for row in range(4000) if au[row] and units[row].any()]
    idle = [row for row in range(4000) if au[row] and not units[row].any()]
    assert set(active) <= set(kept.tolist()) <= set(active) | set(idle)
    sampled = sorted(set(kept.tolist()) - set(active))
    # 40702 / 139298 = 0.29219...
    assert len(sampled) == round(len(active) * 0.2921937142) < len(idle) // 2
    whole = [run for video in range(4) for run in runs_of([r for r in idle if track[r] == video])]
    parts = [run for run in whole if set(run) & set(sampled)]
    cut = [run for run in parts if not set(run) <= set(sampled)]
    assert len(parts) > 10 and len(cut) <= 1
    for run in cut:
        first = [row for row in run if row in sampled]
        assert run[: len(first)] == first


def test_the_choice_is_of_the_datas_seed() -> None:
    index = index_with(np.ones(2000, bool), random_units(2000, 0.5), np.ones(2000, bool))
    part = index.for_partition("au")
    np.testing.assert_array_equal(part.kept_rows(1), part.kept_rows(1))
    assert not np.array_equal(part.kept_rows(1), part.kept_rows(2))
    few = index_with(np.ones(200, bool), random_units(200, 0.9), np.ones(200, bool))
    assert len(few.for_partition("au").kept_rows()) == 200  # fewer than the share: all of them


def test_the_papers_test_sets_have_the_papers_size() -> None:
    """180,000 frames as in Section II-D.1, of which 49,205 are in the test set."""
    active, idle = 38078, 30000  # 38,078 * 180,000 / 139,298 = 49,204.1; see below
    units = np.zeros((active + idle, 8), np.int8)
    units[:active, 3] = 1
    count = len(units)
    index = index_with(np.ones(count, bool), units, np.ones(count, bool)).for_partition("au")
    assert len(index.scoring()) == count
    assert len(index.scored_as_in_paper(5).scoring()) == 49_204
    # One more active frame gives one or two more in all: no share gives 49,205 exactly.
    units = np.concatenate([units, units[:1]])
    count += 1
    index = index_with(np.ones(count, bool), units, np.ones(count, bool)).for_partition("au")
    assert len(index.scored_as_in_paper(5).scoring()) in (49_205, 49_206)

    labelled = np.zeros(40_000, bool)
    labelled[:27_440] = True
    plain = index_with(labelled, np.zeros((40_000, 8), np.int8), np.zeros(40_000, bool))
    scored = plain.for_partition("expression").scored_as_in_paper().scoring()
    assert len(scored) == 27_440 and scored.expression_valid.all()


def test_scoring_counts_frames_of_the_source() -> None:
    """Of 60 frames a second two share a row of 30; each is a frame of the paper's count."""
    index = index_with(np.arange(8) < 6, np.zeros((8, 8), np.int8), np.zeros(8, bool))
    columns = index.data.load_column
    index.data.load_column = lambda kind, split, name, count: (  # type: ignore[method-assign]
        np.arange(8) // 2 if name == "row" else columns(kind, split, name, count)
    )
    scored = index.for_partition("expression").scored_as_in_paper().scoring()
    assert scored.source_frame.tolist() == [0, 1, 2, 3, 4, 5]
    assert scored.row.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_gans_train_on_the_same_frames() -> None:
    units, au = random_units(2000, 0.4), np.arange(2000) < 1500
    index = index_with(np.ones(2000, bool), units, au)
    everything = GanBatches(index, unlabelled=0.0)
    assert len(everything.labelled) == 2000  # any label, valence and arousal too
    paper = GanBatches(index, unlabelled=0.0, select="paper", selection_seed=4)
    np.testing.assert_array_equal(paper.labelled, index.for_partition("au").kept_rows(4))
    assert au[paper.labelled].all()
