"""Tree -> shards: labels on their frames, always the same bytes, all or nothing (Section III)."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.data.annotations.files import read_annotations
from kaffect.data.prepared import prepare, shards, video_job
from kaffect.data.prepared.examples import encode_example
from kaffect.data.prepared.prepare import label_space
from kaffect.data.prepared.records import PreparedData
from kaffect.data.tree import DataTree
from kaffect.errors import AnnotationError, ConfigError, DatasetError, KaffectError, VideoError
from kaffect.files import home, writer_lock
from tests.data.drawing import (
    FACELESS,
    build_tree,
    contents,
    draw,
    read_number,
    write_boxes,
    write_labels,
    write_video,
)

RATES = {
    "train": {b"a": 30, b"b_left": 24000 / 1001, b"b_right": 24000 / 1001},
    "validation": {b"c": 60},
    "test": {b"d": 30},
}
ROOT = Path(__file__).parents[3]
# The drawn trees show bar codes, no faces.
prepare_tree = functools.partial(prepare.prepare_tree, detector="none")


def examples(data: PreparedData, split: str) -> list[dict[str, object]]:
    """All records of a split as TensorFlow itself reads them, shard by shard."""
    found = []
    for shard in data.split(split).shards:
        for record in tf.data.TFRecordDataset(str(shard)):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            values: dict[str, object] = {}
            for name, feature in features.items():
                kind = feature.WhichOneof("kind")
                values[name] = list(getattr(feature, kind).value)
            found.append(values)
    return found


def test_each_label_is_that_of_the_frame_shown(prepared: Path) -> None:
    """The number painted in the picture decides what every label must be."""
    data = PreparedData.open(prepared)
    assert data.splits == ("train", "validation", "test")
    for split in data.splits:
        for example in examples(data, split):
            image = tf.io.decode_png(example["image"][0]).numpy()
            assert image.shape == (96, 96, 3)
            source = example["source_frame"][0]
            if not example["has_face"][0]:
                assert (image == 128).all()
                assert example["track"] == [b"a"] and source - 1 in FACELESS
                continue
            boxed = example["track"][0] in (b"a", b"b_left", b"c")
            n = read_number(image) if boxed else source - 1
            assert n == source - 1
            distances = np.abs(np.arange(62) / RATES[split][example["track"][0]] - example["time"])
            assert distances[n] <= distances.min() + 1e-5
            assert example["va_valid"] == [n % 10 != 9]
            expected = [0, 0] if n % 10 == 9 else [n / 200, -0.5]
            np.testing.assert_allclose(example["valence_arousal"], expected, atol=1e-7)
            assert example["expression_valid"] == [n % 7 != 6]
            assert example["expression"] == [n % 7 if n % 7 != 6 else 0]
            units = [0] * 8 if example["track"] == [b"a"] else [n % 2, 0, 0, 0, 1, 0, 0, 0]
            assert example["action_units"] == units
            assert example["au_valid"] == [example["track"] != [b"a"]]


def test_index_and_records_say_the_same(prepared: Path) -> None:
    data = PreparedData.open(prepared)
    for split in data.splits:
        index = data.split(split)
        found = examples(data, split)
        assert len(found) == len(index)
        for row, example in enumerate(found):
            assert example["track"] == [index.tracks[index.track[row]].encode()]
            for name in ("frame", "source_frame", "has_face", "expression", "va_valid", "au_valid"):
                assert example[name] == [getattr(index, name)[row]], name
            assert example["action_units"] == index.action_units[row].tolist()
            assert example["valence_arousal"] == index.valence_arousal[row].tolist()
            assert example["time"] == [index.time[row]]


def test_counts_and_time_base(prepared: Path) -> None:
    """50 frames at 30 fps, 40 at 23.976 (twice), 62 at 60: 50, 50, 50 and 31 frames at 30."""
    data = PreparedData.open(prepared)
    train, validation = data.split("train"), data.split("validation")
    assert np.bincount(train.track).tolist() == [50, 50, 50]
    assert np.bincount(validation.track).tolist() == [31]
    assert validation.source_frame.tolist() == list(range(1, 62, 2))
    np.testing.assert_allclose(train.time, train.frame / 30, atol=1e-6)
    described = data.manifest["splits"]["train"]["tracks"][1]
    assert described["name"] == "b_left" and described["source_frames"] == 40
    assert described["tasks"] == ["va", "expression", "au"]
    assert train.partition["au"] == (1, 2) and train.partition["va"] == (0, 1, 2)


def test_every_annotated_source_frame_is_scored_once(prepared: Path, shared_tree: Path) -> None:
    data = PreparedData.open(prepared)
    for split in data.splits:
        index, scoring = data.split(split), data.scoring(split)
        for number, name in enumerate(index.tracks):
            (track,) = [t for t in DataTree.open(shared_tree).tracks if t.name == name]
            read = {task: read_annotations(path) for task, path in track.annotations.items()}
            annotated = np.any([a.valid for a in read.values()], axis=0)
            mine = scoring.track == number
            assert scoring.source_frame[mine].tolist() == (np.flatnonzero(annotated) + 1).tolist()
            lines = scoring.source_frame[mine] - 1
            assert scoring.va_valid[mine].tolist() == read["va"].valid[lines].tolist()
            good = scoring.va_valid[mine]
            np.testing.assert_allclose(
                scoring.valence_arousal[mine][good], read["va"].values[lines][good], atol=1e-7
            )
            classes = read["expression"]
            assert scoring.expression_valid[mine].tolist() == classes.valid[lines].tolist()
            rows = scoring.row[mine]
            assert (index.track[rows] == number).all()
            off = np.abs(index.time[rows] - scoring.time[mine])
            assert off.max() <= 0.5 / 30 + 1e-4
    assert len(data.scoring("validation")) > len(data.split("validation"))  # 60 fps


def test_frames_without_face_are_scored(prepared: Path) -> None:
    data = PreparedData.open(prepared)
    index, scoring = data.split("train"), data.scoring("train")
    faceless = np.flatnonzero(~index.has_face)
    assert faceless.tolist() == list(FACELESS)
    assert set(faceless) <= set(scoring.row.tolist())


def test_same_bytes_for_any_number_of_workers(shared_tree: Path, tmp_path: Path) -> None:
    one = prepare_tree(shared_tree, tmp_path / "one", workers=1, progress=False)
    three = prepare_tree(shared_tree, tmp_path / "three", workers=3, progress=False)
    assert contents(one) == contents(three)
    other = prepare_tree(shared_tree, tmp_path / "o", workers=2, encoding="raw", progress=False)
    assert contents(one) != contents(other)


def test_same_bytes_for_a_copy_elsewhere(shared_tree: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shared_tree, tmp_path / "elsewhere" / "tree")
    first = prepare_tree(shared_tree, tmp_path / "one", progress=False)
    second = prepare_tree(copy, tmp_path / "two", progress=False)
    assert contents(first) == contents(second)


def test_default_place_is_the_cache_and_is_used_again(
    shared_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_tree(shared_tree, progress=False)
    assert first.parent == home() / "prepared"
    monkeypatch.setattr(video_job, "write_tracks", None)
    assert prepare_tree(shared_tree, progress=False) == first
    with pytest.raises(TypeError):
        prepare_tree(shared_tree, encoding="png", progress=False)


def test_no_leftovers(shared_tree: Path, tmp_path: Path) -> None:
    (tmp_path / ".unfinished-data-old").mkdir()
    prepare_tree(shared_tree, tmp_path / "data", progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "data.lock"]


def test_a_foreign_folder_is_not_replaced(shared_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="is not a prepared data set; nothing was written"):
        prepare_tree(shared_tree, tmp_path, progress=False)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_two_writers(shared_tree: Path, tmp_path: Path) -> None:
    with writer_lock(tmp_path / "data", "the prepared data set"):
        done: list[str] = []

        def second() -> None:
            try:
                prepare_tree(shared_tree, tmp_path / "data", progress=False)
            except DatasetError as error:
                done.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(done) == 1 and f"process {os.getpid()}" in done[0]


def test_disk_too_full(shared_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DatasetError, match="not enough free space.*Expected about .* MiB"):
        prepare_tree(shared_tree, tmp_path / "data", progress=False)
    assert not (tmp_path / "data").exists()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return build_tree(tmp_path / "tree")


Damage = Callable[[Path], object]
BAD_TREES: dict[str, tuple[Damage, type[KaffectError], str]] = {
    "header": (
        lambda t: (t / "annotations/VA_Set/Test_Set/d.txt").write_text("0,0\n"),
        AnnotationError, r"d\.txt:1: wrong header",
    ),
    "value": (
        lambda t: write_labels(t, "VA", "Test", "d", ["0,0"] * 30 + ["0,3"]),
        AnnotationError, r"d\.txt:32: arousal must be",
    ),
    "kind": (
        lambda t: write_labels(t, "VA", "Test", "d", ["0,0"]).write_text(
            "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise\n0\n"
        ),
        AnnotationError, r"d\.txt:1: wrong kind of annotation. Expected 'va'",
    ),
    "length": (
        lambda t: write_labels(t, "VA", "Test", "d", ["0,0"] * 29),
        VideoError, r"d\.mp4: does not fit .*d\.txt: 33 frames were decoded, .* 29",
    ),
    "longer": (
        lambda t: write_labels(t, "EXPR", "Training", "b_left", ["0"] * 400),
        VideoError, r"b\.mp4: does not fit .*b_left\.txt: 40 frames were decoded, .* 400",
    ),
    "video": (
        lambda t: (t / "videos/d.mp4").write_bytes(b"no video"),
        VideoError, r"d\.mp4: cannot be read as a video",
    ),
    "box": (
        lambda t: (t / "boxes/d.csv").write_text("frame,left,top,right,bottom\n3,900,0,950,9\n"),
        VideoError, r"d\.csv: frame 3: a face box lies outside",
    ),
    "box_line": (
        lambda t: (t / "boxes/d.csv").write_text("frame,left,top,right,bottom\n3,9,0,5,9\n"),
        AnnotationError, r"d\.csv:2: an empty box",
    ),
    "box_frame": (
        lambda t: (t / "boxes/d.csv").write_text("frame,left,top,right,bottom\n99,0,0,5,9\n"),
        AnnotationError, r"d\.csv: a box for frame 99, but .*d\.mp4 has 33 frames",
    ),
    "label_space": (
        lambda t: write_labels(t, "EXPR", "Test", "d", []).write_text(
            "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n" + "7\n" * 33
        ),
        DatasetError, r"d\.txt: other classes than",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TREES)
def test_bad_input_is_one_clear_error_and_nothing_appears(
    tree: Path, tmp_path: Path, name: str
) -> None:
    damage, kind, message = BAD_TREES[name]
    damage(tree)
    out = tmp_path / "out" / "data"
    with pytest.raises(kind, match=message) as caught:
        prepare_tree(tree, out, progress=False)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert not [p for p in out.parent.glob("**/.unfinished-*")]


def test_length_tolerance_is_a_setting(tree: Path, tmp_path: Path) -> None:
    write_labels(tree, "VA", "Test", "d", ["0,0"] * 30)
    with pytest.raises(VideoError, match="33 frames were decoded, .* 30.* at most 2"):
        prepare_tree(tree, tmp_path / "data", length_tolerance=2, progress=False)
    out = prepare_tree(tree, tmp_path / "data", progress=False)
    index = PreparedData.open(out).split("test")
    assert index.va_valid.tolist() == [True] * 30 + [False] * 3
    assert index.expression_valid.sum() == 33 - 33 // 7


def test_little_coverage_is_told(tree: Path, tmp_path: Path) -> None:
    """A face in fewer than half of the annotated frames may be the wrong person's."""
    write_boxes(tree, "a", range(20))
    write_boxes(tree, "d", range(20))
    data = PreparedData.open(prepare_tree(tree, tmp_path / "data", progress=False))
    tracks = [t for split in data.splits for t in data.manifest["splits"][split]["tracks"]]
    coverage = {track["name"]: track["coverage"] for track in tracks}
    assert coverage == {
        "a": pytest.approx(20 / 50, abs=1e-4), "b_left": 1, "b_right": 1, "c": 1,
        "d": pytest.approx(20 / 33, abs=1e-4),
    }  # fmt: skip
    assert len(data.notes) == 1
    assert data.notes[0].startswith("a.mp4: a face of 'a' in 20 of 50 annotated frames only")


