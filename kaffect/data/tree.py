"""A user's annotated videos on disk: which tracks, which split, which files (paper Section II-D).

    videos/                                              .mp4 .mkv .mov .avi .webm
    cropped_aligned/<track>/00001.jpg                    or pictures of faces
    annotations/{VA,EXPR,AU}_Set/{Training,Validation,Test}_Set/<track>.txt
    boxes/<track>.csv       optional: where the face is
    subjects.csv            optional: video,subject[,gender]
    rates.csv               optional: video,fps, of folders of pictures

The spellings of the ABAW releases, original Aff-Wild and multi-task list files are
accepted as well (`kaffect.data.discovery`). A track is one person in one video:
`<video>`, or `<video>_left` and `<video>_right` where two are seen.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from kaffect.data.annotations.files import Annotation, task_of
from kaffect.data.discovery import (
    LIST,
    VIDEO_SUFFIXES,
    LabelFile,
    box_file,
    find_label_files,
    find_video_files,
    find_videos,
    recording,
    video_of,
)
from kaffect.data.subjects import SUBJECTS, Subject, leaks, read_subjects, subject_of
from kaffect.data.track_labels import labelled_tracks, open_list, read_track_labels
from kaffect.data.video.face_folders import RATES, folder_digest, read_rates
from kaffect.data.video.lengths import header_rate
from kaffect.data.video.resample import FPS
from kaffect.errors import DatasetError
from kaffect.files import safe_join, sha256, stable_hash
from kaffect.labels import SPLIT_FOLDERS, SPLITS, TASKS, VALENCE_AROUSAL

# In a tree that kaffect rendered.
SYNTHETIC = "synthetic.json"
_LISTS_UNUSED = (
    "multi-task list files are not used, because there are files for single tasks: {}. To train "
    "on the lists, put them into a tree without the other annotations"
)


class SplitError(DatasetError):
    """A track, video or person in two splits: training and evaluation would share it."""


@dataclass(frozen=True)
class Track:
    """One person in one video.

    Attributes:
        name: of its annotation and box files.
        split: 'train', 'validation' or 'test', the same for all tasks.
        video: the video file, or the folder of face pictures.
        rate: of such a folder, frames a second; of a video file its time stamps count.
        annotations: task ('va', 'expression', 'au'), 'valence' and 'arousal' (original
            Aff-Wild), or 'list' (multi-task) -> annotation file.
        boxes: the box file, or None: then a detector or the centre of the frame is used.
        subject, gender: of `subjects.csv`, or None where it has no entry.
    """

    name: str
    split: str
    video: Path
    annotations: dict[str, Path]
    boxes: Path | None
    subject: str | None = None
    gender: str | None = None
    rate: Fraction = Fraction(FPS)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have annotation files of this track."""
        if LIST in self.annotations:
            return tuple(self.labels())
        here = set(map(task_of, self.annotations))
        return tuple(task for task in TASKS if task in here)

    def labels(self) -> dict[str, Annotation]:
        """Read the labels of each of `tasks`.

        Raises:
            AnnotationError: with path and line.
        """
        return read_track_labels(self.name, self.annotations, self.video)


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
    def open(cls, root: str | Path, tasks: Sequence[str] = TASKS) -> DataTree:
        """Find and check everything; reads folders, `subjects.csv` and list files only.

        Args:
            tasks: whose annotation files count. In some releases a video is in one task's
                training and another task's validation set: each set by itself is usable.

        Raises:
            SplitError: a track, video or subject in two splits.
            DatasetError: not a data tree, no annotation of `tasks`, or a missing video.
            AnnotationError: `subjects.csv` or a list file is malformed.
        """
        root = Path(root)
        found, unused = usable_files(find_label_files(root))
        found = [f for f in found if f.task == LIST or task_of(f.task) in tasks]
        if not found:
            raise DatasetError(f"{root}: expected annotations of {', '.join(tasks)}; there is none")
        videos = find_videos(root)
        subjects = read_subjects(root / SUBJECTS) if _is_file(root, SUBJECTS) else {}
        rates = read_rates(root / RATES) if _is_file(root, RATES) else {}
        films = find_video_files(root)
        files = files_of_tracks(found)
        _reject_two_splits(root, files)
        tracks = [_track(root, name, files[name], videos, subjects) for name in sorted(files)]
        tracks = [replace(track, rate=_rate(track, rates, films)) for track in tracks]
        tracks.sort(key=lambda track: (SPLITS.index(track.split), track.name))
        shared = leaks((t.name, t.split, recording(t.video), t.subject) for t in tracks)
        if shared:
            raise SplitError(
                f"{root}: training and evaluation would share people or pictures: "
                + "; ".join(shared)
                + ". Move the annotation files so that each is in one split only, or make a new "
                "partition with `kaffect data split`"
            )
        notes = _missing(tracks, videos, subjects)
        if unused:
            notes += (_LISTS_UNUSED.format(", ".join(sorted(file.path.name for file in unused))),)
        return cls(root, tuple(tracks), notes)

    def split(self, name: str) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if track.split == name)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides what is prepared."""
        paths = set()
        for track in self.tracks:
            paths.update([track.video, *track.annotations.values()])
            paths.update([track.boxes] if track.boxes else [])
        for name in (SUBJECTS, RATES):
            if _is_file(self.root, name):
                paths.add(self.root / name)
        return tuple(sorted(paths))

    @property
    def synthetic(self) -> bool:
        """Whether kaffect rendered the tree: its figures never stand beside real ones."""
        return _is_file(self.root, SYNTHETIC)

    @functools.cached_property
    def digests(self) -> dict[Path, str]:
        """SHA-256 of each of `files` (of a folder: of all its pictures); computed once."""
        rates = {track.video: track.rate for track in self.tracks}
        return {
            path: folder_digest(path, rates[path]) if path.is_dir() else sha256(path)
            for path in self.files
        }

    def hash(self) -> str:
        """A hash of the contents: changes with any byte of any file, not with the location."""
        return stable_hash(
            [
                [path.relative_to(self.root).as_posix(), _size(path), digest]
                for path, digest in self.digests.items()
            ]
        )


def usable_files(files: list[LabelFile]) -> tuple[list[LabelFile], list[LabelFile]]:
    """(used, unused): list files count only where there are no files for single tasks."""
    lists = [file for file in files if file.task == LIST]
    single = [file for file in files if file.task != LIST]
    return (single, lists) if single else (lists, [])


def files_of_tracks(files: list[LabelFile]) -> dict[str, dict[tuple[str, str], Path]]:
    """Track -> (task, split) -> annotation file.

    Raises:
        DatasetError: two files for one task of a track.
        AnnotationError: a list file cannot be read.
    """
    found: dict[str, dict[tuple[str, str], Path]] = defaultdict(dict)
    for file in files:
        names = labelled_tracks(open_list(file.path)) if file.task == LIST else [file.path.stem]
        for name in names:
            other = found[name].setdefault((file.task, file.split), file.path)
            if other != file.path:
                raise DatasetError(
                    f"{file.path}: a second annotation of the same task; see {other}"
                )
    return found


def _reject_two_splits(
    root: Path, files: Mapping[str, Mapping[tuple[str, str], Path]], most: int = 5
) -> None:
    found = []
    for name, paths in sorted(files.items()):
        by_split = {split: path.relative_to(root) for (_, split), path in paths.items()}
        if len(by_split) > 1:
            listed = ", ".join(f"{path} ({split})" for split, path in sorted(by_split.items()))
            found.append(f"{name!r} is in more than one split: {listed}")
    if found:
        more = f"; and {len(found) - most} more" if len(found) > most else ""
        raise SplitError(
            f"{root}: {len(found)} of {len(files)} tracks: {'; '.join(found[:most])}{more}. A "
            "network that learns several tasks would be scored on what it was trained on: "
            "`kaffect data split` makes one partition for all tasks. Tables of one task, and "
            "--task, use the official sets of that task"
        )


def _size(path: Path) -> int:
    return 0 if path.is_dir() else path.stat().st_size


def _rate(track: Track, rates: dict[str, Fraction], films: dict[str, Path]) -> Fraction:
    """Frames a second of a folder of pictures: as stated, or of the video of that name, or 30."""
    name = recording(track.video)
    stated = rates.get(track.name, rates.get(name))
    if stated is None and track.video.is_dir() and (film := films.get(name)) is not None:
        stated = header_rate(film)
    return stated or Fraction(FPS)


def _is_file(root: Path, name: str) -> bool:
    return safe_join(root, name).is_file()


def _track(
    root: Path,
    name: str,
    files: dict[tuple[str, str], Path],
    videos: dict[str, Path],
    subjects: dict[str, Subject],
) -> Track:
    video = video_of(name, videos)
    if video is None:
        suffixes = ", ".join(VIDEO_SUFFIXES)
        raise DatasetError(
            f"{next(iter(files.values()))}: no video for this annotation. "
            f"Looked for {root / 'cropped_aligned' / name} and {root / 'videos' / name} with "
            f"{suffixes} (for a name that ends in "
            f"_left or _right also without it); found {len(videos)} other videos"
        )
    kinds = {task for task, _ in files}
    if len(lone := kinds & set(VALENCE_AROUSAL)) == 1 or (lone and "va" in kinds):
        raise DatasetError(
            f"{next(iter(files.values()))}: track {name!r} has {', '.join(sorted(kinds))}. "
            "Expected one file for valence and one for arousal, or one with both"
        )
    subject = subject_of(name, video, subjects)
    return Track(
        name=name,
        split=next(split for _, split in files),
        video=video,
        annotations={task: path for (task, _), path in sorted(files.items())},
        boxes=None if video.is_dir() else box_file(root, name),
        subject=subject.name if subject else None,
        gender=subject.gender if subject else None,
    )


def missing_set(split: str) -> str:
    """What is said of a tree without this set."""
    without = {
        "train": "nothing can be trained",
        "validation": "no checkpoint can be chosen",
        "test": "there are no test scores, and what is shown are validation scores",
    }
    folder = SPLIT_FOLDERS[split]
    return (
        f"no {folder}: {without[split]}. Add annotation files to annotations/*_Set/{folder} "
        "to have it"
    )


def _missing(
    tracks: list[Track], videos: dict[str, Path], subjects: dict[str, Subject]
) -> tuple[str, ...]:
    # No path of this machine in it: the sentences are stored in manifests.
    notes = []
    present = {track.split for track in tracks}
    notes += [missing_set(split) for split in SPLITS if split not in present]
    cropped = sum(track.video.is_dir() for track in tracks)
    if cropped:
        notes.append(
            f"{cropped} of {len(tracks)} tracks are folders of face pictures, which are taken as "
            "they are: no detector looks at them, and a frame without a picture has no face"
        )
    boxes = sum(track.boxes is not None for track in tracks)
    if unboxed := len(tracks) - boxes - cropped:
        notes.append(
            f"no face boxes for {unboxed} of {len(tracks)} tracks: a detector finds the faces "
            "there, or the centre square of the frame is used (see 'detector' of the "
            "settings). Add boxes/<track>.csv with the columns frame,left,top,right,bottom to "
            "say where they are"
        )
    unknown = sorted(track.name for track in tracks if track.subject is None)
    if unknown:
        notes.append(
            f"no subject for {len(unknown)} of {len(tracks)} tracks ({', '.join(unknown[:3])}"
            f"{', ...' if len(unknown) > 3 else ''}): nobody can check that a person is in one "
            f"split only. Add subjects.csv with the columns video,subject"
        )
    unused = sorted(
        set(videos) - {t.video.name if t.video.is_dir() else t.video.stem for t in tracks}
    )
    if unused:
        notes.append(f"{len(unused)} videos have no annotation and are not used: {unused[0]} ...")
    names = {track.name for track in tracks} | set(videos)
    unknown_names = sorted(set(subjects) - names)
    if unknown_names:
        notes.append(
            f"subjects.csv names videos that are not there: {', '.join(unknown_names[:3])}"
        )
    return tuple(notes)
