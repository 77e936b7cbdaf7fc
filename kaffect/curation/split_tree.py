"""A new partition of a data tree into training, validation and test set (paper Section II-D).

The result is a tree of its own: annotation files in the folders of the new split,
`videos` a link to the old folder, boxes and `subjects.csv` copied, the partition in
`partition.csv` and what it balances in `partition.json`.
"""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.curation.partition import Counts, count_labels, groups, partition, shares
from kaffect.data.annotations.lists import AnnotationList, write_annotation_list
from kaffect.data.annotations.numbers import read_text
from kaffect.data.discovery import (
    LIST,
    box_file,
    find_label_files,
    find_videos,
    recording,
    video_of,
)
from kaffect.data.subjects import SUBJECTS, read_subjects, subject_of
from kaffect.data.track_labels import open_list, read_track_labels
from kaffect.data.tree import SYNTHETIC, files_of_tracks, usable_files
from kaffect.data.video.face_folders import RATES
from kaffect.errors import AnnotationError, DatasetError, expected_received
from kaffect.files import atomic_directory, safe_join, write_bytes, write_json, write_text
from kaffect.labels import (
    LABEL_COLUMNS,
    SPLIT_FOLDERS,
    SPLITS,
    TASK_BY_NAME,
    VALENCE_AROUSAL,
)

PARTITION = "partition.csv"
_LIST_FILES = {
    split: f"{folder.lower()}_annotations.txt" for split, folder in SPLIT_FOLDERS.items()
}
_KEPT = (SUBJECTS, RATES, SYNTHETIC)
_LINKED = ("videos", "cropped_aligned", "cropped")


@dataclass(frozen=True, eq=False)
class Split:
    """A partition of a tree.

    Attributes:
        files: track -> task -> annotation file; split: track -> set; group: track -> number.
        ratios: as wanted, of the sets in the order of `names`.
        shares: attribute -> what each set really has of it.
    """

    root: Path
    names: tuple[str, ...]
    ratios: tuple[float, ...]
    seed: int
    files: dict[str, dict[str, Path]]
    videos: dict[str, Path]
    split: dict[str, str]
    group: dict[str, int]
    counts: Counts
    shares: dict[str, list[float]]

    def to_dict(self) -> dict[str, Any]:
        """What `partition.json` holds."""
        rows = {name: [round(s, 6) for s in values] for name, values in self.shares.items()}
        used = {name: [t for t in self.split if self.split[t] == name] for name in self.names}
        return {
            "sets": list(self.names),
            "ratios": list(self.ratios),
            "seed": self.seed,
            "groups": len(set(self.group.values())),
            "videos": [len({self.videos[t] for t in used[name]}) for name in self.names],
            "shares": rows,
        }


def split_tree(root: str | Path, ratios: Sequence[float], seed: int = 0) -> Split:
    """Assign the tracks of a tree to new sets; the sets that they are in now do not matter.

    Args:
        ratios: of training and validation, and of test where there are three.

    Raises:
        DatasetError, AnnotationError: the tree cannot be read, or has too few people.
    """
    root = Path(root)
    names = SPLITS[: len(ratios)]
    used, _ = usable_files(find_label_files(root))
    files = {name: _one_each(found) for name, found in sorted(files_of_tracks(used).items())}
    videos = find_videos(root)
    path = safe_join(root, SUBJECTS)
    subjects = read_subjects(path) if path.is_file() else {}
    found: dict[str, Path] = {}
    people: dict[str, str | None] = {}
    for track in files:
        video = video_of(track, videos)
        if video is None:
            raise DatasetError(f"{root}: no video for track {track!r}; see `kaffect data check`")
        found[track] = video
        person = subject_of(track, video, subjects)
        people[track] = person.name if person else None
    counts = count_labels({track: read_track_labels(track, files[track]) for track in files})
    group = groups({track: recording(video) for track, video in found.items()}, people)
    sets = partition(counts, group, ratios, seed)
    return Split(
        root, names, tuple(ratios), seed, files, found,
        {track: names[number] for track, number in sets.items()}, group, counts,
        shares(counts, sets, len(names)),
    )  # fmt: skip