def test_one_label_more_than_frames(tree: Path, tmp_path: Path) -> None:
    write_labels(tree, "VA", "Test", "d", ["0,0"] * 34)
    data = PreparedData.open(prepare_tree(tree, tmp_path / "data", progress=False))
    assert data.split("test").va_valid.sum() == 33
    assert data.scoring("test").source_frame.max() == 33
    assert data.manifest["splits"]["test"]["tracks"][0]["annotation_lines"]["va"] == 34


def test_what_was_decoded_is_used_again(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad video stops the run; after its repair only that video is decoded."""
    good = (tree / "videos/d.mp4").read_bytes()
    expected = contents(prepare_tree(tree, tmp_path / "expected", progress=False))
    (tree / "videos/d.mp4").write_bytes(good[: len(good) // 2])
    with pytest.raises(VideoError, match=r"d\.mp4"):
        prepare_tree(tree, tmp_path / "data", workers=1, progress=False)
    (tree / "videos/d.mp4").write_bytes(good)
    decoded: list[str] = []
    original = video_job.write_tracks

    def noted(jobs, *rest):  # type: ignore[no-untyped-def]
        decoded.append(jobs[0].track.video.name)
        return original(jobs, *rest)

    monkeypatch.setattr(video_job, "write_tracks", noted)
    out = prepare_tree(tree, tmp_path / "data", progress=False)
    assert decoded == ["d.mp4"]
    assert contents(out) == expected


class DiskFull(OSError):
    """Stands for any failure of a write."""


@pytest.mark.parametrize("fail_at", [0, 1, 5, 20, 40])
def test_a_write_that_fails_while_merging(
    shared_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    """Nothing under the final name; the second run decodes nothing and gives the same bytes."""
    expected = contents(prepare_tree(shared_tree, tmp_path / "expected", progress=False))
    original, calls = shards.write_bytes, iter(range(1000))

    def failing(path: Path, data: bytes) -> None:
        if next(calls) == fail_at:
            raise DiskFull
        original(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_bytes", failing)
        with pytest.raises(DiskFull):
            prepare_tree(shared_tree, tmp_path / "data", progress=False)
    assert not (tmp_path / "data").exists()
    monkeypatch.setattr(video_job, "write_tracks", None)
    assert contents(prepare_tree(shared_tree, tmp_path / "data", progress=False)) == expected


def test_a_write_that_fails_while_decoding(
    shared_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half-written part of a track is not taken for a whole one."""
    expected = contents(prepare_tree(shared_tree, tmp_path / "expected", progress=False))

    def half(handle, **arrays):  # type: ignore[no-untyped-def]
        handle.write(b"PK")
        raise DiskFull

    with monkeypatch.context() as patch:
        patch.setattr(video_job.np, "savez", half)
        with pytest.raises(DiskFull):
            prepare_tree(shared_tree, tmp_path / "data", progress=False)
    assert contents(prepare_tree(shared_tree, tmp_path / "data", progress=False)) == expected


PROGRAM = """
import sys, time
from kaffect.data.prepared import prepare, shards, video_job
class Slow(video_job.VideoReader):
    def __iter__(self):
        for frame in super().__iter__():
            time.sleep(0.004)
            yield frame
video_job.VideoReader = Slow
print("started", flush=True)
prepare.prepare_tree(sys.argv[1], sys.argv[2], workers=2, detector="haar", progress=False)
print("finished", flush=True)
"""


haar_tree = functools.partial(prepare.prepare_tree, detector="haar", progress=False)


def kill_and_repeat(tree: Path, folder: Path, times: list[float]) -> int:
    """Prepare, killed after each of `times` seconds, then to the end; give how many kills hit."""
    hits = 0
    for seconds in times:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tree), str(folder / "data")],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        with process:
            assert process.stdout is not None and process.stdout.readline() == "started\n"
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        hits += process.returncode == -signal.SIGKILL
        if (folder / "data").exists():
            PreparedData.open(folder / "data")  # under its final name it is whole
    haar_tree(tree, folder / "data")
    return hits


