"""Writes synthetic Aff-Wild as users have data: videos, label text, boxes (paper Section II).

The tree is complete or absent; `synthetic.json` and `README.md` in it say what it is.
"""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import cv2

from kaffect.data.subjects import SUBJECTS
from kaffect.data.tree import SYNTHETIC
from kaffect.data.video.mp4 import Mp4Writer
from kaffect.faces.crops import boxes_text
from kaffect.files import atomic_directory, write_json, write_text
from kaffect.labels import AU, EXPRESSION, SPLIT_FOLDERS, VA, VALENCE_AROUSAL
from kaffect.progress import ProgressDisplay
from kaffect.synthetic.annotators import ANNOTATORS, Labels
from kaffect.synthetic.config import SyntheticConfig
from kaffect.synthetic.plan import VideoPlan, make_plan
from kaffect.synthetic.render import Track, render_video, simulate_video

Progress = Callable[[int, int], None]

_README = """# Synthetic Aff-Wild

Rendered, not recorded: nobody in these videos exists. Made by kaffect from the
settings in `synthetic.json`. Figures measured on it are figures on synthetic
data and never stand beside figures on Aff-Wild.

`videos/` MP4 files; `annotations/{VA,EXPR,AU}_Set/` one text file a track, one
line a frame of the video, missing labels -5 (VA) and -1; `annotators/` the same before
three simulated annotators were merged; `boxes/` true face boxes;
`subjects.csv` who is seen where.
"""


def annotation_files(track: Track, labels: Labels | None = None) -> dict[str, str]:
    """Text of every annotation file of a track, by path below `annotations/`.

    Args:
        labels: of one annotator; by default the merged ones.
    """
    space, labels = track.video.config.space, labels or track.labels
    folder = SPLIT_FOLDERS[track.video.split]
    rows = (f"{v:g},{a:g}" for v, a in labels.valence_arousal)
    files = {f"{VA.folder}/{folder}/{track.name}.txt": _text(VALENCE_AROUSAL, rows)}
    if EXPRESSION.name in track.video.tasks:
        classes = (str(c) for c in labels.expression)
        files[f"{EXPRESSION.folder}/{folder}/{track.name}.txt"] = _text(space.expressions, classes)
    if AU.name in track.video.tasks:
        units = (",".join(map(str, row)) for row in labels.action_units)
        files[f"{AU.folder}/{folder}/{track.name}.txt"] = _text(space.action_units, units)
    return files


def _text(header: Iterable[str], rows: Iterable[str]) -> str:
    return "\n".join([",".join(header), *rows]) + "\n"


def track_boxes(track: Track) -> str:
    """`boxes/<track>.csv`: one row for each frame with a face, frames counted from 1."""
    rows = enumerate(track.boxes.tolist(), 1)
    return boxes_text((number, box) for number, box in rows if not math.isnan(box[0]))


def subjects_text(plan: Iterable[VideoPlan]) -> str:
    """`subjects.csv`: a row for each track."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("video", "subject", "gender"))
    for video in plan:
        for track in video.tracks:
            writer.writerow((track.name, track.subject, track.gender))
    return out.getvalue()


def write_video(root: Path, video: VideoPlan) -> str:
    """Render and label one video below `root`; give its name."""
    for track in simulate_video(video):
        for name, text in annotation_files(track).items():
            _put(root / "annotations" / name, text)
        for number, alone in enumerate(track.labels.alone, 1):
            for name, text in annotation_files(track, alone).items():
                _put(root / "annotators" / f"annotator_{number}" / name, text)
        _put(root / "boxes" / f"{track.name}.csv", track_boxes(track))
    path = root / "videos" / f"{video.name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    config = video.config
    with Mp4Writer(path, video.fps, config.preset, config.crf) as writer:
        for image in render_video(video):
            writer.add(image)
    return video.name


def _put(path: Path, text: str) -> None:
    # Inside of an `atomic_directory`, which is synced as a whole: no rename for each small file.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _render_all(root: Path, plan: tuple[VideoPlan, ...], processes: int) -> Iterator[str]:
    if processes == 1:
        for video in plan:
            yield write_video(root, video)
        return
    # "spawn": TensorFlow's threads in the parent do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_one_thread) as pool:
        # Long videos first, so that no process waits for the last one.
        order = sorted(plan, key=lambda v: -v.frames * v.size[0] * v.size[1])
        futures = [pool.submit(write_video, root, video) for video in order]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def write_tree(
    root: str | Path,
    config: SyntheticConfig,
    *,
    processes: int | None = None,
    progress: bool | Progress = True,
) -> Path:
    """Render the whole data set into the new folder `root` and give its path.

    The bytes depend on `config` alone, not on `processes`. A folder at `root` is
    replaced once the new one is complete.

    Args:
        processes: how many to use; by default one for each processor.
        progress: whether to show it, with the time that is left, or a function of
            (frames done, frames in all).
    """
    root = Path(root)
    plan = make_plan(config)
    processes = max(1, min(processes or os.cpu_count() or 1, len(plan)))
    frames = {video.name: video.frames for video in plan}
    display = ProgressDisplay(
        sum(frames.values()), "rendering synthetic Aff-Wild", "frame", show=progress is True
    )
    with atomic_directory(root) as folder, display:
        for name in _render_all(folder, plan, processes):
            display.update(frames[name])
            if callable(progress):
                progress(display.done, display.total)
        write_text(folder / SUBJECTS, subjects_text(plan))
        write_text(folder / "README.md", _README)
        write_json(
            folder / SYNTHETIC,
            {
                "synthetic": True,
                "generator": "kaffect.synthetic",
                "config": config.to_dict(),
                "videos": len(plan),
                "tracks": sum(len(video.tracks) for video in plan),
                "frames": sum(frames.values()),
                "annotators": ANNOTATORS,
            },
        )
    return root


def is_synthetic(root: str | Path) -> bool:
    """Whether the data tree at `root` was written by `write_tree`."""
    return (Path(root) / SYNTHETIC).is_file()
