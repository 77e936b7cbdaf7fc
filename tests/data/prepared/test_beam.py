"""The Beam pipeline writes the bytes that one machine writes (Section III, at any size)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from kaffect.cli import main
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import AnnotationError, DatasetError, VideoError
from kaffect.files import write_json
from tests.data.drawing import build_tree, contents

ROOT = Path(__file__).parents[3]
HAS_BEAM = importlib.util.find_spec("apache_beam") is not None
needs_beam = pytest.mark.skipif(
    not HAS_BEAM, reason="apache-beam is not installed: pip install 'kaffect[beam]'"
)


def on_beam(tree: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: Beam's warnings are not ours."""
    command = [sys.executable, "-m", "kaffect.cli", "data", "prepare", str(tree), "--out",
               str(out), "--detector", "haar", "--beam=--runner=DirectRunner", *more]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True)


@needs_beam
def test_the_same_bytes_as_on_one_machine(shared_tree: Path, tmp_path: Path) -> None:
    expected = prepare_tree(shared_tree, tmp_path / "one", detector="haar", progress=False)
    done = on_beam(shared_tree, tmp_path / "beam")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "beam") == contents(expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beam", "beam.lock", "one", "one.lock"]


@needs_beam
def test_bad_videos_are_told_as_on_one_machine(tmp_path: Path) -> None:
    tree = build_tree(tmp_path / "tree")
    (tree / "videos/d.mp4").write_bytes(b"no video")
    (tree / "boxes/c.csv").write_text("frame,left,top,right,bottom\n1,9,0,5,9\n")
    expected = prepare_tree(
        tree, tmp_path / "one", detector="haar", keep_going=True, progress=False
    )
    failed = on_beam(tree, tmp_path / "beam")
    assert failed.returncode == 2 and not (tmp_path / "beam").exists()
    assert failed.stderr.strip().splitlines()[-1].startswith("error: ")
    done = on_beam(tree, tmp_path / "beam", "--keep-going")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "beam") == contents(expected)
    assert len(PreparedData.open(tmp_path / "beam").manifest["skipped"]) == 2


@pytest.mark.skipif(HAS_BEAM, reason="apache-beam is installed")
def test_missing_beam_is_said(
    shared_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["data", "prepare", str(shared_tree), "--out", str(tmp_path / "o"), "--beam", ""])
    assert code == 2 and "pip install 'kaffect[beam]'" in capsys.readouterr().err


def test_errors_travel_between_machines(tmp_path: Path) -> None:
    """A worker's error is the same error for the user, with file and line."""
    from kaffect.data.prepared import beam
    from kaffect.data.prepared.video_job import TrackJob, VideoJob
    from kaffect.data.tree import Track

    track = Track("a", "train", tmp_path / "a.mp4", {}, None)
    video = VideoJob((TrackJob(track, {}, 8, tmp_path / "part"),))
    assert isinstance(beam._failure(video), DatasetError)  # nobody wrote anything
    for error in (
        VideoError("a.mp4: frame 3 is damaged"),
        AnnotationError("boxes/a.csv", 7, "an empty box"),
        AnnotationError("boxes/a.csv", None, "a box: too late"),
    ):
        write_json(beam._error_file(video), beam._as_json(error))
        back = beam._failure(video)
        assert type(back) is type(error) and str(back) == str(error)
