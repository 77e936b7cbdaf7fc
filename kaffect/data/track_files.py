"""Which annotation files belong to which track, and in which set (paper Section II-D)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from kaffect.data.discovery import LIST, LabelFile
from kaffect.data.track_labels import labelled_tracks, open_list
from kaffect.errors import DatasetError


class SplitError(DatasetError):
    """Something is in two splits: training and evaluation would share it."""


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


def refuse_two_splits(
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
