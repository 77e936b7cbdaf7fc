"""Submissions: one row for every frame of the source, whatever its rate and its faces."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaffect.data.annotations.submissions import read_submission, write_submission
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.labels import ACTION_UNITS_12, AFF_WILD2, EXPRESSIONS_8
from kaffect.studies.still_predictions import write_still_predictions
from kaffect.studies.submission import submissions
from tests.data.drawing import FACELESS


@pytest.fixture(scope="module")
def data(shared_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    out = tmp_path_factory.mktemp("submission") / "out"
    return PreparedData.open(prepare_tree(shared_tree, out, image_size=16, progress=False))


def answers(index) -> dict[str, np.ndarray]:
    """Valence says which source frame the row shows; the rest goes with it."""
    shown = index.source_frame[index.rows]
    return {
        "valence_arousal": np.stack([shown / 100, np.full(len(shown), 7.0)], axis=1),
        "expression_logits": np.eye(7)[shown % 7],
        "action_unit_logits": np.where((shown % 2)[:, None] == np.ones(8), 3.0, 1.0),
    }


FRAMES = {"train": {"a": 50, "b_left": 40, "b_right": 40}, "validation": {"c": 62}}


@pytest.mark.parametrize("split", FRAMES)
def test_every_frame_has_its_row_and_is_read_back(data, split, tmp_path: Path):
    index = data.split(split)
    found = submissions(index, answers(index), ("va", "expression", "au"))
    for task, submission in found.items():
        assert submission.incomplete(FRAMES[split]) == []
        write_submission(tmp_path / f"{task}.txt", submission)
        again = read_submission(tmp_path / f"{task}.txt", task, FRAMES[split])
        np.testing.assert_array_equal(again.values, submission.values)
    assert (tmp_path / "va.txt").read_text().startswith("image_location,valence,arousal\n")


def test_a_frame_takes_its_own_answer_or_the_nearest(data):
    """30 fps: its own. 60 fps: of the frame shown next to it. Without a face: of a neighbour."""
    index = data.split("train")
    frames, values = submissions(index, answers(index), ("va",))["va"].of_track("a")
    expected = np.arange(1, 51)
    for frame in FACELESS:  # from 0
        expected[frame] = {20: 20, 21: 20, 22: 24}[frame]
    np.testing.assert_allclose(values[:, 0] * 100, expected, atol=1e-6)
    assert (values[:, 1] == 1.0).all(), "clipped to the range of the labels"
    index = data.split("validation")
    frames, values = submissions(index, answers(index), ("va",))["va"].of_track("c")
    assert np.abs(values[:, 0] * 100 - frames).max() < 1.001


def test_thresholds_decide_units(data):
    index = data.split("train")
    one = submissions(index, answers(index), ("au",))["au"].values
    assert one.all()
    cut = np.array([2.0] * 4 + [0.0] * 4)
    two = submissions(index, answers(index), ("au",), cut)["au"].values
    assert 0 < two[:, :4].mean() < 1 and two[:, 4:].all()


def test_part_of_a_split(data):
    index = data.split("train").for_partition("au")
    found = submissions(index, answers(index), ("au",))["au"]
    assert set(found.tracks.tolist()) == {"b_left", "b_right"}


def affwild2(index) -> tuple:
    """The same data with the classes of Aff-Wild2, and answers of a joint network."""
    index = replace(index, data=replace(index.data, label_space=AFF_WILD2))
    shown = index.source_frame[index.rows]
    return index, {
        "valence_arousal": np.stack([shown / 100, np.full(len(shown), -7.0)], axis=1),
        "expression_logits": np.eye(8)[shown % 8],
        "action_unit_logits": np.tile(np.where(np.arange(12) % 3, -2.0, 2.0), (len(shown), 1)),
    }


def test_a_joint_network_gets_the_multi_task_format(data, tmp_path: Path):
    index, given = affwild2(data.split("validation"))
    found = submissions(index, given, ("expression", "au", "va"))
    assert set(found) == {"va", "expression", "au", "all"}
    write_submission(tmp_path / "all.txt", found["all"])
    lines = (tmp_path / "all.txt").read_text().splitlines()
    assert lines[0] == "image,valence,arousal,expression,aus"
    frames, values = found["va"].of_track("c")
    first = values[0, 0]  # frame 1 takes the answer of the frame shown next to it
    assert lines[1] == f"c/00001.jpg,{first:g},-1,{round(first * 100) % 8},1,0,0,1,0,0,1,0,0,1,0,0"
    again = read_submission(tmp_path / "all.txt", "all", FRAMES["validation"])
    np.testing.assert_array_equal(again.values, found["all"].values)
    assert "all" not in submissions(index, given, ("va", "au")), "only of a joint network"


def test_other_classes_have_no_multi_task_format(data):
    index = data.split("validation")
    assert "all" not in submissions(index, answers(index), ("va", "expression", "au"))


def test_predictions_of_pictures_are_a_list_of_pictures(data, tmp_path: Path):
    index, given = affwild2(data.split("validation").with_rows(np.array([1, 2])))
    shown = index.source_frame[index.rows].tolist()
    names = [f"a, {number}.png" for number in range(1, 63)]
    path = tmp_path / "predictions.csv"
    cut = np.zeros(12)
    cut[0] = 2.2  # the unit's logit is 2
    write_still_predictions(path, names, index, given, ("va", "expression", "au"), cut)
    with open(path, newline="") as handle:
        header, *rows = csv.reader(handle)
    assert header == ["path", "valence", "arousal", "expression", *ACTION_UNITS_12]
    assert [row[0] for row in rows] == [f"a, {frame}.png" for frame in shown]
    assert [float(row[1]) for row in rows] == pytest.approx([frame / 100 for frame in shown])
    assert [row[2] for row in rows] == ["-1.000000"] * 2
    assert [row[3] for row in rows] == [EXPRESSIONS_8[frame % 8] for frame in shown]
    assert rows[0][4:] == list("000100100100")
    write_still_predictions(path, names, index, given, ("expression",))
    assert path.read_text().splitlines()[0] == "path,expression"
