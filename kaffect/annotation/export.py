"""Labels of the project's annotators as a data tree (paper Section III-B to III-D).

    videos/                      the copies, or with source frames the sources
    annotations/*_Set/...        labels of one annotator, where one is named
    annotators/<name>/*_Set/...  the same of everybody, for `kaffect data merge-annotators`
    annotators/trials.json       delay and reliability of those who did the trial

A unit that is not labelled counts as absent once its video is marked as finished, as
in the paper, where experts mark the frames in which a unit is present. "Cannot tell"
and "no face" leave a frame without a label.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.annotation.copies import Copy, nearest_frames, open_copy
from kaffect.annotation.events import EXPRESSION, FACE, UNSURE
from kaffect.annotation.labels import UNSET, AnnotatorLabels, Arrays
from kaffect.annotation.project import Project
from kaffect.annotation.trial import latest_result
from kaffect.curation.experts import TRIALS
from kaffect.data.annotations.files import Annotation, write_annotations
from kaffect.errors import ConfigError, DatasetError, VideoError
from kaffect.files import atomic_directory, sha256, write_json
from kaffect.labels import SPLIT_FOLDERS, TASK_BY_NAME, VALENCE_AROUSAL


@dataclass(frozen=True)
class ExportSettings:
    """What is written.

    Attributes:
        annotator: whose labels become `annotations/`, or None for `annotators/` alone.
        number: 1 or 2 for that pass, None for the last one of each video.
        source_frames: one line for each frame of the source and not of the copy.
    """

    annotator: str | None = None
    number: int | None = None
    source_frames: bool = False


def replay_all(project: Project) -> dict[str, AnnotatorLabels]:
    """The labels of everybody who has a log.

    Raises:
        DatasetError: a log of another project.
        VideoError: a copy is missing.
    """
    frames = {name: open_copy(project, name).frames for name in project.videos}
    found = {}
    for annotator in project.annotators:
        labels = AnnotatorLabels(project.space, frames)
        labels.apply(project.read_log(annotator).events)
        found[annotator] = labels
    return found


def annotations_of(labels: AnnotatorLabels, video: str, number: int) -> dict[str, Annotation]:
    """Task -> the annotation of one pass over one video; tasks without any label are left out."""
    arrays, space = labels.arrays(video, number), labels.codes.space
    finished = {task for done, task in labels.videos[video].done if done == number}
    face = arrays.rows[FACE] == UNSET
    there = np.isfinite(arrays.va).all(axis=1) & face
    found = {"va": _annotation("va", VALENCE_AROUSAL, arrays.va, there)}
    classes = arrays.rows[EXPRESSION]
    named = (classes >= 0) & (classes < len(space.expressions)) & face
    found["expression"] = _annotation(
        "expression", space.expressions, classes[:, None].astype(np.int32), named
    )
    units, known = _units(labels, arrays, "au" in finished)
    found["au"] = _annotation("au", space.action_units, units, known & face)
    return {task: one for task, one in found.items() if one.valid.any()}


def _units(labels: AnnotatorLabels, arrays: Arrays, finished: bool) -> tuple[np.ndarray, Any]:
    units = labels.codes.space.action_units
    values = np.stack([arrays.rows[unit] for unit in units], axis=1)
    unsure = values == labels.codes.code(units[0], UNSURE)
    if finished:
        values = np.where(values == UNSET, 0, values)
    return values.astype(np.int8), ~((values == UNSET) | unsure).any(axis=1)


def _annotation(
    task: str, columns: tuple[str, ...], values: np.ndarray, valid: np.ndarray
) -> Annotation:
    marked = np.where(valid[:, None], values, TASK_BY_NAME[task].missing).astype(values.dtype)
    if task == "va":
        marked = marked.round(6)
    return Annotation(task, columns, marked, valid, Path(task))


def on_source_frames(annotation: Annotation, copy: Copy) -> Annotation:
    """The labels of the source's frames: each has those of the frame of the copy that showed it.

    A source frame that the copy does not show has no label: nobody saw it.
    """
    nearest = nearest_frames(copy)
    valid = annotation.valid[nearest] & (nearest >= 0)
    mark = TASK_BY_NAME[annotation.task].missing
    values = np.where(valid[:, None], annotation.values[nearest], mark)
    return replace(annotation, values=values.astype(annotation.values.dtype), valid=valid)


def export_tree(out: Path, project: Project, settings: ExportSettings) -> list[str]:
    """Write the tree, complete or not at all; give a sentence for each thing worth knowing.

    Raises:
        ConfigError: `out` exists, or nobody has such a name.
        DatasetError: nobody has labelled anything.
        VideoError: a source is needed and is not there, or has changed.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a folder that does not")
    everybody = replay_all(project)
    if settings.annotator is not None and settings.annotator not in everybody:
        known = ", ".join(everybody) or "nobody"
        raise ConfigError(f"--annotator: {settings.annotator!r} has no log here, but {known}")
    notes: list[str] = []
    videos: set[str] = set()
    with atomic_directory(out) as folder:
        for annotator, labels in everybody.items():
            written = _write_labels(
                folder / "annotators" / annotator, project, labels, settings, notes, annotator
            )
            if annotator == settings.annotator:
                _write_labels(folder / "annotations", project, labels, settings, [], annotator)
                videos |= written
            elif settings.annotator is None:
                videos |= written
        if not videos:
            raise DatasetError(f"{project.root}: no frame has a label that could be written")
        for name in sorted(videos):
            put_video(folder, project, name, settings.source_frames)
        _write_facts(folder, project, everybody, settings)
    return notes


