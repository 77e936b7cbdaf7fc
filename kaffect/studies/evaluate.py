"""Scores of a trained network of any study on one split of any data (paper Section V).

Serves the researcher who has a checkpoint and another data set, or wants one number again
without training a table.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.config.preparation import Preparation
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import FrameIndex, PreparedData, Scoring
from kaffect.errors import ConfigError, DatasetError, KaffectError, expected_received
from kaffect.files import atomic_write, home
from kaffect.labels import VALENCE_AROUSAL, LabelSpace
from kaffect.metrics.sums import ClusterSums
from kaffect.studies.answers import answers_of
from kaffect.studies.clusters import sums_of_answers
from kaffect.studies.framewise.scores import score_frames
from kaffect.studies.gan.discriminator import score_answers
from kaffect.studies.prepared_folder import is_prepared
from kaffect.studies.scoring import HALF, score, units_present
from kaffect.studies.stored_sums import intervals_of, parse_sums
from kaffect.training.prediction import Predictions
from kaffect.training.runs import Run, RunDescription

Answer = Callable[[Run, FrameIndex], Predictions]
# Task -> what it has names for.
_NAMED = {"expression": "expressions", "au": "action_units"}


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate_run` found.

    Attributes:
        metrics: name -> value, of the tasks that were trained and are labelled.
        not_scored: 'expressions' and 'action_units' -> names that only the data have ('data') or
            only the network knows ('network'); empty where the two agree.
        index: the frames; answers: the network's for them, in the label space `space`.
        thresholds: logit from which a unit counts as present.
        sums: task -> sums over people (videos, where people are not known), for `intervals`.
    """

    metrics: dict[str, float]
    not_scored: dict[str, dict[str, list[str]]]
    index: FrameIndex
    answers: Predictions
    space: LabelSpace
    tasks: tuple[str, ...]
    thresholds: float | np.ndarray = field(default=HALF)
    sums: Mapping[str, ClusterSums] = field(default_factory=dict)

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals over people of the metrics that have one; none of a single person."""
        return intervals_of(self.metrics, self.sums)


def evaluate_run(
    run: Run, prepared: PreparedData, split: str, answer: Answer = answers_of
) -> Evaluation:
    """Score `run` on one split, by the rules of the tables.

    Batches, sequences, reset of the recurrent state and scoring are those of the run's own
    evaluation, so that its scored split gives its own numbers again, to the last digit. Data
    with other classes or units are scored for those that both know by name.

    Args:
        run: from `load_run`.
        split: 'train', 'validation' or 'test'.
        answer: run, frames -> its outputs for them, where not those for the pictures as they are.

    Raises:
        ConfigError: faces were cut out by another rule or at another rate.
        DatasetError: no such split, or nothing in it is annotated that the network knows.
    """
    described = run.description
    _require_same_faces(described, prepared)
    partition = usable_partition(prepared, _partition(described), split)
    index = prepared.split(split).for_partition(partition)
    data = described.config.data
    if data.scored == "paper":
        index = index.scored_as_in_paper(data.seed)
    if not len(index.scoring()):
        raise DatasetError(f"{prepared.root}: no annotated frame in the {split} set")
    common = common_space(described.label_space, prepared.label_space)
    tasks = tuple(t for t in described.config.loss.tasks if _shares(common, t))
    answers = _common_answers(answer(run, index), described.label_space, common)
    scoring = _common_labels(index.scoring(), prepared.label_space, common)
    cuts = [described.thresholds.get(name, HALF) for name in common.action_units]
    thresholds = np.array(cuts) if cuts and described.thresholds else HALF
    metrics = _score(described, answers, index, scoring, tasks, common, thresholds)
    if len(metrics) <= 1:
        trained = ", ".join(described.config.loss.tasks)
        raise DatasetError(
            f"{prepared.root}: no label in the {split} set of what is read: {trained}"
        )
    missing = not_scored(described.label_space, prepared.label_space, described.config.loss.tasks)
    sums = parse_sums(sums_of_answers(index, answers, tasks, thresholds, scoring))
    return Evaluation(metrics, missing, index, answers, common, tasks, thresholds, sums)


def _score(
    described: RunDescription,
    answers: Predictions,
    index: FrameIndex,
    scoring: Scoring,
    tasks: Sequence[str],
    space: LabelSpace,
    thresholds: float | np.ndarray,
) -> dict[str, float]:
    if described.kind == "recognition":
        return score(answers, index.rows, scoring, tasks)
    if described.kind == "framewise":
        return score_frames(answers, index.rows, scoring, tasks, space, thresholds)
    return score_answers(answers, index, tasks, thresholds, scoring)


def common_space(network: LabelSpace, data: LabelSpace) -> LabelSpace:
    """The classes and units that both have, in the network's order; its own where all agree."""
    if (network.expressions, network.action_units) == (data.expressions, data.action_units):
        return network
    return LabelSpace(
        f"{network.name} and {data.name}",
        tuple(name for name in network.expressions if name in data.expressions),
        tuple(name for name in network.action_units if name in data.action_units),
    )


