"""The tree of synthetic Aff-Wild: layout, agreement of files, the same bytes every time."""

from __future__ import annotations

import csv
import hashlib

import av
import numpy as np
import pytest

from kaffect.curation.experts import read_experts
from kaffect.curation.merging import MergeSettings, merge
from kaffect.data.annotations.files import read_annotations
from kaffect.errors import ConfigError
from kaffect.files import read_json
from kaffect.synthetic import (
    SyntheticConfig,
    is_synthetic,
    make_plan,
    render_video,
    simulate_tracks,
    write_tree,
)

CONFIG = SyntheticConfig(
    expression_videos=(2, 1, 0), au_videos=(1, 0, 1), seconds=1.2, sizes=((160, 120), (200, 112))
)


def _digests(root):
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("one") / "data", CONFIG, processes=1, progress=False)


def _rows(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.average_rate, [f.to_ndarray(format="rgb24") for f in container.decode(stream)]


def test_the_same_bytes_from_two_processes_as_from_one(tree, tmp_path):
    other = write_tree(tmp_path / "data", CONFIG, processes=2, progress=False)
    assert _digests(tree) == _digests(other)
    assert len([name for name in _digests(tree) if name.endswith(".mp4")]) == 5


def test_another_seed_gives_other_frames():
    first, second = (
        next(render_video(make_plan(SyntheticConfig(seed=seed, sizes=((160, 120),)))[0]))
        for seed in (0, 1)
    )
    assert np.abs(first.astype(int) - second).mean() > 10


def test_a_frame_does_not_depend_on_which_others_are_drawn():
    video = make_plan(CONFIG)[0]
    every = list(render_video(video))
    for number, frame in enumerate(render_video(video, step=7)):
        np.testing.assert_array_equal(frame, every[7 * number])


def test_layout_and_headers(tree):
    headers = {
        "VA_Set": "valence,arousal",
        "EXPR_Set": "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise",
        "AU_Set": "AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25",
    }
    counted = dict.fromkeys(headers, 0)
    for path in (tree / "annotations").rglob("*.txt"):
        task, split = path.relative_to(tree / "annotations").parts[:2]
        assert split in ("Training_Set", "Validation_Set", "Test_Set")
        assert path.read_text().splitlines()[0] == headers[task]
        counted[task] += 1
    assert counted == {"VA_Set": 6, "EXPR_Set": 4, "AU_Set": 2}  # one video shows two people


def test_every_file_has_one_line_a_frame_and_the_video_its_rate(tree):
    for track in simulate_tracks(CONFIG):
        rate, frames = _decoded(tree / "videos" / f"{track.video.name}.mp4")
        assert rate == track.video.fps
        assert len(frames) == track.video.frames
        assert frames[0].shape == (track.video.size[1], track.video.size[0], 3)
        texts = list((tree / "annotations").rglob(f"{track.name}.txt"))
        assert len(texts) == 2
        for text in texts:
            assert len(text.read_text().splitlines()) == len(frames) + 1


def test_the_video_shows_what_was_rendered(tree):
    video = make_plan(CONFIG)[0]
    _, decoded = _decoded(tree / "videos" / f"{video.name}.mp4")
    error = [np.abs(a.astype(int) - b).mean() for a, b in zip(render_video(video), decoded)]
    assert max(error) < 12


def test_written_labels_are_the_simulated_ones(tree):
    for track in simulate_tracks(CONFIG):
        (path,) = (tree / "annotations" / "VA_Set").rglob(f"{track.name}.txt")
        values = np.loadtxt(path, delimiter=",", skiprows=1)
        np.testing.assert_array_equal(values, track.labels.valence_arousal)
        rows = _rows(tree / "boxes" / f"{track.name}.csv")
        frames = [int(row["frame"]) - 1 for row in rows]
        assert frames == list(np.flatnonzero(track.motion.present))
        boxes = [[float(row[k]) for k in ("left", "top", "right", "bottom")] for row in rows]
        np.testing.assert_allclose(boxes, track.boxes[frames], atol=0.051)


def test_the_three_annotators_merged_are_the_annotation(tree):
    """Section III-D once more, by the command's code instead of the renderer's."""
    ratings, lacking = read_experts(tree / "annotators")
    assert not lacking and {len(one.annotators) for one in ratings} == {3}
    folders = {"va": "VA_Set", "expression": "EXPR_Set", "au": "AU_Set"}
    disagree = 0
    for one in ratings:
        merged = merge(one, MergeSettings(max_lag=0)).annotation
        (path,) = (tree / "annotations" / folders[one.task]).rglob(f"{one.track}.txt")
        written = read_annotations(path)
        np.testing.assert_array_equal(merged.valid, written.valid)
        tolerance = 0.0011 if one.task == "va" else 0  # both sides are rounded
        np.testing.assert_allclose(merged.values, written.values, atol=tolerance, rtol=0)
        disagree += (one.values != one.values[0]).any()
    assert disagree >= len(ratings) - 2
    assert len(ratings) == len(list((tree / "annotations").rglob("*.txt")))


def test_subjects_name_each_track_once(tree):
    rows = _rows(tree / "subjects.csv")
    assert [row["video"] for row in rows] == [track.name for track in simulate_tracks(CONFIG)]
    assert len({row["subject"] for row in rows}) == len(rows) == 6


def test_the_tree_says_that_it_is_synthetic(tree, tmp_path):
    assert is_synthetic(tree) and not is_synthetic(tmp_path)
    mark = read_json(tree / "synthetic.json")
    assert mark["synthetic"] is True
    assert SyntheticConfig.from_dict(mark["config"]) == CONFIG
    assert "Rendered, not recorded" in (tree / "README.md").read_text()


def test_progress_counts_frames(tmp_path):
    seen = []
    config = SyntheticConfig(
        expression_videos=(1, 0, 0), au_videos=(1, 0, 0), seconds=0.6, sizes=((128, 96),)
    )
    write_tree(tmp_path / "data", config, processes=1, progress=lambda *state: seen.append(state))
    total = sum(video.frames for video in make_plan(config))
    assert seen[-1] == (total, total) and len(seen) == 2


def test_a_failure_leaves_nothing_behind(tmp_path):
    def stop(done, total):
        raise ConfigError("stopped")

    with pytest.raises(ConfigError):
        write_tree(tmp_path / "data", CONFIG, processes=1, progress=stop)
    assert list(tmp_path.iterdir()) == []
