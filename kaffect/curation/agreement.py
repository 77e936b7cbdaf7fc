"""Agreement of the annotators beside their merged annotation (paper Section III-C, III-D).

Writes the merged annotation files, `agreement.json` and `agreement.md` (Fleiss' kappa,
concordance, intraclass correlation, delays) and `disagreements.csv` for review.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.curation.experts import Ratings, TrialDelay
from kaffect.curation.merging import Merged, MergeSettings, disagreements, merge
from kaffect.data.annotations.files import write_annotations
from kaffect.files import atomic_directory, write_json, write_text
from kaffect.labels import SPLIT_FOLDERS, TASK_BY_NAME, TASKS, VALENCE_AROUSAL
from kaffect.metrics import ccc
from kaffect.metrics.agreement import fleiss_kappa, icc, rating_counts


def write_merged(
    out: str | Path,
    ratings: Sequence[Ratings],
    settings: MergeSettings,
    not_merged: Sequence[str],
    trials: Mapping[str, TrialDelay] | None = None,
    finish: Callable[[Path], None] = lambda folder: None,
) -> dict[str, Any]:
    """Merge all ratings and write the folder `out`, complete or not at all; return the report.

    Args:
        not_merged: a sentence for each track that some annotator has not labelled.
        trials: for the reference 'trial'.
        finish: puts what else belongs into the folder, such as videos, before it is complete.
    """
    merged = [merge(one, settings, trials) for one in ratings]
    report = agreement(merged, settings)
    report["not merged"] = list(not_merged)
    found = [entry for one in merged for entry in _review_rows(one, settings)]
    report["disagreements"] = len(found)
    with atomic_directory(out) as folder:
        for one in merged:
            task, split = TASK_BY_NAME[one.ratings.task].folder, SPLIT_FOLDERS[one.ratings.split]
            path = folder / "annotations" / task / split / f"{one.ratings.track}.txt"
            write_annotations(path, one.annotation)
        write_json(folder / "agreement.json", report)
        write_text(folder / "agreement.md", agreement_markdown(report))
        write_text(folder / "disagreements.csv", _csv(found))
        finish(folder)
    return report


def agreement(merged: Sequence[Merged], settings: MergeSettings) -> dict[str, Any]:
    """How far the annotators agree, for each task over all frames that all of them rated.

    A figure that is not defined (one class only, no movement) is None.
    """
    report: dict[str, Any] = {"settings": settings.to_dict(), "tasks": {}}
    for task in TASKS:
        own = [one for one in merged if one.ratings.task == task]
        if own:
            report["tasks"][task] = _describe(task, own)
    return report


def _describe(task: str, own: Sequence[Merged]) -> dict[str, Any]:
    first = own[0].ratings
    kept = sum(int(one.annotation.valid.sum()) for one in own)
    described: dict[str, Any] = {
        "annotators": list(first.annotators),
        "tracks": len(own),
        "frames": sum(len(one.ratings) for one in own),
        "labelled frames": kept,
    }
    if task == "va":
        return described | _va(own)
    votes = np.concatenate([_complete(one.aligned) for one in own], axis=1)
    described["frames rated by all"] = votes.shape[1]
    if task == "au":
        columns = {unit: votes[:, :, i] for i, unit in enumerate(first.columns)}
        described["action units"] = {unit: _binary(v) for unit, v in columns.items()}
        return described
    classes = votes[:, :, 0]
    described["all expressions"] = {
        "kappa": _number(fleiss_kappa(rating_counts(classes, len(first.columns)))),
        "unanimous": _share((classes == classes[0]).all(axis=0)),
    }
    described["expressions"] = {
        name: _binary(classes == number) for number, name in enumerate(first.columns)
    }
    return described


def _complete(aligned: np.ndarray) -> np.ndarray:
    return aligned[:, ~np.isnan(aligned).any(axis=(0, 2))]


def _binary(votes: np.ndarray) -> dict[str, Any]:
    """[annotators, frames] yes or no."""
    yes = votes.astype(int)
    return {
        "kappa": _number(fleiss_kappa(rating_counts(yes, 2))),
        "marked by any": int(yes.any(axis=0).sum()),
        "marked by all": int(yes.all(axis=0).sum()),
    }


def _va(own: Sequence[Merged]) -> dict[str, Any]:
    people = own[0].ratings.annotators
    before = np.concatenate([_complete(_plain(one.ratings)) for one in own], axis=1)
    after = np.concatenate([_complete(one.aligned) for one in own], axis=1)
    lags = np.stack([one.lags for one in own])
    result: dict[str, Any] = {
        "frames rated by all": after.shape[1],
        "delay in frames": {name: float(np.median(lags[:, i])) for i, name in enumerate(people)},
    }
    for column, name in enumerate(VALENCE_AROUSAL):
        result[name] = {
            "delays corrected": _pairs(people, after[:, :, column]),
            "as annotated": _pairs(people, before[:, :, column]),
        }
    return result


def _plain(ratings: Ratings) -> np.ndarray:
    return np.where(ratings.valid[:, :, None], ratings.values, np.nan)


def _pairs(people: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """CCC of each pair and their mean, and ICC, of [annotators, frames]."""
    pairs = list(itertools.combinations(range(len(people)), 2))
    enough = values.shape[1] > 1
    found = {(i, j): float(ccc(values[i], values[j])) if enough else math.nan for i, j in pairs}
    coefficients = icc(values.T)
    return {
        "mean ccc": _number(float(np.mean(list(found.values())))),
        "ccc": {f"{people[i]} and {people[j]}": _number(v) for (i, j), v in found.items()},
        "icc absolute": _number(coefficients["absolute"]),
        "icc consistency": _number(coefficients["consistency"]),
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _share(wanted: np.ndarray) -> float | None:
    return round(float(wanted.mean()), 6) if len(wanted) else None


def _review_rows(one: Merged, settings: MergeSettings) -> list[tuple[Any, ...]]:
    people = one.ratings.annotators
    return [
        (d.track, d.task, d.label, d.first_frame, d.last_frame, d.last_frame - d.first_frame + 1,
         "; ".join(f"{name}: {said}" for name, said in zip(people, d.said)))
        for d in disagreements(one, settings)
    ]  # fmt: skip


def _csv(rows: Sequence[tuple[Any, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("track", "task", "label", "first_frame", "last_frame", "frames", "said"))
    writer.writerows(rows)
    return out.getvalue()


def agreement_markdown(report: dict[str, Any]) -> str:
    """`agreement.json` for people."""
    lines = ["# Agreement of the annotators", ""]
    for task, described in report["tasks"].items():
        people = ", ".join(described["annotators"])
        lines += [
            f"## {TASK_BY_NAME[task].title}", "",
            f"{len(described['annotators'])} annotators ({people}), {described['tracks']} tracks, "
            f"{described['frames']} frames; {described['frames rated by all']} rated by all, "
            f"{described['labelled frames']} labelled after merging.", "",
        ]  # fmt: skip
        lines += _va_lines(described) if task == "va" else _kappa_lines(described)
    lines += ["## For review", ""]
    lines += [f"- not merged: {text}" for text in report["not merged"]]
    lines += [f"- {report['disagreements']} runs of frames: `disagreements.csv`", ""]
    settings = ", ".join(f"{name} {value}" for name, value in report["settings"].items())
    return "\n".join([*lines, f"Settings: {settings}."]) + "\n"


def _kappa_lines(described: dict[str, Any]) -> list[str]:
    lines = []
    if "all expressions" in described:
        whole = described["all expressions"]
        unanimous = "-" if whole["unanimous"] is None else f"{100 * whole['unanimous']:.1f} %"
        lines += [f"Fleiss' kappa over all classes {_shown(whole['kappa'])}, full agreement on "
                  f"{unanimous} of the frames.", ""]  # fmt: skip
    lines += ["| label | Fleiss' kappa | marked by any | marked by all |", "|---|--:|--:|--:|"]
    entries = described.get("action units") or described["expressions"]
    for name, entry in entries.items():
        lines.append(
            f"| {name} | {_shown(entry['kappa'])} | {entry['marked by any']} "
            f"| {entry['marked by all']} |"
        )
    return [*lines, ""]


def _va_lines(described: dict[str, Any]) -> list[str]:
    lines = ["| | mean CCC of pairs | ICC(2,1) | ICC(3,1) |", "|---|--:|--:|--:|"]
    for name in VALENCE_AROUSAL:
        for when in ("as annotated", "delays corrected"):
            entry = described[name][when]
            figures = (entry["mean ccc"], entry["icc absolute"], entry["icc consistency"])
            lines.append(f"| {name}, {when} | {' | '.join(map(_shown, figures))} |")
    delays = ", ".join(f"{n} {lag:g}" for n, lag in described["delay in frames"].items())
    return [*lines, "", f"Median delay in frames that was corrected: {delays}.", ""]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
