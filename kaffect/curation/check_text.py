"""Checks one annotation file, line by line where it is wrong (paper Section III-C)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.curation.anomalies import Findings
from kaffect.data.annotations.files import LabelText, open_text, task_of
from kaffect.data.annotations.lists import list_faults
from kaffect.data.discovery import LabelFile
from kaffect.data.track_labels import labelled_tracks, open_list
from kaffect.errors import AnnotationError

LENGTH_TOLERANCE = 1  # the ABAW releases differ by up to one line
# Shorter runs may well be constant, or equal by chance.
ENOUGH_LINES = 100


@dataclass(frozen=True)
class FileSummary:
    """What is kept of a file after its text was checked.

    Attributes:
        task, split, path: as found.
        lines: frames that it reaches to, 0 where unknown.
        rows: label lines read.
        columns: its classes, empty where unknown.
        digest: of the lines, where there are enough to recognise copies; else None.
    """

    task: str
    split: str
    path: Path
    lines: int = 0
    rows: int = 0
    columns: tuple[str, ...] = ()
    digest: bytes | None = None


def check_label_file(file: LabelFile, findings: Findings) -> FileSummary:
    """Report what is wrong in a file of one task."""
    unknown = FileSummary(file.task, file.split, file.path)
    try:
        text = open_text(file.path, file.task)
    except AnnotationError as error:
        findings.report(error.kind, file.path, error)
        return unknown
    lines = text.body.count(b"\n")
    values = text.parse()
    if values is None:
        for fault in text.faults():
            findings.report(fault.kind, file.path, fault)
        return FileSummary(file.task, file.split, file.path, lines, lines, text.columns)
    varied = _check_values(text, values, findings)
    digest = hashlib.sha256(text.body).digest() if lines >= ENOUGH_LINES and varied else None
    return FileSummary(file.task, file.split, file.path, lines, lines, text.columns, digest)


def _check_values(text: LabelText, values: np.ndarray, findings: Findings) -> bool:
    """Whether the labels change at all; counts frames with half a mark, notes flat lines."""
    marked = values == text.mark
    missing = marked[:, 0]
    if values.shape[1] > 1:
        missing = marked.any(axis=1)
        mixed = np.flatnonzero(missing & ~marked.all(axis=1)) + text.first_line
        _report_mixed(text.path, mixed, f"{text.mark:g}", findings)
    labelled = values[~missing] if missing.any() else values
    if not len(labelled):
        message = f"none of {len(values)} frames has a label"
        findings.add("no-labels", text.path, None, message)
        return False
    steady = labelled.min(axis=0) == labelled.max(axis=0)
    if task_of(text.task) == "va" and len(labelled) >= ENOUGH_LINES:
        for name, still, value in zip(text.columns, steady, labelled[0]):
            if still:
                message = f"{name} is {value:g} in all {len(labelled)} labelled frames"
                findings.add("constant", text.path, text.first_line, message)
    return not steady.all()


def _report_mixed(path: Path, lines: np.ndarray, mark: str, findings: Findings) -> None:
    """Count the rows (their 1-based lines) in which a label stands beside a mark."""
    if len(lines):
        message = f"{len(lines)} frames with {mark} in one field and a label in another"
        findings.add("mixed-mark", path, int(lines[0]), f"{message}: they count as unlabelled")


def check_list_file(file: LabelFile, findings: Findings) -> dict[str, FileSummary]:
    """Report what is wrong in a multi-task list file; returns a summary of each of its tracks."""
    try:
        rows = open_list(file.path)
    except AnnotationError as error:
        faults = list(list_faults(file.path)) if error.kind not in _WHOLE_LIST else []
        for fault in faults or [error]:
            findings.report(fault.kind, file.path, fault)
        return {}
    if rows.duplicates:
        message = f"{rows.duplicates} rows repeat another one; they were merged"
        findings.add("repeated", file.path, None, message)
    _report_mixed(file.path, rows.mixed, "-5 or -1", findings)
    return {
        name: FileSummary(file.task, file.split, file.path, int(frames.max()), len(frames))
        for name in labelled_tracks(rows)
        if len(frames := rows.frames[rows.tracks == name])
    }


_WHOLE_LIST = ("unreadable", "empty", "header", "conflict")
