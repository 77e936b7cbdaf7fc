"""Copies at 30 frames a second: which source frame each frame shows, and after a kill."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kaffect.annotation.copies import make_copies, nearest_frames, open_copy
from kaffect.annotation.project import Project, annotator_name, open_project, parse_tasks
from kaffect.errors import ConfigError, DatasetError, VideoError
from tests.annotation import bar_codes
from tests.data.drawing import damaged


def shown(path: Path) -> list[int]:
    """The number on each frame of a video."""
    with av.open(str(path)) as film:
        images = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    weights = 2 ** np.arange(bar_codes.BITS)[::-1]
    return [int(((image[32, 8::16] > 127) * weights).sum()) for image in images]


def test_the_manifest_tells_what_each_frame_shows(project: Project) -> None:
    for name in ("double", "film"):
        copy = open_copy(project, name)
        numbers = shown(copy.path)
        assert copy.frames == len(numbers) and copy.sources.tolist() == numbers
        with av.open(str(copy.path)) as film:
            packets = [p for p in film.demux(video=0) if p.pts is not None]
            assert [p.pts * p.time_base for p in packets] == [
                Fraction(k, 30) for k in range(copy.frames)
            ]
            assert [k for k, p in enumerate(packets) if p.is_keyframe] == [
                *range(0, copy.frames, 15)
            ]


def test_source_frames_that_nobody_saw(project: Project) -> None:
    double, film = open_copy(project, "double"), open_copy(project, "film")
    nearest = nearest_frames(double)
    assert nearest[:6].tolist() == [0, -1, 1, -1, 2, -1], "every second frame is shown"
    nearest = nearest_frames(film)
    assert (nearest >= 0).all()
    times = np.arange(45) * 1001 / 24000
    assert np.abs(nearest / 30 - times).max() <= 1 / 60 + 1e-6


def test_what_is_there_is_not_made_again(project: Project) -> None:
    said: list[str] = []
    make_copies(project, said.append)
    assert said == []
    # A kill between film and manifest, and one while a film is written.
    (project.copies / "film.json").unlink()
    (project.copies / ".unfinished-film.mp4-x").write_bytes(b"half")
    before = (project.copies / "film.mp4").read_bytes()
    make_copies(project, said.append)
    assert len(said) == 1 and said[0].endswith("film")
    assert (project.copies / "film.mp4").read_bytes() == before
    assert not list(project.copies.glob(".unfinished*"))


def test_frames_that_cannot_be_decoded_are_told(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    damaged(tmp_path / "videos/v.avi", [9, 10], "mjpeg")
    project, said = open_project(tmp_path / "p", tmp_path / "videos"), []
    make_copies(project, said.append)
    assert said[1:] == ["v: 2 of 40 frames cannot be decoded and are left out: before frame 10"]
    assert open_copy(project, "v").frames == 40 and len(open_copy(project, "v").source_times) == 38


def test_videos_are_added_to_a_project(project: Project, clips: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(clips, more)
    shutil.copy(clips / "film.mp4", more / "another.mp4")
    again = open_project(project.root, more)
    assert again.id == project.id and again.videos == (*project.videos, "another")
    order, longer = project.order("anna"), again.order("anna")
    assert [place for place in longer if place < 2] == order
    assert again.order("anna") == longer


def test_orders_are_random_and_each_annotators_own(tmp_path: Path) -> None:
    videos = tuple(f"v{n}" for n in range(8))
    sources = {name: Path(name) for name in videos}
    from kaffect.labels import AFF_WILD

    project = Project(tmp_path, "p", AFF_WILD, 7, videos, sources)
    orders = {tuple(project.order(f"a{n}")) for n in range(10)}
    assert len(orders) > 5 and all(sorted(o) == list(range(8)) for o in orders)


def test_bad_input_is_told_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="holds no video"):
        open_project(tmp_path / "p", empty)
    assert not (tmp_path / "p").exists()
    (empty / "broken.mp4").write_bytes(b"no video at all")
    with pytest.raises(VideoError, match="broken.mp4: cannot be read as a video"):
        make_copies(open_project(tmp_path / "p", empty), lambda text: None)
    assert [path.suffix for path in (tmp_path / "p" / "videos").iterdir()] == [".lock"]
    for name in ("a..b", "<img src=x>", 'a"b', "@trial", "a\nb"):
        odd = tmp_path / "odd"
        odd.mkdir(exist_ok=True)
        (odd / f"{name}.mp4").write_bytes(b"x")
        with pytest.raises(DatasetError, match="Rename it") as caught:
            open_project(tmp_path / "q", odd)
        assert "\n" not in str(caught.value)
        (odd / f"{name}.mp4").unlink()
    for name in ("..", "a/b", "", "<b>", "a" * 41, "a\n"):
        with pytest.raises(ConfigError, match="--annotator"):
            annotator_name(name)
    with pytest.raises(ConfigError, match="--tasks"):
        parse_tasks("va,faces")
    with pytest.raises(DatasetError, match="not a project"):
        open_project(empty)
    with pytest.raises(DatasetError, match="a folder with other files"):
        open_project(empty, empty / "broken.mp4")
    (tmp_path / "p" / "project.json").write_text("{}")
    with pytest.raises(DatasetError, match="not a project of this version"):
        open_project(tmp_path / "p")