def test_killed_and_repeated_gives_the_same_bytes(shared_tree: Path, tmp_path: Path) -> None:
    """Five moments: finding faces, cropping, and (the last, often) merging."""
    expected = contents(haar_tree(shared_tree, tmp_path / "expected"))
    folder = tmp_path / "killed"
    assert kill_and_repeat(shared_tree, folder, [0.05, 0.2, 0.35, 0.5, 0.9]) >= 3
    assert contents(folder / "data") == expected
    assert sorted(p.name for p in folder.iterdir()) == ["data", "data.lock"]


@pytest.mark.nightly
def test_killed_at_many_moments(shared_tree: Path, tmp_path: Path, record_property: Any) -> None:
    expected = contents(haar_tree(shared_tree, tmp_path / "expected"))
    rng = np.random.default_rng(0)
    for number in range(25):  # two kills each
        folder = tmp_path / f"{number}"
        hits = kill_and_repeat(shared_tree, folder, rng.uniform(0, 4, 2).tolist())
        assert hits >= 1 and contents(folder / "data") == expected
        record_property("kills", hits)
    record_property("other bytes", 0)


def test_label_spaces(shared_tree: Path, tmp_path: Path) -> None:
    annotations = [
        read_annotations(path)
        for track in DataTree.open(shared_tree).tracks
        for path in track.annotations.values()
    ]
    assert label_space(iter(annotations)).name == "aff-wild"
    path = tmp_path / "u.txt"
    path.write_text("AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26\n" + "0," * 11 + "1\n")
    twelve = read_annotations(path)
    assert label_space(iter([twelve])).name == "aff-wild2"
    seven = [a for a in annotations if a.task == "expression"]
    mixed = label_space(iter([twelve, *seven]))
    assert (mixed.name, len(mixed.expressions), len(mixed.action_units)) == ("mixed", 7, 12)


