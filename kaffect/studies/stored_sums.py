"""The sums over people that a result keeps, read back (Section IV-D): what its intervals are from.

Importing this loads no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from kaffect.errors import ArtifactError, DatasetError, KaffectError, expected_received
from kaffect.files import read_json, safe_join
from kaffect.metrics import interval_of
from kaffect.metrics.sums import ClusterSums

# Metric of a report -> task, criterion of `kaffect.metrics`, column of the task's sums or None.
CRITERIA: dict[str, tuple[str, str, int | None]] = {
    "ccc_valence": ("va", "ccc", 0),
    "ccc_arousal": ("va", "ccc", 1),
    "mse_valence": ("va", "mse", 0),
    "mse_arousal": ("va", "mse", 1),
    "p_va": ("va", "ccc", None),
    "accuracy": ("expression", "accuracy", None),
    "f1_weighted": ("expression", "f1_weighted", None),
    "f1_macro": ("expression", "f1_macro", None),
    "f1_macro_all": ("expression", "f1_macro_all", None),
    "p_expr": ("expression", "f1_macro_all", None),
    "au_f1_weighted": ("au", "au_f1_weighted", None),
    "au_f1_macro": ("au", "au_f1_macro", None),
    "au_accuracy": ("au", "au_accuracy", None),
    "p_au": ("au", "au_f1_macro", None),
}
KINDS = {"va": "moments", "expression": "classes", "au": "units"}
# What a track is called whose person is not known.
TRACK = "track "
# Why there are none, for the notes of a report; the row's record names the file.
NOT_KEPT = "an earlier version made the result and kept no sums over people"
MISSING = "the file with its sums over people is missing (folder clusters)"
DAMAGED = "the file with its sums over people is damaged (folder clusters)"

Sums = Mapping[str, ClusterSums]


# Key of a record that was read beside those of other folders: its own results folder.
ORIGIN = "origin"


class StoredSums:
    """The sums that the records of results folders name, each file read once.

    Args:
        folder: of the results that have no `ORIGIN`; None: there are none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._read: dict[tuple[Path, str], Sums | KaffectError] = {}

    def of(self, run: Mapping[str, Any]) -> Sums:
        """Task -> sums of one record.

        Raises:
            ArtifactError, DatasetError: it names none, or the file is missing or damaged.
        """
        name, folder = run.get("clusters"), run.get(ORIGIN, self.folder)
        if folder is None or name is None:
            raise ArtifactError(NOT_KEPT)
        key = Path(folder), str(name)
        if key not in self._read:
            try:
                self._read[key] = _open(*key)
            except KaffectError as error:
                self._read[key] = error
        found = self._read[key]
        if isinstance(found, KaffectError):
            raise found
        return found


def _open(folder: Path, name: str) -> Sums:
    try:
        path = safe_join(folder, name)
    except KaffectError as error:
        raise ArtifactError(DAMAGED) from error
    if not path.is_file():
        raise ArtifactError(MISSING)
    try:
        return parse_sums(read_json(path))
    except KaffectError as error:
        raise ArtifactError(DAMAGED) from error


def parse_sums(stored: Any) -> dict[str, ClusterSums]:
    """Task -> sums, from what `kaffect.studies.clusters.sums_of_answers` gave.

    Raises:
        DatasetError: it is not that.
    """
    if not isinstance(stored, dict) or not set(stored) <= set(KINDS):
        raise DatasetError(expected_received("Stored sums", tuple(KINDS), f"{stored!r:.60}"))
    found = {}
    for task, data in stored.items():
        values = data.get("values") if isinstance(data, dict) else None
        if not (isinstance(values, list) and values and isinstance(values[0], list) and values[0]):
            raise DatasetError(f"Stored sums of {task!r}: expected kind, clusters and values")
        sums = ClusterSums.from_json(data)
        width = sums.values.shape[1]
        names, types = set(sums.clusters), set(map(type, sums.clusters))
        if sums.kind != KINDS[task] or len(names) < len(sums.clusters):
            raise DatasetError(f"Stored sums of {task!r}: of another kind, or a cluster twice")
        if types not in ({str}, {int}):
            raise DatasetError(
                f"Stored sums of {task!r}: clusters must be all names or all numbers"
            )
        if task == "va" and width != 2:
            raise DatasetError(expected_received("Stored sums of 'va'", "2 columns", width))
        found[task] = sums
    return found


def sums_for_metric(sums: Sums, metric: str) -> tuple[ClusterSums, str] | None:
    """The sums that a metric of a report is made of, and its criterion's name.

    Args:
        sums: task -> sums.

    Returns:
        None where the metric has no interval or its task is not there.
    """
    task, criterion, column = CRITERIA.get(metric, ("", "", None))
    if task not in sums:
        return None
    found = sums[task]
    return (found if column is None else found.column(column)), criterion


def intervals_of(metrics: Iterable[str], sums: Sums) -> dict[str, tuple[float, float]]:
    """Metric -> ends of its 95 % interval over people (else videos), of one network.

    Args:
        metrics: those that are asked for; one without interval is left out.
        sums: task -> sums.
    """
    found = {}
    for metric in metrics:
        of = sums_for_metric(sums, metric)
        if of is None or len(of[0].clusters) < 2:
            continue
        _, low, high = interval_of(*of)
        if math.isfinite(low) and math.isfinite(high):
            found[metric] = low, high
    return found


def counted(clusters: Collection[int | str]) -> str:
    """How many people, videos or single pictures (by number) these are.

    >>> counted(["subject_1", "subject_2"]), counted(["track v1"]), counted(["a", "track v2"])
    ('2 people', '1 video', '1 person and 1 video of people not known')
    """
    if clusters and isinstance(next(iter(clusters)), int):
        return f"{len(clusters)} pictures"
    videos = sum(str(name).startswith(TRACK) for name in clusters)
    people = len(clusters) - videos
    of_people = f"{people} {'person' if people == 1 else 'people'}"
    of_videos = f"{videos} video{'s' * (videos != 1)}"
    if people and videos:
        return f"{of_people} and {of_videos} of people not known"
    return of_people if people else of_videos
