"""The two protocols that a study implements: its adapter, and the training of one row.

The runner knows these alone; `recognition`, `gan` and `framewise` each have one of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kaffect.data.prepared.records import FrameIndex
from kaffect.studies.plan import Plan, Training
from kaffect.studies.sources import Source, open_planned
from kaffect.studies.starting import Filled
from kaffect.training.loop import LENGTH, Progress, Schedule
from kaffect.training.prediction import Predictions
from kaffect.training.summaries import RunSummaries

Record = dict[str, Any]


@dataclass(frozen=True)
class Scored:
    """The chosen checkpoint on the frames that a row is scored on.

    Attributes:
        split: their name; index: they; answers: the network's, in the order of `index.rows`.
        metrics: name -> value.
        thresholds: logit from which a unit counts as present, [units]; empty without units.
        validation: the validation frames and the answers for them, by which probabilities are
            calibrated; None where they are not.
        extra: more of the row's record.
    """

    split: str
    index: FrameIndex
    answers: Predictions
    metrics: Mapping[str, float]
    thresholds: Sequence[float] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    validation: tuple[FrameIndex, Predictions] | None = None


class RowTraining:
    """The training of one row: its network, batches, validation and scores.

    Attributes:
        trainer: for `kaffect.training.loop.train`.
        schedule: of updates and validation passes.
        frames_per_step: that one update sees.
        restore_best: whether the trainer has the best weights after training, or the last.
        encoder, origin: folder of the fixed CNN's weights and where they come from, or None.
    """

    trainer: keras.Model
    schedule: Schedule
    frames_per_step: int
    restore_best = True
    encoder: Path | None = None
    origin: str | None = None

    @property
    def networks(self) -> Mapping[str, keras.Model]:
        """What `--start` fills, by role: 'network', or 'generator' and 'discriminator'."""
        return {"network": self.trainer.learner}

    # Layers that were filled in networks that other rows share.
    filled: Filled | None = None

    def started(self) -> None:
        """Is called when the networks have the weights of the run of `--start`."""

    def batches(self, first: int, steps: int) -> tf.data.Dataset:
        """The batches of the updates `first` to `first + steps - 1`, a function of the step."""
        raise NotImplementedError

    def validate(self) -> dict[str, float]:
        """Scores of the present weights on the validation frames, among them `score`."""
        raise NotImplementedError

    def score(self, progress: Progress) -> Scored:
        """Scores of the chosen checkpoint on the scored split."""
        raise NotImplementedError

    def draw(self, scored: Scored, record: Record, summaries: RunSummaries) -> None:
        """Leave pictures and predictions."""

    def before(self, progress: Progress) -> None:
        """Is called before each interval of training."""

    def after_validation(self, entry: dict[str, Any], summaries: RunSummaries) -> None:
        """Is called with each validation pass; may add to its entry of the history."""

    def resumed(self, history: list[dict[str, Any]]) -> None:
        """Is called with the history of a training that goes on."""

    def learning_rates(self) -> dict[str, float]:
        """For TensorBoard."""
        return {"learning_rate": float(tf.convert_to_tensor(self.trainer.optimizer.learning_rate))}


class Adapter:
    """How the rows of one study are trained: one object for each run of a table.

    Args:
        plan: with its precision decided.
        source: from `open_source`.
        folder: of the results.
        strategy: of `choose_strategy`.
    """

    SHOWN: tuple[str, ...] = ()
    # Baselines of Action Units: naming none, and naming every one.
    UNITS = False
    # Folder of the results with pictures, beside those in TensorBoard.
    PICTURES = ""
    SEVERAL_DEVICES = True

    def __init__(
        self, plan: Plan, source: Source, folder: Path, strategy: tf.distribute.Strategy
    ) -> None:
        self.plan, self.source, self.folder, self.strategy = plan, source, folder, strategy

    @staticmethod
    def open_source(plan: Plan) -> Source:
        """Prepare (once) and open the data of the plan."""
        first: Any = plan.first
        size = getattr(first.model, "image_size", None) or first.data.image_size
        return open_planned(plan, plan.study.partition, size).scored_as(first.data)

    def prepare(self, training: Training, folder: Path) -> RowTraining:
        """The row's network and trainer, at step 0.

        Args:
            folder: of its checkpoints.
        """
        raise NotImplementedError

    def free(self, training: Training) -> tuple[str, ...]:
        """The settings that may change when a run is resumed."""
        return LENGTH

    def shared_work(self, training: Training) -> str:
        """A name of what this row shares with others and the first of them makes; here its own."""
        return training.name

    def notes(self, variant: str) -> tuple[str, ...]:
        """Notes of every record, besides those of the plan and the data."""
        return ()

    @staticmethod
    def report_columns(
        plan: Plan, records: list[Record], printed: Iterable[str]
    ) -> tuple[list[Record], Sequence[str] | None]:
        """The records as the report shows them, and its metrics (None: the publication's)."""
        return records, plan.table.metrics or None

    @staticmethod
    def report_notes(records: Sequence[Record], metrics: Sequence[str]) -> list[str]:
        """Notes of the report, from its records."""
        return []