def test_example_bytes_are_those_of_the_protocol() -> None:
    """Against TensorFlow's own serialiser, in its deterministic mode."""
    features = {
        "image": bytes(range(256)) * 3,
        "frame": [300],
        "units": [0, 1, -1, 2**40],
        "va": np.array([-0.25, 1.5], np.float32),
        "none": b"",
    }
    kinds = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[features["image"]])),
        "frame": tf.train.Feature(int64_list=tf.train.Int64List(value=[300])),
        "units": tf.train.Feature(int64_list=tf.train.Int64List(value=[0, 1, -1, 2**40])),
        "va": tf.train.Feature(float_list=tf.train.FloatList(value=[-0.25, 1.5])),
        "none": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b""])),
    }
    expected = tf.train.Example(features=tf.train.Features(feature=kinds))
    data = encode_example(features)
    assert tf.train.Example.FromString(data) == expected
    assert data == expected.SerializeToString(deterministic=True)


@pytest.mark.parametrize("encoding,worst", [("jpeg", 12), ("png", 0), ("raw", 0)])
def test_pictures_come_back_as_they_went_in(tmp_path: Path, encoding: str, worst: int) -> None:
    from kaffect.data.batches.pipeline import evaluation_frames

    root = tmp_path / "tree"
    colours = np.zeros((96, 96, 3), np.uint8)
    colours[:48, :, 0], colours[48:, :, 2] = 200, 200  # red above, blue below
    write_video(root / "videos/a.mp4", [colours] * 3, codec="libx264rgb", pixels="rgb24")
    write_labels(root, "VA", "Training", "a", ["0,0"] * 3)
    out = prepare_tree(root, tmp_path / "data", encoding=encoding, progress=False)
    (batch,) = evaluation_frames(PreparedData.open(out).split("train"), batch=4)
    away = np.abs(batch["images"].numpy()[:3].astype(int) - colours)[:, np.r_[0:44, 52:96]]
    assert away.max() <= worst + 2
    assert (batch["images"].numpy()[3] == 128).all()


def test_unknown_encoding(shared_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'jpeg', 'png', 'raw'"):
        prepare_tree(shared_tree, tmp_path / "data", encoding="webp", progress=False)


def test_two_people_are_cut_out_of_one_video(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    pictures = [np.concatenate([draw(n), draw(255 - n)], axis=1) for n in range(20)]
    write_video(root / "videos/v.mp4", pictures)
    (root / "boxes").mkdir()
    for side, left in (("left", 0), ("right", 64)):
        write_labels(root, "VA", "Training", f"v_{side}", [f"0,{n / 100}" for n in range(20)])
        boxes = "\n".join(f"{n + 1},{left},0,{left + 64},48" for n in range(20))
        (root / f"boxes/v_{side}.csv").write_text(f"frame,left,top,right,bottom\n{boxes}\n")
    out = prepare_tree(root, tmp_path / "data", encoding="png", progress=False)
    found = examples(PreparedData.open(out), "train")
    numbers = [read_number(tf.io.decode_png(e["image"][0]).numpy()) for e in found]
    assert numbers == [*range(20), *range(255, 235, -1)]
