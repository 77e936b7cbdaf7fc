"""Trees without boxes: faces are found, people chosen, bad videos told (Sections III-A, III-E)."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.cli import main
from kaffect.data.prepared import prepare
from kaffect.data.prepared import settings as prepare_settings
from kaffect.data.prepared import video_job
from kaffect.data.prepared.records import PreparedData
from kaffect.data.video.resample import VideoReader
from kaffect.errors import AnnotationError, ConfigError, DatasetError, VideoError
from kaffect.faces import Detection
from kaffect.faces.crops import ALIGNED, read_boxes
from tests.data.drawing import contents, draw, read_number, write_labels, write_video
from tests.faces.scenes import Actor, Knowing, Scene

prepare_tree = functools.partial(prepare.prepare_tree, progress=False, detector="mtcnn")
FRAMES = 36
RED = Actor("red", lambda n: (60 + n / 2, 60))
BLUE = Actor("blue", lambda n: (190 - n / 2, 60) if n < 24 else None)


class WithPoints(Knowing):
    """Knows the landmarks, too: at the places of an aligned face within the box."""

    has_landmarks = True

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [
            [Detection(d.box, d.score, ALIGNED * [36, 44] + d.box[:2]) for d in found]
            for found in super().detect(frames)
        ]


@pytest.fixture
def scene() -> Scene:
    return Scene([RED, BLUE], FRAMES)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> Knowing:
    """In the place of any detector: one that knows the scene; one for all threads."""
    knowing = WithPoints(scene.visible, score=0.99)
    for module in (prepare_settings, video_job):
        monkeypatch.setattr(module, "create_detector", lambda *_: knowing)
    monkeypatch.setattr(video_job, "_idle", {})
    return knowing


def build(root: Path, scene: Scene, tracks: Sequence[str] = ("v_left", "v_right")) -> Path:
    """One video of two people, coded without loss; labels by frame."""
    write_video(root / "videos/v.mkv", scene.images(), codec="ffv1", pixels="bgr0")
    for track in tracks:
        write_labels(root, "VA", "Training", track, (f"0,{n / 100}" for n in range(FRAMES)))
    return root


def crops(data: PreparedData, track: str) -> dict[int, np.ndarray]:
    """Source frame -> picture, of the frames with a face."""
    index = data.split("train")
    rows = np.flatnonzero((index.track == index.tracks.index(track)) & index.has_face)
    found = {}
    for row, record in zip(rows, index.reader.read(rows)):
        image = tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
        found[int(index.source_frame[row])] = tf.io.decode_png(image).numpy()
    return found


def colour_of(image: np.ndarray) -> np.ndarray:
    return image[30:70, 30:70].reshape(-1, 3).mean(axis=0)


def test_two_people_are_found_and_told_apart(
    tmp_path: Path, scene: Scene, detector: Knowing
) -> None:
    root = build(tmp_path / "tree", scene)
    out = prepare_tree(root, tmp_path / "out", encoding="png")
    data = PreparedData.open(out)
    left, right = crops(data, "v_left"), crops(data, "v_right")
    assert sorted(left) == list(range(1, FRAMES + 1))
    assert sorted(right) == list(range(1, 25))  # then nobody is there
    for pictures, actor in ((left, RED), (right, BLUE)):
        for number, picture in pictures.items():
            box = actor.box(number - 1)
            assert box is not None
            expected = scene.image(number - 1)[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])]
            difference = colour_of(picture) - expected[10:34, 8:28].reshape(-1, 3).mean(axis=0)
            assert np.abs(difference).max() < 12
    settings = data.manifest["settings"]
    assert settings["detector"]["name"] == "knowing" and settings["detector"]["version"] == "1"
    assert settings["detector"]["tracker"]["detect_every"] == 10
    assert settings["crop_rule"]["mode"] == "paper"


def test_boxes_of_the_result_put_into_the_tree_give_the_same_crops(
    tmp_path: Path, scene: Scene, detector: Knowing
) -> None:
    root = build(tmp_path / "tree", scene)
    first = prepare_tree(root, tmp_path / "first", encoding="png")
    assert len(read_boxes(first / "boxes/v_right.csv")) == 24
    shutil.copytree(first / "boxes", root / "boxes")
    asked = len(detector.asked)
    second = prepare_tree(root, tmp_path / "second", encoding="png")
    assert len(detector.asked) == asked  # nothing to find any more
    assert not (second / "boxes").exists()
    assert PreparedData.open(second).manifest["settings"]["detector"] is None
    for track in ("v_left", "v_right"):
        mine, theirs = (crops(PreparedData.open(p), track) for p in (first, second))
        assert sorted(mine) == sorted(theirs)
        assert all(np.array_equal(mine[n], theirs[n]) for n in mine)


def test_aligned_crops(tmp_path: Path, scene: Scene, detector: Knowing) -> None:
    root = build(tmp_path / "tree", scene)
    out = prepare_tree(root, tmp_path / "out", encoding="png", align="5-point", image_size=32)
    data = PreparedData.open(out)
    assert data.crop_rule.mode == "5-point" and data.crop_rule.image_size == 32
    pictures = crops(data, "v_left")
    assert len(pictures) == FRAMES and pictures[1].shape == (32, 32, 3)
    means = np.array([p[8:24, 8:24].reshape(-1, 3).mean(axis=0) for p in pictures.values()])
    assert (means[:, 0] > means[:, 2] + 40).all()  # the skin of the red actor
    with pytest.raises(ConfigError, match="needs the landmarks.*Received: 'haar'"):
        prepare_tree(root, tmp_path / "h", align="5-point", detector="haar")


def test_chosen_among_given_boxes_for_alignment(
    tmp_path: Path, scene: Scene, detector: Knowing
) -> None:
    root = build(tmp_path / "tree", scene, ["v"])
    boxes = (BLUE.box(n) for n in range(20))
    rows = [f"{n},{','.join(map(str, b))}" for n, b in enumerate(boxes, 1) if b]
    (root / "boxes").mkdir()
    (root / "boxes/v.csv").write_text("\n".join(["frame,left,top,right,bottom", *rows]) + "\n")
    out = prepare_tree(root, tmp_path / "out", encoding="png", align="5-point")
    pictures = crops(PreparedData.open(out), "v")
    assert sorted(pictures) == list(range(1, 25))
    assert colour_of(pictures[5])[0] < 190  # blue's darker skin; red's is above 200


def test_faces_are_not_searched_for_again(
    tmp_path: Path, scene: Scene, detector: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after the faces were found."""
    root = build(tmp_path / "tree", scene)
    expected = contents(prepare_tree(root, tmp_path / "expected"))
    with monkeypatch.context() as patch:
        patch.setattr(video_job, "write_tracks", fail)
        with pytest.raises(Killed):
            prepare_tree(root, tmp_path / "out")
    asked = len(detector.asked)
    assert contents(prepare_tree(root, tmp_path / "out")) == expected
    assert len(detector.asked) == asked