def _one_each(files: Mapping[tuple[str, str], Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for (task, _), path in sorted(files.items()):
        if task == LIST and task in found:
            raise DatasetError(f"{path}: its tracks are in {found[task]} as well")
        if found.setdefault(task, path) != path:
            raise DatasetError(f"{path}: a second annotation of the same task; see {found[task]}")
    return found


def write_split(split: Split, out: str | Path) -> None:
    """Write the tree `out`, complete or not at all."""
    with atomic_directory(out) as folder:
        lists: dict[tuple[str, Path], list[str]] = defaultdict(list)
        for track, files in split.files.items():
            for task, path in files.items():
                if task == LIST:
                    lists[split.split[track], path].append(track)
                else:
                    _copy(path, folder / "annotations" / _place(task, split.split[track], track))
            if (boxes := box_file(split.root, track)) is not None:
                _copy(boxes, folder / "boxes" / boxes.name)
        _write_lists(folder / "annotations", lists)
        for name in _KEPT:
            if (path := safe_join(split.root, name)).is_file():
                _copy(path, folder / name)
        for name in _LINKED:
            if (split.root / name).is_dir():
                os.symlink((split.root / name).resolve(), folder / name)
        write_text(folder / PARTITION, partition_text(split))
        write_json(folder / "partition.json", split.to_dict())


def _place(task: str, split: str, track: str) -> Path:
    if task in VALENCE_AROUSAL:
        return Path(split) / task / f"{track}.txt"
    return Path(TASK_BY_NAME[task].folder) / SPLIT_FOLDERS[split] / f"{track}.txt"


def _copy(source: Path, target: Path) -> None:
    write_bytes(target, source.read_bytes())


def _write_lists(folder: Path, lists: Mapping[tuple[str, Path], list[str]]) -> None:
    for split in SPLITS:
        parts = [
            _rows(open_list(path), tracks) for (s, path), tracks in lists.items() if s == split
        ]
        if parts:
            write_annotation_list(folder / _LIST_FILES[split], _joined(parts))


def _rows(rows: AnnotationList, tracks: Sequence[str]) -> AnnotationList:
    keep = np.isin(rows.tracks, tracks)
    columns = ("tracks", "frames", "lines", *LABEL_COLUMNS)
    kept: dict[str, Any] = {name: getattr(rows, name)[keep] for name in columns}
    images = tuple(name for name, wanted in zip(rows.images, keep.tolist()) if wanted)
    return replace(rows, images=images, **kept)


def _joined(parts: Sequence[AnnotationList]) -> AnnotationList:
    values: dict[str, Any] = {
        task.column: np.concatenate([part.values(name) for part in parts])
        for name, task in TASK_BY_NAME.items()
    }
    return replace(parts[0], images=sum((part.images for part in parts), ()), **values)


def partition_text(split: Split) -> str:
    """`partition.csv`: track, set and group, sorted by track."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("track", "split", "group"))
    writer.writerows((track, split.split[track], split.group[track]) for track in split.split)
    return out.getvalue()


def read_partition(path: str | Path) -> dict[str, str]:
    """Track -> 'train', 'validation' or 'test', of a file with the columns track,split.

    Raises:
        AnnotationError: with path and line: a missing column, an unknown split, a track twice.
    """
    path = Path(path)
    try:
        text = read_text(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise AnnotationError(path, None, f"not UTF-8 text: {error.reason}") from error
    rows = csv.DictReader(text.splitlines())
    if not {"track", "split"} <= set(rows.fieldnames or ()):
        raise AnnotationError(path, 1, f"expected the columns track,split. Received: {text[:60]!r}")
    found: dict[str, str] = {}
    for row in rows:
        if row["split"] not in SPLITS:
            raise AnnotationError(
                path, rows.line_num, expected_received("split", SPLITS, row["split"])
            )
        if found.setdefault(row["track"], row["split"]) != row["split"]:
            raise AnnotationError(path, rows.line_num, f"track {row['track']!r} is in two sets")
    return found
