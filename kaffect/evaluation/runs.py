"""Scores of one trained network on one split of prepared data (paper Section V), for any run.

Serves the researcher who has a checkpoint and another data set, or wants one
number again without training a table.
"""

from __future__ import annotations

from pathlib import Path

from kaffect.data.batches.pipeline import evaluation_sequences
from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ConfigError, DatasetError, KaffectError, expected_received
from kaffect.evaluation.scoring import score
from kaffect.files import home
from kaffect.training.prediction import frame_features, predict_rows, predictor
from kaffect.training.runs import Run, RunDescription


def evaluate_run(run: Run, prepared: PreparedData, split: str) -> dict[str, float]:
    """Metrics of `run` on one split, by the rules of the tables.

    Batches, sequences, reset of the recurrent state and scoring are those of the run's own
    evaluation, so that its scored split gives its own numbers again, to the last digit.

    Args:
        run: from `load_run`.
        split: 'train', 'validation' or 'test'.

    Returns:
        Metric name -> value, as `score` gives them; only of the tasks that were trained.

    Raises:
        ConfigError: faces were cut out by another rule, or the labels are others.
        DatasetError: no such split, or nothing in it is annotated.
    """
    _require_same(run.description, prepared)
    config = run.description.config
    partition = usable_partition(prepared, config.data.partition, split)
    index = prepared.split(split).for_partition(partition)
    scoring = index.scoring()
    if not len(scoring):
        raise DatasetError(f"{prepared.root}: no annotated frame in the {split} set")
    windows = make_windows(index, config.data.sequence_length)
    fixed = run.encoder is not None
    features = frame_features(run.encoder, index) if fixed else None
    batches = evaluation_sequences(index, windows, batch=config.data.sequences, features=features)
    inputs = "features" if fixed else "images"
    answers = predict_rows(predictor(run.trained), batches, index.rows, inputs=inputs)
    return score(answers, index.rows, scoring, config.loss.tasks)


def usable_partition(prepared: PreparedData, wanted: str, split: str = "train") -> str:
    """`wanted`, or 'all' where the data have no annotation of that task (Section II-D).

    The training set decides, for all splits alike; where there is none, `split` does.
    """
    deciding = next((name for name in ("train", split) if name in prepared.splits), None)
    found = deciding is None or prepared.split(deciding).partition[wanted]
    return wanted if found else "all"


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


def _require_same(description: RunDescription, prepared: PreparedData) -> None:
    where = f"{prepared.root}: not the data of this network:"
    for what, ours, theirs in (
        ("expressions", description.label_space.expressions, prepared.label_space.expressions),
        ("action units", description.label_space.action_units, prepared.label_space.action_units),
        ("crop rule", description.crop_rule.to_dict(), prepared.crop_rule.to_dict()),
        ("frames a second", description.fps, prepared.fps),
    ):
        if ours != theirs:
            raise ConfigError(expected_received(f"{where} {what}", ours, theirs))
