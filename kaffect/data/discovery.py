"""Which files of a folder are annotations and videos, in the layouts of all releases (Section II).

    annotations/VA_Set/Training_Set/<track>.txt                  ABAW-1/2
    <any name> Annotations/VA_Estimation_Challenge/Train_Set/... ABAW-3 and later
    annotations/train/{valence,arousal}/<track>.txt              original Aff-Wild, no header
    annotations/training_set_annotations.txt                     multi-task list files
    MTL_Challenge/train_set.txt                                  the same, ABAW-3
    cropped_aligned/<track>/00001.jpg                            pictures in the place of videos

Only lists folders and opens no file. Faults go to `report`, which raises
unless a caller collects them (`kaffect data check`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kaffect.errors import DatasetError, KaffectError
from kaffect.files import safe_join
from kaffect.labels import AU, EXPRESSION, SPLIT_FOLDERS, VA, VALENCE_AROUSAL

# Arguments: the kind of the anomaly, the file or folder, the error.
Report = Callable[[str, Path, KaffectError], None]
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
SIDES = ("_left", "_right")
LIST = "list"
# What kaffect writes, and the other spellings of the releases, in lower case.
_TASK_FOLDERS = {
    "va": (VA.folder.lower(), "va_estimation_challenge"),
    "expression": (
        EXPRESSION.folder.lower(), "expr_classification_challenge", "expr_recognition_challenge",
    ),
    "au": (AU.folder.lower(), "au_detection_challenge"),
}  # fmt: skip
_SPLIT_FOLDERS = {
    "train": (SPLIT_FOLDERS["train"].lower(), "train_set", "train"),
    "validation": (SPLIT_FOLDERS["validation"].lower(), "val_set", "validation", "val"),
    "test": (SPLIT_FOLDERS["test"].lower(), "test"),
}
_LIST_NAME = re.compile(r"(train|training|validation|val|test)_set(?:_annotations)?\.txt", re.I)
_LISTS_FOLDER = "mtl_challenge"
_FACE_FOLDERS = ("cropped_aligned", "cropped")
_LIST_SPLITS = {"training": "train", "val": "validation"}
LAYOUT = (
    "videos/<name>.mp4 or cropped_aligned/<name>/00001.jpg, "
    "annotations/{VA,EXPR,AU}_Set/{Training,Validation,Test}_Set/<name>.txt "
    "(or annotations/train/{valence,arousal}/<name>.txt, or "
    "annotations/training_set_annotations.txt), and optionally boxes/<name>.csv and subjects.csv"
)


@dataclass(frozen=True)
class LabelFile:
    """One annotation file.

    Attributes:
        task: 'va', 'expression', 'au', 'valence', 'arousal' (original Aff-Wild), or 'list'
            (all three tasks of many tracks).
        split: 'train', 'validation' or 'test'.
    """

    task: str
    split: str
    path: Path


def raise_error(kind: str, path: Path, error: KaffectError) -> None:
    """The default `Report`."""
    raise error


def find_label_files(root: Path, report: Report = raise_error) -> list[LabelFile]:
    """Every annotation file below `root`, in the order of their paths.

    Raises:
        DatasetError: no such folder, no annotation file, or a link that leads out of `root`.
    """
    if not root.is_dir():
        report("tree", root, DatasetError(f"{root}: no such folder. Expected a tree: {LAYOUT}"))
        return []
    found = [
        file
        for parent in [root, *(p for p in folders(root) if "annotations" in p.name.lower())]
        if _is_inside(root, parent, report)
        for file in _files_below(root, parent, report)
        if _is_inside(root, file.path, report)
    ]
    if not found:
        names = ", ".join(sorted(p.name for p in root.iterdir())[:8]) or "nothing"
        problem = (
            f"{root}: not a data tree: no annotation file found. Expected {LAYOUT}. "
            f"Received a folder with: {names}"
        )
        report("tree", root, DatasetError(problem))
    return found


def find_videos(root: Path, report: Report = raise_error) -> dict[str, Path]:
    """Video files by name without suffix; folders of face pictures stand before them.

    `videos/` may have folders such as `batch1/`, and may itself be a link to another disk; a
    file in it may not lead out of it. The same holds for `cropped_aligned/` and `cropped/`.
    """
    return {**find_video_files(root, report), **_face_folders(root, report)}


def recording(video: Path) -> str:
    """The name of what was filmed: two people in one video have folders of their own."""
    if not video.is_dir():
        return video.name
    return next((video.name.removesuffix(s) for s in SIDES if video.name.endswith(s)), video.name)


def recording_stem(video: Path) -> str:
    """`recording` without the suffix of a video file."""
    return recording(video) if video.is_dir() else video.stem


def _face_folders(root: Path, report: Report) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in _FACE_FOLDERS:
        parent = root / name
        inside = folders(parent) if parent.is_dir() else []
        batches = [p for p in inside if p.name.lower().startswith("batch")]
        for path in [p for p in inside if p not in batches] + [
            q for p in batches for q in folders(p)
        ]:
            if _is_inside(parent, path, report):
                found.setdefault(path.name, path)
    return found


def find_video_files(root: Path, report: Report = raise_error) -> dict[str, Path]:
    """The files in `videos/` alone."""
    folder = root / "videos"
    videos: dict[str, Path] = {}
    if not folder.is_dir():
        return videos
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        if path.stem in videos:
            problem = (
                f"{path}: a second video of that name. Expected one file for "
                f"{path.stem!r}. Received also: {videos[path.stem]}"
            )
            report("second-video", path, DatasetError(problem))
        elif _is_inside(folder, path, report):
            videos[path.stem] = path
    return videos


def video_of(track: str, videos: dict[str, Path]) -> Path | None:
    """The video of a track: its own name first, then without `_left` or `_right`."""
    if track in videos:
        return videos[track]
    names = [track.removesuffix(side) for side in SIDES if track.endswith(side)]
    # A folder without a side in its name shows another person.
    shared = (videos[name] for name in names if name in videos and not videos[name].is_dir())
    return next(shared, None)


def box_file(root: Path, track: str, report: Report = raise_error) -> Path | None:
    """`boxes/<track>.csv`, or None where it is not there."""
    path = root / "boxes" / f"{track}.csv"
    return path if path.is_file() and _is_inside(root, path, report) else None


def folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir())


def _is_inside(root: Path, path: Path, report: Report) -> bool:
    """Whether `path` stays below `root` when links are followed; reports a link that leads out."""
    try:
        safe_join(root, path.relative_to(root).as_posix())
    except DatasetError as error:
        report("outside", path, error)
        return False
    return True


def split_of_folder(name: str) -> str | None:
    """'train', 'validation' or 'test' for a folder such as `Training_Set`, else None."""
    lower = name.lower()
    return next((split for split, names in _SPLIT_FOLDERS.items() if lower in names), None)


def _texts(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix == ".txt" and not p.is_dir())


def _files_below(root: Path, parent: Path, report: Report) -> Iterator[LabelFile]:
    """Annotation files of `parent`, which is `root` or a folder of annotations in it."""
    yield from _lists(parent)
    for folder in folders(parent):
        lower = folder.name.lower()
        task = next((t for t, names in _TASK_FOLDERS.items() if lower in names), None)
        split = split_of_folder(lower)
        wanted = task is not None or split is not None or lower == _LISTS_FOLDER
        if not wanted or not _is_inside(root, folder, report):
            continue
        if lower == _LISTS_FOLDER:
            yield from _lists(folder)
            continue
        for inner in folders(folder):
            found = _of_folder(task, split, inner.name)
            if found is not None and _is_inside(root, inner, report):
                yield from (LabelFile(*found, path) for path in _texts(inner))


def _of_folder(task: str | None, split: str | None, name: str) -> tuple[str, str] | None:
    """(task, split) of `VA_Set/Training_Set`, or of `train/valence` in original Aff-Wild."""
    if task is not None:
        inner = split_of_folder(name)
        return None if inner is None else (task, inner)
    return (name, split) if split is not None and name in VALENCE_AROUSAL else None


def _lists(folder: Path) -> Iterator[LabelFile]:
    for path in _texts(folder):
        if match := _LIST_NAME.fullmatch(path.name):
            name = match[1].lower()
            yield LabelFile(LIST, _LIST_SPLITS.get(name, name), path)
