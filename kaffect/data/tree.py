"""A user's annotated videos on disk: which tracks, which split, which files (paper Section II-D).

    videos/                                              .mp4 .mkv .mov .avi .webm
    annotations/{VA,EXPR,AU}_Set/{Training,Validation,Test}_Set/<track>.txt
    boxes/<track>.csv       optional: where the face is
    subjects.csv            optional: video,subject[,gender]

The spellings of the ABAW releases are accepted as well. A track is one person in
one video: `<video>`, or `<video>_left` and `<video>_right` where two are seen.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from kaffect.data.subjects import Subject, leaks, read_subjects
from kaffect.errors import DatasetError
from kaffect.files import safe_join, sha256, stable_hash
from kaffect.labels import TASKS

SPLITS = ("train", "validation", "test")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
_TASK_FOLDERS = {
    "va": ("va_set", "va_estimation_challenge"),
    "expression": ("expr_set", "expr_classification_challenge", "expr_recognition_challenge"),
    "au": ("au_set", "au_detection_challenge"),
}
_SPLIT_FOLDERS = {
    "train": ("training_set", "train_set"),
    "validation": ("validation_set", "val_set"),
    "test": ("test_set",),
}
_SIDES = ("_left", "_right")
LAYOUT = (
    "videos/<name>.mp4, annotations/{VA,EXPR,AU}_Set/{Training,Validation,Test}_Set/<name>.txt, "
    "and optionally boxes/<name>.csv and subjects.csv"
)


@dataclass(frozen=True)
class Track:
    """One person in one video.

    Attributes:
        name: of its annotation and box files.
        split: 'train', 'validation' or 'test', the same for all tasks.
        video: the video file.
        annotations: task ('va', 'expression', 'au') -> annotation file; the tasks in
            whose partition the track is.
        boxes: the box file, or None: then the face crop is the centre of the whole frame.
        subject, gender: of `subjects.csv`, or None where that says nothing.
    """

    name: str
    split: str
    video: Path
    annotations: dict[str, Path]
    boxes: Path | None
    subject: str | None = None
    gender: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(task for task in TASKS if task in self.annotations)


@dataclass(frozen=True)
class DataTree:
    """All tracks of a tree, sorted by split and name.

    Attributes:
        missing: one sentence for each thing that is not there but could be, with what
            the user can do; empty for a complete tree.
    """

    root: Path
    tracks: tuple[Track, ...]
    missing: tuple[str, ...] = field(default=())

    @classmethod
    def open(cls, root: str | Path) -> DataTree:
        """Find and check everything; reads folders and `subjects.csv`, no annotation text.

        Raises:
            DatasetError: not a data tree, a missing video, a track in two splits, or a
                video or subject in two splits.
            AnnotationError: `subjects.csv` is not as it must be.
        """
        root = Path(root)
        annotations = _find_annotations(root)
        videos = _find_videos(root)
        subjects = read_subjects(root / "subjects.csv") if _is_file(root, "subjects.csv") else {}
        files: dict[str, dict[tuple[str, str], Path]] = defaultdict(dict)
        for task, split, path in annotations:
            other = files[path.stem].setdefault((task, split), path)
            if other != path:
                raise DatasetError(f"{path}: a second annotation of the same task; see {other}")
        tracks = [_track(root, name, files[name], videos, subjects) for name in sorted(files)]
        tracks.sort(key=lambda track: (SPLITS.index(track.split), track.name))
        found = leaks((t.name, t.split, t.video.name, t.subject) for t in tracks)
        if found:
            raise DatasetError(
                f"{root}: training and evaluation would share people or pictures: "
                + "; ".join(found)
                + ". Move the annotation files so that each is in one split only"
            )
        return cls(root, tuple(tracks), _missing(tracks, videos, subjects))

    def split(self, name: str) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if track.split == name)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides what is prepared."""
        paths = set()
        for track in self.tracks:
            paths.update([track.video, *track.annotations.values()])
            paths.update([track.boxes] if track.boxes else [])
        if _is_file(self.root, "subjects.csv"):
            paths.add(self.root / "subjects.csv")
        return tuple(sorted(paths))

    @property
    def synthetic(self) -> bool:
        """Whether kaffect rendered it: its figures never stand beside real ones."""
        return _is_file(self.root, "synthetic.json")

    @functools.cached_property
    def digests(self) -> dict[Path, str]:
        """SHA-256 of each of `files`; computed once."""
        return {path: sha256(path) for path in self.files}

    def hash(self) -> str:
        """A name of the contents: changes with any byte of any file, not with the place."""
        return stable_hash(
            [
                [path.relative_to(self.root).as_posix(), path.stat().st_size, digest]
                for path, digest in self.digests.items()
            ]
        )


def _is_file(root: Path, name: str) -> bool:
    return safe_join(root, name).is_file()


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir())


def _inside(folder: Path, path: Path) -> Path:
    """`path`, refused where it is a link that leads out of `folder`."""
    safe_join(folder, path.relative_to(folder).as_posix())
    return path


