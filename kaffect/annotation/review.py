"""A supervisor's view: agreement, frames to look at again, final selection (Section III-C, III-D).

Everything is made from the logs whenever one of them has grown. The selection keeps an
Action Unit or expression where all annotators agree, as in the paper, and averages
valence and arousal after delays are corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.annotation.copies import open_copy
from kaffect.annotation.export import (
    annotations_of,
    put_video,
    replay_all,
    training_file,
    trials_of,
)
from kaffect.annotation.labels import AnnotatorLabels
from kaffect.annotation.project import Project
from kaffect.curation.agreement import agreement, write_merged
from kaffect.curation.experts import Ratings, TrialDelay
from kaffect.curation.merging import Merged, MergeSettings, disagreements, merge
from kaffect.data.annotations.files import Annotation, write_annotations
from kaffect.errors import DatasetError
from kaffect.labels import MISSING_VALENCE_AROUSAL, TASKS, VALENCE_AROUSAL
from kaffect.metrics import ccc
from kaffect.metrics.agreement import evaluator_weights

MAX_LAG = 90  # frames, as in the trial
MOST_RUNS = 200  # of a video and task that the page lists, the longest first
WEIGHTED = "evaluator_weighted_mean"


class Review:
    """The review of a project; `report` and `select` read the logs anew."""

    def __init__(self, project: Project, settings: MergeSettings | None = None) -> None:
        self.project = project
        self.settings = settings or MergeSettings(max_lag=MAX_LAG)

    def stamp(self) -> list[Any]:
        """Changes whenever a log grows."""
        paths = (self.project.folder_of(name) for name in self.project.annotators)
        return [[p.name, (p / "log.jsonl").stat().st_size] for p in paths]

    def report(self) -> dict[str, Any]:
        """What the page shows."""
        everybody = replay_all(self.project)
        ratings, lacking = ratings_of(self.project, everybody)
        settings = self._settings(everybody, ratings)
        trials = _trials(self.project, everybody)
        merged = [merge(one, settings, trials) for one in ratings]
        damaged = [
            text for name in self.project.annotators for text in self.project.read_log(name).damaged
        ]
        return {
            "project": self.project.id,
            "annotators": [
                _person(name, labels, self.project) for name, labels in everybody.items()
            ],
            "reference": settings.reference,
            "units": settings.units,
            "videos": [self._video(one, settings) for one in merged],
            "lacking": complete(ratings)[1] + lacking,
            "damaged": damaged,
        }

    def _settings(
        self, everybody: Mapping[str, AnnotatorLabels], ratings: list[Ratings]
    ) -> MergeSettings:
        """Delays of the trials where everybody who traced has passed one, else of the traces."""
        passed = {n for n, one in _trials(self.project, everybody).items() if not one.flagged}
        people = {name for one in ratings if one.task == "va" for name in one.annotators}
        reference = "trial" if people and people <= passed else self.settings.reference
        return replace(self.settings, reference=reference)

    def _video(self, one: Merged, settings: MergeSettings) -> dict[str, Any]:
        described = agreement([one], settings)["tasks"][one.ratings.task]
        runs = sorted(disagreements(one, settings), key=lambda d: d.first_frame - d.last_frame)
        result = {
            "video": one.ratings.track,
            "place": self.project.videos.index(one.ratings.track),
            "task": one.ratings.task,
            "agreement": described,
            "disagreements": len(runs),
            "runs": [
                {"label": d.label, "first": d.first_frame, "last": d.last_frame,
                 "said": dict(zip(one.ratings.annotators, d.said))}
                for d in runs[:MOST_RUNS]
            ],
        }  # fmt: skip
        if one.ratings.task == "va":
            result["weighted"] = _weighted_figures(one)
        return result

    def select(self, out: Path) -> dict[str, Any]:
        """Write the final selection as a data tree; give the agreement report.

        Raises:
            DatasetError: no video was finished by all annotators of a task, two or more.
        """
        everybody = replay_all(self.project)
        found, alone = ratings_of(self.project, everybody)
        ratings, lacking = complete(found)
        lacking += alone
        if not ratings:
            raise DatasetError(
                f"{self.project.root}: no task of a video was finished by all of its annotators, "
                "two people or more"
            )
        settings, trials = self._settings(everybody, ratings), _trials(self.project, everybody)

        def finish(folder: Path) -> None:
            for name in sorted({one.track for one in ratings}):
                put_video(folder, self.project, name)
            for one in ratings:
                if one.task == "va":
                    path = training_file(folder / WEIGHTED, one.task, one.track)
                    write_annotations(path, weighted_mean(merge(one, settings, trials)))

        return write_merged(out, ratings, settings, lacking, trials, finish)

    def next_selection(self) -> Path:
        """A new folder of the project for a selection."""
        number = 1
        while (path := self.project.root / "selections" / f"{number:03d}").exists():
            number += 1
        return path


def ratings_of(
    project: Project, everybody: Mapping[str, AnnotatorLabels]
) -> tuple[list[Ratings], list[str]]:
    """Ratings of each video and task that two people or more have finished, and what lacks.

    Each person's last pass counts, once they have marked the task as finished in it.
    """
    ratings, lacking = [], []
    for video in project.videos:
        found = {
            name: annotations_of(labels, video, labels.latest_pass(video))
            for name, labels in everybody.items()
        }
        for task in TASKS:
            own: dict[str, Annotation] = {
                name: annotations[task]
                for name, annotations in found.items()
                if task in annotations and _finished(everybody[name], video, task)
            }
            if len(own) > 1:
                names = tuple(sorted(own))
                lists = tuple(own[name] for name in names)
                ratings.append(Ratings(video, task, "train", names, lists))
            elif own:
                lacking.append(f"{task} of track {video!r}: only {', '.join(own)} finished it")
    return ratings, lacking


def _finished(labels: AnnotatorLabels, video: str, task: str) -> bool:
    return (labels.latest_pass(video), task) in labels.videos[video].done


def complete(ratings: list[Ratings]) -> tuple[list[Ratings], list[str]]:
    """Those that every annotator of the task has finished, and a sentence for each other."""
    kept, lacking = [], []
    for one in ratings:
        raters = {name for other in ratings if other.task == one.task for name in other.annotators}
        absent = sorted(raters - set(one.annotators))
        if absent:
            lacking.append(
                f"{one.task} of track {one.track!r}: not finished by {', '.join(absent)}"
            )
        else:
            kept.append(one)
    return kept, lacking


def _trials(project: Project, everybody: Mapping[str, AnnotatorLabels]) -> dict[str, TrialDelay]:
    found = trials_of(project, dict(everybody))
    return {name: TrialDelay(one["delay"], one["flagged"]) for name, one in found.items()}


def _person(name: str, labels: AnnotatorLabels, project: Project) -> dict[str, Any]:
    done = {task: 0 for task in TASKS}
    comments = []
    for place, video in enumerate(project.videos):
        here, number = labels.videos[video], labels.latest_pass(video)
        for task in TASKS:
            done[task] += (number, task) in here.done
        comments += [{"video": video, "place": place, **one} for one in here.comments]
    trial = trials_of(project, {name: labels}).get(name)
    second = sum(2 in labels.videos[video].passes for video in project.videos)
    return {"name": name, "done": done, "videos": len(project.videos), "verified": second,
            "trial": trial, "comments": comments}  # fmt: skip


def weighted_mean(one: Merged) -> Annotation:
    """The evaluator-weighted mean of valence and arousal, delays corrected.

    Weights come from the frames that everybody rated. A frame has a value where at least
    half of the annotators rated it, as for the plain mean.
    """
    values, plain = one.aligned, one.annotation
    weights = _weights(one)
    there = ~np.isnan(values).any(axis=2)
    share = np.where(there[:, :, None], weights[:, None, :], 0.0)
    total = share.sum(axis=0)
    mean = (share * np.nan_to_num(values)).sum(axis=0) / np.where(total > 0, total, 1)
    valid = plain.valid & (total > 0).all(axis=1)
    result = np.where(valid[:, None], np.clip(mean, -1, 1).round(6), MISSING_VALENCE_AROUSAL)
    return replace(plain, values=result, valid=valid)


def _weights(one: Merged) -> np.ndarray:
    """[annotators, 2]."""
    complete = one.aligned[:, ~np.isnan(one.aligned).any(axis=(0, 2))]
    return np.stack([evaluator_weights(complete[:, :, c].T) for c in range(2)], axis=1)


def _weighted_figures(one: Merged) -> dict[str, Any]:
    weights, weighted, plain = _weights(one), weighted_mean(one), one.annotation
    both = weighted.valid & plain.valid
    found: dict[str, Any] = {}
    for column, name in enumerate(VALENCE_AROUSAL):
        pair = plain.values[both, column], weighted.values[both, column]
        found[name] = {
            "weights": dict(zip(one.ratings.annotators, weights[:, column].round(3).tolist())),
            "ccc with plain mean": round(float(ccc(*pair)), 4) if both.sum() > 1 else None,
        }
    return found


def film_path(project: Project, place: int) -> Path:
    """The copy of a video, for the review page."""
    return open_copy(project, project.videos[place]).path