def _write_labels(
    folder: Path,
    project: Project,
    labels: AnnotatorLabels,
    settings: ExportSettings,
    notes: list[str],
    annotator: str,
) -> set[str]:
    """Write one annotator's files; give the videos that have any."""
    written = set()
    for name in project.videos:
        here = labels.videos[name]
        number = settings.number or labels.latest_pass(name)
        found = annotations_of(labels, name, number)
        units = [step for one in here.passes.values() for step in one.steps if _has_units(step)]
        if units and (number, "au") not in here.done and "au" not in found:
            notes.append(
                f"{annotator}, {name}: Action Units are not marked as finished, and no frame has "
                "a label for each of them: nothing was written"
            )
        for task, annotation in found.items():
            if settings.source_frames:
                annotation = on_source_frames(annotation, open_copy(project, name))
            write_annotations(training_file(folder, task, name), annotation)
            written.add(name)
    return written


def training_file(folder: Path, task: str, track: str) -> Path:
    """Where a data tree keeps the annotation of a training track."""
    return folder / TASK_BY_NAME[task].folder / SPLIT_FOLDERS["train"] / f"{track}.txt"


def _has_units(step: dict[str, Any]) -> bool:
    return any(row not in (EXPRESSION, FACE) for row, *_ in step.get("set", ()))


def put_video(folder: Path, project: Project, name: str, source: bool = False) -> None:
    """Put a video into `folder`/videos: a hard link where the disk allows it, else a copy.

    Raises:
        VideoError: the source is not there, or is not the one that was annotated.
    """
    copy = open_copy(project, name)
    path = copy.path
    if source:
        path = project.sources[name]
        if not path.is_file() or sha256(path) != copy.source["sha256"]:
            raise VideoError(f"{path}: is not there, or is not the video that was annotated")
    target = folder / "videos" / f"{name}{path.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)


def _write_facts(
    folder: Path,
    project: Project,
    everybody: dict[str, AnnotatorLabels],
    settings: ExportSettings,
) -> None:
    trials = trials_of(project, everybody)
    if trials:
        write_json(folder / "annotators" / TRIALS, trials)
    facts: dict[str, Any] = {
        "project": project.id,
        "annotators": sorted(everybody),
        "annotations of": settings.annotator,
        "pass": settings.number or "the last of each video",
        "frames": "of the source" if settings.source_frames else "of the copy at 30 a second",
        "valence and arousal": "mean position held while the frame is shown",
    }
    write_json(folder / "annotation.json", facts)


def trials_of(project: Project, everybody: dict[str, AnnotatorLabels]) -> dict[str, Any]:
    """Annotator -> the result of their last complete trial."""
    results = {
        name: latest_result(project.seed, labels.trials) for name, labels in everybody.items()
    }
    return {name: result.to_dict() for name, result in results.items() if result is not None}


def events_of(
    labels: AnnotatorLabels, arrays: Arrays, video: str, number: int, origin: str
) -> list[dict[str, Any]]:
    """What a log takes to have the labels `arrays`: one step for ranges, one for values."""
    head = {"video": video, "pass": number, "origin": origin}
    ranges = [
        [row, *run] for row, values in arrays.rows.items() for run in labels.codes.runs(row, values)
    ]
    events: list[dict[str, Any]] = []
    if ranges:
        events.append({"kind": "label", "set": ranges, **head})
    if np.isfinite(arrays.va).any():
        values = [[None if np.isnan(v) else round(v, 6) for v in row] for row in arrays.va.tolist()]
        names = list(VALENCE_AROUSAL)
        events.append({"kind": "values", "first": 0, "values": values, "dimensions": names, **head})
    return events
