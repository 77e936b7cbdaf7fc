"""A made-up release of each kind goes through check, statistics, preparation and a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import run
from kaffect.cli import main
from kaffect.data.prepared.records import PreparedData
from kaffect.labels import ACTION_UNITS_12, EXPRESSIONS_8
from tests.data.drawing import (
    draw,
    list_row,
    original,
    put,
    write_boxes,
    write_faces,
    write_labels,
    write_video,
)

FRAMES = 24
TRACKS = (("4", "Training"), ("5", "Training"), ("6", "Validation"))


def values(track: str) -> list[float]:
    """Another run of numbers for each track."""
    return [((n * int(track)) % 19 - 9) / 10 for n in range(FRAMES)]


def film(root: Path, track: str, suffix: str = ".mp4", codec: str = "mpeg4") -> None:
    path = root / "videos" / f"{track}{suffix}"
    images = [draw(int(track) * 25 + n) for n in range(FRAMES)]
    write_video(path, images, codec=codec, reordered=2)
    (root / "boxes").mkdir(exist_ok=True)
    write_boxes(root, track, range(FRAMES))


def original_aff_wild(root: Path) -> None:
    for track, split in TRACKS:
        suffix, codec = (".avi", "libx264") if track == "4" else (".mp4", "mpeg4")
        film(root, track, suffix, codec)
        folder = "train" if split == "Training" else "validation"
        original(root, track, [f"{v}" for v in values(track)], ["-.25"] * FRAMES, folder)


def abaw_1(root: Path) -> None:
    for track, split in TRACKS:
        film(root, track)
        write_labels(root, "VA", split, track, [f"{v}, 1e-1" for v in values(track)])
        classes = [str((n + int(track)) % 7) for n in range(FRAMES)]
        write_labels(root, "EXPR", split, track, [*classes, "", ""])
        units = [f"{n % 2},0,0,0,1,0,0,{n % 3 // 2}" for n in range(FRAMES + 1)]
        write_labels(root, "AU", split, track, units[: FRAMES + (track == "4")])


def abaw_3(root: Path) -> None:
    head = "6th ABAW Annotations"
    for track, split in TRACKS:
        write_faces(root, track, (n for n in range(2, FRAMES) if n != 9), int(track) * 25)
        folder = "Train_Set" if split == "Training" else "Validation_Set"
        classes = [f"{(n + int(track)) % 8}" for n in range(FRAMES)]
        put(root, f"{head}/EXPR_Recognition_Challenge/{folder}/{track}.txt",
            [",".join(EXPRESSIONS_8), *classes])  # fmt: skip


def multi_task(root: Path, units: str) -> None:
    rows: dict[str, list[str]] = {"Training": [], "Validation": []}
    for track, split in TRACKS:
        film(root, track)
        rows[split] += [
            list_row(track, n + 1, v, n % 8) for n, v in enumerate(values(track)) if n != 9
        ]
    for split, lines in rows.items():
        header = f"image,valence,arousal,expression,{units}"
        put(root, f"annotations/{split.lower()}_set_annotations.txt", [header, *lines])


KINDS: dict[str, Callable[[Path], None]] = {
    "original": original_aff_wild,
    "abaw-1": abaw_1,
    "abaw-3, pictures": abaw_3,
    "lists, aus": lambda root: multi_task(root, "aus"),
    "lists, named": lambda root: multi_task(root, ",".join(ACTION_UNITS_12)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_check_statistics_prepare(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "release"
    root.mkdir()
    KINDS[kind](root)
    assert main(["data", "check", str(root), "--decode", "--ignore", "time-stamps"]) == 0
    assert "no anomalies" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["data", "prepare", str(root), "--out", str(out), "--image-size", "32"]) == 0
    told = capsys.readouterr().out
    assert f"train: 2 tracks, {2 * FRAMES} frames" in told
    assert ("4.avi: " in told) == (kind == "original"), "only AVI is rebuilt"
    data = PreparedData.open(out)
    assert data.splits == ("train", "validation") and len(data.split("validation")) == FRAMES
    assert data.split("train").has_face.sum() == 2 * (FRAMES - 3 * (kind == "abaw-3, pictures"))
    assert main(["data", "statistics", str(root), "--out", str(tmp_path / "card")]) == 0
    lines = 3 * FRAMES + (kind == "abaw-1")  # one line more than frames
    assert f'"No of frames": "{lines}"' in (tmp_path / "card/statistics.json").read_text()


# Original Aff-Wild has valence and arousal alone, which Table A3 learns.
@pytest.mark.parametrize(
    "kind, table, metric",
    [
        ("original", "A3", "ccc_valence"),
        ("abaw-1", "A1", "f1_macro_all"),
        ("abaw-3, pictures", "A1", "f1_macro_all"),
        ("lists, aus", "A1", "f1_macro_all"),
    ],
)
def test_a_table(tmp_path: Path, kind: str, table: str, metric: str) -> None:
    root = tmp_path / "release"
    root.mkdir()
    KINDS[kind](root)
    words = ["--table", table, "--row", "1", "--profile", "smoke", "--data", str(root)]
    assert run.main([*words, "--out", str(tmp_path / "out")]) == 0
    lines = (tmp_path / f"out/table_{table.lower()}.jsonl").read_text().splitlines()
    record = json.loads(lines[0])
    assert record["row"] == 1 and record["data_kind"] == "real"
    assert record["frames"]["train"] > 0 and metric in record["metrics"]
    assert f"Table {table}" in (tmp_path / f"out/table_{table.lower()}.md").read_text()