def _find_annotations(root: Path) -> list[tuple[str, str, Path]]:
    """(task, split, file) of every annotation file."""
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder. Expected a data tree: {LAYOUT}")
    found = []
    parents = [root] + [p for p in _folders(root) if "annotations" in p.name.lower()]
    for parent in parents:
        for task_folder in _folders(parent):
            for task, spellings in _TASK_FOLDERS.items():
                if task_folder.name.lower() in spellings:
                    found += [(task, *pair) for pair in _split_files(task_folder)]
    if not found:
        names = ", ".join(sorted(p.name for p in root.iterdir())[:8]) or "nothing"
        raise DatasetError(
            f"{root}: not a data tree: no annotation file found. Expected {LAYOUT}. "
            f"Received a folder with: {names}"
        )
    return found


def _split_files(task_folder: Path) -> list[tuple[str, Path]]:
    pairs = []
    for folder in _folders(task_folder):
        for split, spellings in _SPLIT_FOLDERS.items():
            if folder.name.lower() in spellings:
                texts = sorted(p for p in folder.iterdir() if p.suffix == ".txt")
                pairs += [(split, _inside(folder, path)) for path in texts]
    return pairs


def _find_videos(root: Path) -> dict[str, Path]:
    """Video files by name without suffix; `videos/` may have folders such as `batch1/`."""
    folder = root / "videos"
    videos: dict[str, Path] = {}
    if not folder.is_dir():
        return videos
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            if path.stem in videos:
                raise DatasetError(
                    f"{path}: a second video of that name. Expected one file for "
                    f"{path.stem!r}. Received also: {videos[path.stem]}"
                )
            videos[path.stem] = _inside(folder, path)
    return videos


def _video_of(track: str, videos: dict[str, Path]) -> Path | None:
    """The file of a track: its own name first, then without `_left` or `_right`."""
    names = [track] + [track.removesuffix(side) for side in _SIDES if track.endswith(side)]
    return next((videos[name] for name in names if name in videos), None)


def _track(
    root: Path,
    name: str,
    files: dict[tuple[str, str], Path],
    videos: dict[str, Path],
    subjects: dict[str, Subject],
) -> Track:
    by_split = {split: path for (_, split), path in files.items()}
    if len(by_split) > 1:
        listed = ", ".join(f"{path} ({split})" for split, path in sorted(by_split.items()))
        raise DatasetError(f"{root}: track {name!r} is in more than one split: {listed}")
    video = _video_of(name, videos)
    if video is None:
        suffixes = ", ".join(VIDEO_SUFFIXES)
        raise DatasetError(
            f"{next(iter(files.values()))}: no video for this annotation. "
            f"Looked for {root / 'videos' / name} with {suffixes} (for a name that ends in "
            f"_left or _right also without it); found {len(videos)} other videos"
        )
    boxes = root / "boxes" / f"{name}.csv"
    subject = subjects.get(name) or subjects.get(video.stem)
    return Track(
        name=name,
        split=next(iter(by_split)),
        video=video,
        annotations={task: path for (task, _), path in sorted(files.items())},
        boxes=_inside(root / "boxes", boxes) if boxes.is_file() else None,
        subject=subject.name if subject else None,
        gender=subject.gender if subject else None,
    )


def _missing(
    tracks: list[Track], videos: dict[str, Path], subjects: dict[str, Subject]
) -> tuple[str, ...]:
    # No path of this machine in it: the sentences are stored in manifests.
    notes = []
    present = {track.split for track in tracks}
    folders = {"train": "Training_Set", "validation": "Validation_Set", "test": "Test_Set"}
    without = {
        "train": "nothing can be trained",
        "validation": "no checkpoint can be chosen",
        "test": "there are no test scores, and what is shown are validation scores",
    }
    for split in SPLITS:
        if split not in present:
            notes.append(
                f"no {folders[split]}: {without[split]}. Add annotation files to "
                f"annotations/*_Set/{folders[split]} to have it"
            )
    boxes = sum(track.boxes is not None for track in tracks)
    if boxes < len(tracks):
        notes.append(
            f"no face boxes for {len(tracks) - boxes} of {len(tracks)} tracks: the centre square "
            f"of the whole frame is used there. Add boxes/<track>.csv with the columns "
            "frame,left,top,right,bottom to crop faces"
        )
    unknown = sorted(track.name for track in tracks if track.subject is None)
    if unknown:
        notes.append(
            f"no subject for {len(unknown)} of {len(tracks)} tracks ({', '.join(unknown[:3])}"
            f"{', ...' if len(unknown) > 3 else ''}): nobody can check that a person is in one "
            f"split only. Add subjects.csv with the columns video,subject"
        )
    unused = sorted(set(videos) - {track.video.stem for track in tracks})
    if unused:
        notes.append(f"{len(unused)} videos have no annotation and are not used: {unused[0]} ...")
    names = {track.name for track in tracks} | set(videos)
    strangers = sorted(set(subjects) - names)
    if strangers:
        notes.append(f"subjects.csv names videos that are not there: {', '.join(strangers[:3])}")
    return tuple(notes)