def not_scored(
    network: LabelSpace, data: LabelSpace, tasks: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """The names of trained tasks that only one of the two has, as `Evaluation` states them."""
    found = {}
    for task, names in _NAMED.items():
        ours, theirs = getattr(network, names), getattr(data, names)
        only = {
            "data": [name for name in theirs if name not in ours],
            "network": [name for name in ours if name not in theirs],
        }
        if task in tasks and any(only.values()):
            found[names] = only
    return found


def _shares(common: LabelSpace, task: str) -> bool:
    """Whether network and data have enough in common to score a task: two classes, or a unit."""
    if task == "va":
        return True
    return len(common.expressions) > 1 if task == "expression" else bool(common.action_units)


def _common_answers(answers: Predictions, space: LabelSpace, common: LabelSpace) -> Predictions:
    found = dict(answers)
    for name, own, kept in (
        ("expression_logits", space.expressions, common.expressions),
        ("action_unit_logits", space.action_units, common.action_units),
    ):
        if name in found and own != kept:
            found[name] = found[name][:, [own.index(label) for label in kept]]
    return found


def _common_labels(scoring: Scoring, space: LabelSpace, common: LabelSpace) -> Scoring:
    """Labels in the common space; a frame of a class that only the data have has none."""
    if (space.expressions, space.action_units) == (common.expressions, common.action_units):
        return scoring
    columns = {f.name: np.asarray(getattr(scoring, f.name)) for f in fields(scoring)}
    numbers = np.array(
        [common.expressions.index(n) if n in common.expressions else -1 for n in space.expressions]
    )
    mapped = numbers[columns["expression"]]
    kept = [space.action_units.index(name) for name in common.action_units]
    return replace(
        scoring,
        expression=np.maximum(mapped, 0).astype(columns["expression"].dtype),
        expression_valid=columns["expression_valid"] & (mapped >= 0),
        action_units=columns["action_units"][:, kept],
        au_valid=columns["au_valid"] & bool(kept),
    )


def usable_partition(prepared: PreparedData, wanted: str, split: str = "train") -> str:
    """`wanted`, or 'all' where the data have no annotation of that task (Section II-D).

    The training set decides, for all splits alike; where there is none, `split` does.
    """
    deciding = next((name for name in ("train", split) if name in prepared.splits), None)
    found = deciding is None or prepared.split(deciding).partition[wanted]
    return wanted if found else "all"


def _partition(described: RunDescription) -> str:
    """Whose videos the run's own table scores."""
    if described.kind == "recognition":
        partition: str = described.config.data.partition
        return partition
    return {"gan": "au", "framewise": "all"}[described.kind]


def open_data(
    data: Path | None,
    described: RunDescription,
    prepare: Preparation | None = None,
    keep_going: bool = False,
) -> PreparedData:
    """What `kaffect evaluate --data` names: a tree, a prepared folder or a list of stills (.csv).

    Args:
        data: None: what the run was trained on, from the cache below `$KAFFECT_HOME`.
        prepare: how a tree is prepared; None: as the run's own data were.
        keep_going: leave out videos that cannot be prepared.

    Raises:
        DatasetError, AnnotationError, VideoError: it is not there, or cannot be used.
    """
    size = described.crop_rule.image_size
    if data is None:
        return find_prepared(described)
    if data.suffix.lower() == ".csv":
        return PreparedData.open(prepare_stills(data, image_size=size))
    if is_prepared(data):
        return PreparedData.open(data)
    settings = prepare or described.config.prepare
    path = prepare_tree(data, image_size=size, keep_going=keep_going, **settings.to_dict())
    return PreparedData.open(path)


def find_prepared(description: RunDescription) -> PreparedData:
    """The data that a run was trained on, from the cache below `$KAFFECT_HOME`.

    Raises:
        DatasetError: they are not there (any more).
    """
    wanted = description.data.get("hash")
    for path in sorted(Path(home() / "prepared").glob("*/manifest.json")):
        try:
            # Hashing every file of every data set would take long: only of the one that is meant.
            meant = PreparedData.open(path.parent, verify=False).hash == wanted
        except KaffectError:
            continue  # of an older version, or damaged: not what is looked for
        if meant:
            return PreparedData.open(path.parent)
    raise DatasetError(
        f"the data of this run ({description.data.get('name')}) are not below "
        f"{home() / 'prepared'}; name a data tree or a prepared data set with --data"
    )


def _require_same_faces(described: RunDescription, prepared: PreparedData) -> None:
    where = f"{prepared.root}: not the faces that this network reads:"
    ours, theirs = described.crop_rule.to_dict(), prepared.crop_rule.to_dict()
    if ours != theirs:
        raise ConfigError(expected_received(f"{where} crop rule", ours, theirs))
    if None not in (described.fps, prepared.fps) and described.fps != prepared.fps:
        what = f"{where} frames a second"
        raise ConfigError(expected_received(what, described.fps, prepared.fps))


def write_predictions(path: Path, found: Evaluation) -> None:
    """One line for each frame: track, frame of the source, what the network says of it.

    `track,frame,time,valence,arousal,expression,AU1,...`: valence and arousal in [-1, 1], the
    name of the expression, 0 or 1 for each Action Unit.
    """
    index, answers = found.index, found.answers
    rows = index.rows
    columns: dict[str, Any] = {
        "track": [index.tracks[number] for number in index.track[rows].tolist()],
        "frame": index.source_frame[rows].tolist(),
        "time": [f"{time:.3f}" for time in index.time[rows].tolist()],
    }
    if "va" in found.tasks:
        values = np.clip(answers["valence_arousal"], -1, 1)
        columns |= {name: [f"{v:.6f}" for v in c] for name, c in zip(VALENCE_AROUSAL, values.T)}
    if "expression" in found.tasks:
        numbers = answers["expression_logits"].argmax(axis=1)
        columns["expression"] = [found.space.expressions[number] for number in numbers]
    if "au" in found.tasks:
        present = units_present(answers["action_unit_logits"], found.thresholds)
        columns |= dict(zip(found.space.action_units, present.T.tolist()))
    with atomic_write(path) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