class Killed(Exception):
    """Stands for the end of the process."""


def fail(*_: object) -> None:
    raise Killed


def test_the_same_bytes_with_real_detectors(tmp_path: Path) -> None:
    """Haar on a drawn person, in one and in two threads."""
    from kaffect.synthetic import SyntheticConfig, make_plan
    from kaffect.synthetic.tree import write_video as render

    plan = make_plan(SyntheticConfig.profile("smoke", seconds=0.6))
    for video in (plan[0], plan[4]):
        render(tmp_path / "tree", video)
    shutil.rmtree(tmp_path / "tree/boxes")
    results = [
        prepare_tree(tmp_path / "tree", tmp_path / f"{n}", detector="haar", workers=n)
        for n in (1, 2)
    ]
    assert contents(results[0]) == contents(results[1])
    index = PreparedData.open(results[0]).split("train")
    assert index.has_face.mean() > 0.8


def test_copies_at_30_frames_a_second(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write_video(root / "videos/v.mp4", map(draw, range(50)), 60)
    write_labels(root, "VA", "Training", "v", ["0,0"] * 50)
    out = prepare_tree(root, tmp_path / "out", detector="none", reencode=True)
    assert [read_number(f.image) for f in VideoReader(out / "videos/v.mp4")] == [*range(0, 50, 2)]
    assert "videos/v.mp4" in {f["name"] for f in PreparedData.open(out).manifest["files"]}
    again = prepare_tree(root, tmp_path / "again", detector="none", reencode=True)
    assert contents(out) == contents(again)
    assert not (prepare_tree(root, tmp_path / "no", detector="none") / "videos").exists()


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, type[Exception], str]] = {
    "video": (
        lambda t: (t / "videos/bad.mp4").write_bytes(b"no video"),
        VideoError, "videos/bad.mp4: cannot be read as a video",
    ),
    "cut": (
        lambda t: (t / "videos/bad.mp4").write_bytes((t / "videos/bad.mp4").read_bytes()[:900]),
        VideoError, "videos/bad.mp4: cannot be read as a video",
    ),
    "length": (
        lambda t: write_labels(t, "VA", "Training", "bad", ["0,0"] * 9),
        VideoError, "videos/bad.mp4: does not fit annotations/VA_Set/Training_Set/bad.txt: 20",
    ),
    "labels": (
        lambda t: write_labels(t, "VA", "Training", "bad", ["0,0"] * 5 + ["0,7"] * 15),
        AnnotationError, "annotations/VA_Set/Training_Set/bad.txt:7: arousal",
    ),
    "boxes": (
        lambda t: (t / "boxes/bad.csv").write_text("frame,left,top,right,bottom\n1,0,0,0,9\n"),
        AnnotationError, "boxes/bad.csv:2: an empty box",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_one_bad_video(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "tree"
    for video in ("bad", "good"):
        write_video(root / f"videos/{video}.mp4", map(draw, range(20)), codec="libx264")
        write_labels(root, "VA", "Training", video, ["0,0"] * 20)
    (root / "boxes").mkdir()
    damage, kind, reason = DAMAGES[name]
    damage(root)
    out = tmp_path / "out"
    with pytest.raises(kind):
        prepare_tree(root, out, detector="none")
    assert not out.exists()
    assert main(["data", "prepare", str(root), "--out", str(out), "--detector", "none",
                 "--keep-going"]) == 0  # fmt: skip
    data = PreparedData.open(out)
    assert data.split("train").tracks == ("good",) and len(data.split("train")) == 20
    (skipped,) = data.manifest["skipped"]
    assert (skipped["video"], skipped["tracks"]) == ("bad.mp4", ["bad"])
    assert skipped["reason"].startswith(reason)
    assert str(tmp_path) not in json.dumps(data.manifest)
    assert "skipped: bad.mp4" in capsys.readouterr().err
    with pytest.raises(kind):  # without the flag it is an error as before
        prepare_tree(root, out, detector="none")


def test_nothing_but_bad_videos(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "videos").mkdir(parents=True)
    (root / "videos/v.mp4").write_bytes(b"")
    write_labels(root, "VA", "Training", "v", ["0,0"] * 5)
    with pytest.raises(DatasetError, match="none of its videos.*cannot be read as a video"):
        prepare_tree(root, tmp_path / "out", detector="none", keep_going=True)


def test_unknown_detector(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write_video(root / "videos/v.mp4", map(draw, range(5)))
    write_labels(root, "VA", "Training", "v", ["0,0"] * 5)
    with pytest.raises(ConfigError, match="Unknown face detector"):
        prepare_tree(root, tmp_path / "out", detector="dlib")
