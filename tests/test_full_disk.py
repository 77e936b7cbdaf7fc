"""A disk that fills up under a command: exit code 2, one line, nothing half-written or lost."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from experiments import run
from kaffect.cli import main
from kaffect.data.prepared.shards import whole_records
from kaffect.errors import StorageError
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.summaries import RunSummaries, state_hparams
from tests.data.drawing import (
    build_tree,
    contents,
    draw,
    write_boxes,
    write_labels,
    write_video,
)
from tests.full_disk import limited
from tests.studies.report.test_cells import write


@contextlib.contextmanager
def from_here_on(name: str, size: int) -> Iterator[None]:
    """The limit from the call of the function `name` on; before it a model is copied and loaded."""
    module, _, function = name.rpartition(".")
    real = getattr(importlib.import_module(module), function)

    def call(*arguments: Any, **named: Any) -> Any:
        with limited(size):
            return real(*arguments, **named)

    with mock.patch(name, call):
        yield


@pytest.mark.parametrize("limit", [0, 30, 1000, 100_000])
def test_summaries_end_with_a_whole_event(limit: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    with pytest.raises(StorageError, match="tfevents: cannot be written: File too large"):
        with limited(limit), contextlib.closing(RunSummaries(tmp_path / "row", {"a": 1})) as made:
            for step in range(4):
                made.scalars(step, "train", {"loss": float(step)})
                made.pixels(step, "faces", pixels)
    (events,) = (tmp_path / "row").iterdir()
    count, size = whole_records(events)
    assert events.stat().st_size == size <= limit
    assert count == sum(1 for _ in tf.data.TFRecordDataset(str(events)))
    assert (count > 1) == (limit >= 1000)


def _curve(folder: Path) -> None:
    with contextlib.closing(RunSummaries(folder, {"a": 1})) as made:
        for step in range(40):
            made.precision_recall(step, "anger", np.array([True, False]), np.array([0.9, 0.2]))


def _columns(folder: Path) -> None:
    state_hparams(folder, {"rate": [f"{number}" for number in range(9999)]}, ["loss"])


@pytest.mark.parametrize("write", [_curve, _columns])
def test_no_summary_is_lost_in_silence(write: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="tfevents: cannot be written: "):
        with limited(2000):
            write(tmp_path)


def unpacked(golden: Path, kind: str, folder: Path) -> Path:
    with zipfile.ZipFile(golden / "artefacts" / f"{kind}.zip") as archive:
        archive.extractall(folder / kind)
    return folder / kind


def _predict(golden: Path, folder: Path) -> list[str]:
    clip = write_video(folder / "clip.mp4", map(draw, range(12)), 30)
    model = unpacked(golden, "sequence_export", folder) / "affect"
    words = ["predict", str(clip), "--model", str(model), "--json", "--overlay"]
    return [*words, "--detector", "haar", "--out"]


def _generate(golden: Path, folder: Path) -> list[str]:
    model = unpacked(golden, "gan_run", folder)
    return ["generate", "--model", str(model), "--count", "4", "--grid"]


def _export(golden: Path, folder: Path) -> list[str]:
    run = unpacked(golden, "gan_run", folder)
    return ["export", "--run", str(run), "--part", "generator", "--out"]


# Command, the name of what it writes, where that begins, and at how many sizes it is stopped.
COMMANDS: dict[str, tuple[Callable[[Path, Path], list[str]], str, str, int]] = {
    "predict": (_predict, "out", "kaffect.serving.predict.run.predict", 2),
    "generate": (_generate, "faces.png", "kaffect.studies.image_grids.write_bytes", 2),
    "export": (_export, "faces/1", "kaffect.serving.run_export.export_run", 2),
}


def sizes(root: Path) -> dict[str, int]:
    """Of a file, or of all below a folder."""
    paths = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.stat().st_size for path in paths}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_so_and_loses_nothing(
    name: str,
    golden: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    make, target, begins, count = COMMANDS[name]
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    command = make(golden, tmp_path)
    assert main([*command, str(tmp_path / "whole" / target)]) == 0
    whole = sizes(tmp_path / "whole")
    wanted = sorted({size // 2 for size in whole.values() if size})
    limits = [wanted[n * (len(wanted) - 1) // max(count - 1, 1)] for n in range(count)]
    for limit in dict.fromkeys(limits):
        folder = tmp_path / f"{limit}"
        capsys.readouterr()
        with from_here_on(begins, limit):
            assert main([*command, str(folder / target)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert line.startswith(f"error: {folder}") and "Needed: " in line and " Free: " in line
        left = sizes(folder)
        # Predictions of a video are several files, each complete or not there.
        assert all(whole[path] == size for path, size in left.items()), (limit, left)
        record_property("stopped", 1)
    record_property("half-written", 0)


def _small_tree(root: Path) -> Path:
    """Two videos of noise for training; the whole picture is a face."""
    rng = np.random.default_rng(0)
    for part in ("videos", "boxes"):
        (root / part).mkdir(parents=True)
    for name in ("a", "b"):
        images = [rng.integers(0, 255, (96, 128, 3)).astype(np.uint8) for _ in range(30)]
        write_video(root / "videos" / f"{name}.mp4", images, 30)
        write_labels(root, "VA", "Training", name, ["0.5,-0.5"] * 30)
        write_boxes(root, name, range(30))
    return root


# Largest file, what cannot be written then. Crops of a video take 27 KB, its copy 200 KB.
PREPARATIONS = [(0, ".lock"), (10_000, ".records"), (40_000, ""), (60_000, ".mp4")]


def test_a_preparation_says_so_and_goes_on(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    """At the start, while crops are stored and become shards, and while a video is copied."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    tree = _small_tree(tmp_path / "tree")
    plain = ["data", "prepare", str(tree), "--encoding", "raw", "--image-size", "16"]
    for limit, suffix in PREPARATIONS:
        command = [*plain, "--reencode"] if suffix == ".mp4" else plain
        whole, folder = tmp_path / f"whole {limit}", tmp_path / f"{limit}"
        assert main([*command, "--out", str(whole / "data")]) == 0
        capsys.readouterr()
        with from_here_on("kaffect.data.prepared.prepare.prepare_tree", limit):
            assert main([*command, "--out", str(folder / "data")]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert line.startswith(f"error: {folder}") and "Needed: " in line and " Free: " in line
        assert Path(line.split(": ")[1]).suffix == suffix, line
        assert not (folder / "data").exists() and not list(folder.rglob(".unfinished-*"))
        assert main([*command, "--out", str(folder / "data")]) == 0
        assert contents(folder) == contents(whole)
        record_property("stopped", 1)


def test_a_report_says_so_and_the_last_one_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    def add(*seeds: int) -> None:
        with open(tmp_path / "table_xi.jsonl", "a") as lines:
            for row, seed in [(row, seed) for row in (1, 2) for seed in seeds]:
                lines.write(json.dumps({**write(tmp_path, row, seed), "variant": ""}) + "\n")

    command = ["--table", "XI", "--out", str(tmp_path), "--report"]
    add(0)
    assert run.main(command) == 0
    reports = [tmp_path / f"table_xi.{kind}" for kind in ("md", "html")]
    before = [report.read_bytes() for report in reports]
    add(1, 2)
    for limit, expected in ((100, 0), (reports[0].stat().st_size * 2, 1)):
        capsys.readouterr()
        with limited(limit):
            assert run.main(command) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"error: {reports[expected]}: cannot be written: ")
        assert "Needed: " in line and " Free: " in line
        assert reports[1].read_bytes() == before[1], "the page is whole, old or new"
        assert (reports[0].read_bytes() == before[0]) == (expected == 0)
        assert not list(tmp_path.rglob(".unfinished-*"))
        record_property("stopped", 1)
    assert run.main(command) == 0
    assert reports[1].read_bytes() != before[1]


