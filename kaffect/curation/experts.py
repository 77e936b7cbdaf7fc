"""The files of several annotators, each labelling alone (paper Section III-C).

    DIR/<annotator>/.../<track>.txt     any format of `kaffect.data.annotations.files`

One folder for each annotator; below it any folders. The header of a file decides its
task, a folder such as `Training_Set` its split (train where there is none).
`DIR/trials.json`, which `kaffect annotate --export` writes, has the annotators' delays
as a trial with known answers measured them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.data.annotations.files import Annotation, open_text, read_annotations, task_of
from kaffect.data.discovery import folders, split_of_folder
from kaffect.data.track_labels import join_valence_arousal
from kaffect.errors import AnnotationError, ArtifactError, DatasetError, expected_received
from kaffect.files import read_json, safe_join
from kaffect.labels import TASKS, VALENCE_AROUSAL

TRIALS = "trials.json"
MAX_TRIAL_DELAY = 90  # frames: 3 s


@dataclass(frozen=True)
class TrialDelay:
    """What a trial says about an annotator: frames of delay, and whether they are unreliable."""

    delay: int
    flagged: bool


@dataclass(frozen=True, eq=False)
class Ratings:
    """What all annotators say about one track for one task.

    Attributes:
        annotators: names, sorted; `annotations` are theirs, of equal length and columns.
    """

    track: str
    task: str
    split: str
    annotators: tuple[str, ...]
    annotations: tuple[Annotation, ...]

    def __len__(self) -> int:
        return len(self.annotations[0])

    @property
    def columns(self) -> tuple[str, ...]:
        return self.annotations[0].columns

    @property
    def values(self) -> np.ndarray:
        """[annotators, frames, width]."""
        return np.stack([annotation.values for annotation in self.annotations])

    @property
    def valid(self) -> np.ndarray:
        """[annotators, frames] bool."""
        return np.stack([annotation.valid for annotation in self.annotations])


def read_experts(root: str | Path) -> tuple[list[Ratings], list[str]]:
    """All ratings below `root`, sorted by task and track, and the tracks without all raters.

    Returns:
        Ratings of the tracks that every annotator of the task has labelled, and one
        sentence for each other track.

    Raises:
        DatasetError: fewer than two annotators, two files of one annotator for a track and
            task, or a link that leads out of `root`.
        AnnotationError: a file cannot be read, or annotators differ in lines or classes.
    """
    root = Path(root)
    people = [folder for folder in folders(root)] if root.is_dir() else []
    files = {folder.name: _files(root, folder) for folder in people}
    files = {name: found for name, found in files.items() if found}
    if len(files) < 2:
        raise DatasetError(
            f"{root}: expected a folder with annotation files for each of two or more annotators "
            f"(DIR/<annotator>/.../<track>.txt). Received: {', '.join(sorted(files)) or 'none'}"
        )
    ratings, incomplete = [], []
    for task in TASKS:
        raters = sorted(name for name, found in files.items() if any(t == task for t, _ in found))
        tracks = sorted({track for name in raters for t, track in files[name] if t == task})
        for track in tracks:
            absent = [name for name in raters if (task, track) not in files[name]]
            if absent or len(raters) < 2:
                who = ", ".join(absent) or "a second annotator"
                incomplete.append(f"{task} of track {track!r}: no file of {who}")
            else:
                ratings.append(_ratings(task, track, raters, files))
    return ratings, incomplete


def read_trials(root: str | Path) -> dict[str, TrialDelay]:
    """Annotator -> what the trial says about them, of `root`/trials.json.

    Raises:
        DatasetError: the file is missing or is not such a file.
    """
    path = Path(root) / TRIALS
    try:
        facts = read_json(path)
        found = {name: TrialDelay(one["delay"], one["flagged"]) for name, one in facts.items()}
    except (ArtifactError, AttributeError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: not the trials of annotators as `kaffect annotate --export` writes them: "
            f"{error}"
        ) from error
    for name, one in found.items():
        whole = isinstance(one.delay, int) and not isinstance(one.delay, bool)
        if not whole or not 0 <= one.delay <= MAX_TRIAL_DELAY or not isinstance(one.flagged, bool):
            expected = f"a delay of 0 to {MAX_TRIAL_DELAY} frames, and flagged true or false"
            raise DatasetError(expected_received(f"{path}: {name}", expected, one))
    return found


Files = dict[tuple[str, str], dict[str, Path]]


def _files(root: Path, folder: Path) -> Files:
    """(task, track) -> the file, or the two files for valence and arousal."""
    found: Files = defaultdict(dict)
    safe_join(root, folder.name)
    for path in sorted(folder.rglob("*.txt")):
        safe_join(root, path.relative_to(root).as_posix())
        part = open_text(path).task
        other = found[task_of(part), path.stem].setdefault(part, path)
        if other != path:
            raise DatasetError(f"{path}: a second annotation of the same task; see {other}")
    return found


def _ratings(task: str, track: str, raters: list[str], files: dict[str, Files]) -> Ratings:
    read = [_read(files[name][task, track]) for name in raters]
    first = read[0]
    for annotation in read[1:]:
        if len(annotation) != len(first):
            raise AnnotationError(
                annotation.path, None, f"lines for {len(annotation)} frames, but {first.path} has "
                f"{len(first)}. Annotators of one video must have equal numbers of lines"
            )  # fmt: skip
        if annotation.columns != first.columns:
            raise AnnotationError(annotation.path, 1, f"other classes than {first.path}")
    splits = {_split(annotation.path) for annotation in read}
    if len(splits) > 1:
        raise DatasetError(
            f"{first.path}: track {track!r} is in different splits for different annotators: "
            f"{', '.join(sorted(splits))}"
        )
    return Ratings(track, task, splits.pop(), tuple(raters), tuple(read))


def _read(paths: dict[str, Path]) -> Annotation:
    if set(paths) == set(VALENCE_AROUSAL):
        return join_valence_arousal(*(read_annotations(paths[part]) for part in VALENCE_AROUSAL))
    if len(paths) > 1 or set(paths) & set(VALENCE_AROUSAL):
        path = next(iter(paths.values()))
        raise DatasetError(f"{path}: expected one file for valence and one for arousal, or both")
    (path,) = paths.values()
    return read_annotations(path)


def _split(path: Path) -> str:
    known = (split_of_folder(part) for part in reversed(path.parts[:-1]))
    return next((split for split in known if split is not None), "train")
