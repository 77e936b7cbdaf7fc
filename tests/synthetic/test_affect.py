"""Label laws and distributions of synthetic Aff-Wild, without drawing (paper Table III)."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.synthetic import SyntheticConfig, simulate_tracks
from kaffect.synthetic.prototypes import DRAWN_UNITS, EXPRESSION_SHARES

# Table III, in per cent of the 180,000 frames that Section II-D keeps.
TABLE_III = {
    "AU1": 24,
    "AU2": 14,
    "AU4": 22,
    "AU6": 27,
    "AU12": 25,
    "AU15": 4,
    "AU20": 5,
    "AU25": 10,
}
WITH_ANY_UNIT = 100 * 139_298 / 180_000


@pytest.fixture(scope="module")
def tracks():
    return list(simulate_tracks(SyntheticConfig()))


def _units(tracks):
    rows = np.concatenate([t.labels.action_units for t in tracks if t.video.task == "au"])
    return rows[rows[:, 0] >= 0]


def _classes(tracks, split=None):
    chosen = [t for t in tracks if t.video.task == "expression" and split in (None, t.video.split)]
    values = np.concatenate([t.labels.expression for t in chosen])
    return values[values >= 0]


def test_unit_shares_are_those_of_table_iii(tracks):
    share = 100 * _units(tracks).mean(axis=0)
    np.testing.assert_allclose(share, list(TABLE_III.values()), atol=3.0)
    assert 100 * _units(tracks).any(axis=1).mean() == pytest.approx(WITH_ANY_UNIT, abs=3.0)


def test_no_expression_dominates_and_the_documented_shares_hold(tracks):
    counts = np.bincount(_classes(tracks), minlength=7)
    share = counts / counts.sum()
    assert share.max() < 0.30
    order = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
    np.testing.assert_allclose(share, [EXPRESSION_SHARES[name] for name in order], atol=0.025)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_class_and_unit_occurs_in_every_split(tracks, split):
    assert (np.bincount(_classes(tracks, split), minlength=7) > 0).all()
    assert _units([t for t in tracks if t.video.split == split]).any(axis=0).all()


def test_label_laws(tracks):
    for track in tracks:
        va, labels = track.labels.valence_arousal, track.labels
        missing = va == -5
        assert (missing.all(axis=1) == missing.any(axis=1)).all()
        assert (np.abs(va[~missing]) <= 1).all()
        assert set(np.unique(labels.expression)) <= set(range(-1, 7))
        none = labels.action_units == -1
        assert (none.all(axis=1) == none.any(axis=1)).all()
        assert set(np.unique(labels.action_units)) <= {-1, 0, 1}
        assert (
            len(va) == len(labels.expression) == len(none) == track.video.frames == len(track.boxes)
        )


def test_frames_without_a_face_have_no_label_and_no_box(tracks):
    absent = [(t, ~t.motion.present) for t in tracks if not t.motion.present.all()]
    assert len(absent) >= 3
    for track, away in absent:
        assert away.mean() < 0.6
        assert (track.labels.valence_arousal[away] == -5).all()
        assert (track.labels.expression[away] == -1).all()
        assert (track.labels.action_units[away] == -1).all()
        np.testing.assert_array_equal(np.isnan(track.boxes[:, 0]), away)


def test_some_labels_of_visible_faces_are_missing(tracks):
    seen = np.concatenate([t.motion.present for t in tracks])
    va = np.concatenate([t.labels.valence_arousal[:, 0] for t in tracks])
    expression = np.concatenate([t.labels.expression for t in tracks])
    assert 0.002 < (va[seen] == -5).mean() < 0.06
    assert 0.05 < (expression[seen] == -1).mean() < 0.35


def test_valence_and_arousal_can_be_read_from_the_units(tracks):
    """An oracle that sees the intensities (not the reaction's name) must explain most of both."""
    rows = [
        (np.c_[t.affect.units, t.state.lids], t.affect.valence_arousal, t.video.split)
        for t in tracks
    ]
    x, y = (np.concatenate([r[k] for r in rows if r[2] == "train"]) for k in (0, 1))
    x_test, y_test = (np.concatenate([r[k] for r in rows if r[2] == "test"]) for k in (0, 1))
    weights = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
    error = y_test - np.c_[x_test, np.ones(len(x_test))] @ weights
    explained = 1 - error.var(axis=0) / y_test.var(axis=0)
    assert explained[0] > 0.85 and explained[1] > 0.7


def test_expressions_come_from_their_prototypes(tracks):
    prototypes = {
        4: {"AU6", "AU12"},
        5: {"AU1", "AU4"},
        6: {"AU1", "AU2", "AU5"},
        1: {"AU4"},
        2: {"AU9"},
    }
    units = np.concatenate([t.affect.units for t in tracks if t.video.task == "expression"])
    label = np.concatenate([t.labels.expression for t in tracks if t.video.task == "expression"])
    mean_elsewhere = units[label == 0].mean(axis=0)
    for number, names in prototypes.items():
        columns = [DRAWN_UNITS.index(name) for name in names]
        assert (units[label == number].mean(axis=0)[columns] > mean_elsewhere[columns] + 0.25).all()


def test_abaw3_labels():
    config = SyntheticConfig(
        label_space="aff-wild2", expression_videos=(12, 2, 2), au_videos=(12, 2, 2), seconds=4
    )
    tracks = list(simulate_tracks(config))
    assert all(t.labels.action_units.shape[1] == 12 for t in tracks)
    assert _classes(tracks).max() == 7  # Other
    share = _units(tracks).mean(axis=0)
    assert (share > 0).sum() >= 10 and share.max() < 0.6