@contextlib.contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Callable[[int], None]]:
    """A file system in memory at `folder`; give what makes it larger."""
    folder.mkdir(parents=True)

    def mount(options: str) -> bool:
        words = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        return subprocess.run(words, capture_output=True).returncode == 0

    if not mount(f"size={kibibytes}k"):
        pytest.skip("no file system may be mounted here")
    try:
        yield lambda size: assert_true(mount(f"remount,size={size}k"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def assert_true(value: bool) -> None:
    assert value


@pytest.mark.nightly
@pytest.mark.parametrize("kibibytes", [100, 1000, 1700])
def test_a_training_on_a_small_disk(
    kibibytes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    """Before the first checkpoint, before the second, and behind the last; then it goes on."""
    tree = build_tree(tmp_path / "tree")
    write_boxes(tree, "b_right", range(40))
    write_boxes(tree, "d", range(33))
    out = tmp_path / "disk" / "out"
    command = ["--table", "IX", "--row", "5", "--data", str(tree), "--profile", "smoke"]
    command += ["--out", str(out)]
    with small_disk(tmp_path / "disk", kibibytes) as enlarge:
        filler = tmp_path / "disk" / "filler"
        if kibibytes == 1700:
            # What the results, the pictures and the report would have taken.
            filler.write_bytes(b"x" * 360_000)
        assert run.main(command) == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith("error: ") and str(out) in line
        assert "No space left on device. Needed: " in line and " Free: " in line
        assert not list(out.rglob(".unfinished-*"))
        folder = CheckpointFolder(out / "checkpoints" / "configuration-1-row-05-seed-0")
        assert folder.last() == {100: None, 1000: 6, 1700: 12}[kibibytes]
        enlarge(100_000)
        filler.unlink(missing_ok=True)
        assert run.main([*command, "--resume"]) == 0
        lines = (out / "table_ix.jsonl").read_text().splitlines()
        (record,) = (r for r in map(json.loads, lines) if r["row"] == 5)
        assert record["steps"] == 12 and folder.last() == 12
    record_property("stopped and gone on with", 1)
