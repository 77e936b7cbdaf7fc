"""How rows of Tables X and XI are trained and scored: VGGFACE-GRU-attention (Section V-B)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.config.recognition import RecognitionConfig, RecognitionData
from kaffect.data.batches.pipeline import evaluation_sequences, training_sequences
from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.records import FrameIndex
from kaffect.files import stable_hash
from kaffect.labels import AFF_WILD
from kaffect.models.affwildnet_variables import RESEARCH_USE_ONLY
from kaffect.studies.pictures import picture_attention, picture_faces
from kaffect.studies.pictures_of_runs import ATTENTION
from kaffect.studies.plan import Plan, Training
from kaffect.studies.recognition.encoding import (
    Encoder,
    encoder_settings,
    features_of,
    fixed_encoder,
)
from kaffect.studies.row import Adapter, Record, RowTraining, Scored
from kaffect.studies.scoring import score
from kaffect.studies.sources import Source, open_planned
from kaffect.training.determinism import derived_seed
from kaffect.training.loop import Progress, Schedule
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.prediction import Predictions, predict_rows
from kaffect.training.runs import save_encoder
from kaffect.training.summaries import RunSummaries
from kaffect.training.workbench import Workbench
from kaffect.weight_files import find_weights

Features = Mapping[str, np.ndarray] | None
# Steps between two validation passes, whatever the size of the data.
FEWEST, MOST = 10, 250


class Recognition(Adapter):
    """Tables X and XI; rows with the same seed share one CNN, and all share compiled networks."""

    SHOWN = ("ccc_valence", "ccc_arousal", "accuracy", "f1_weighted", "f1_macro")

    def __init__(
        self, plan: Plan, source: Source, folder: Path, strategy: tf.distribute.Strategy
    ) -> None:
        super().__init__(plan, source, folder, strategy)
        precisions = {training.config.train.precision for training in plan.trainings()}
        space = source.prepared.label_space
        self._benches = {name: Workbench(space, name, strategy) for name in precisions}
        self._encoder: tuple[str, Encoder, Features, Path | None] | None = None

    @staticmethod
    def open_source(plan: Plan) -> Source:
        """Open the data of the configured partition; reject unsuitable weights first."""
        configs = {training.config.hash(): training.config for training in plan.trainings()}
        for config in {c.model: c for c in configs.values() if c.model.weights}.values():
            build_encoder(config)
            if config.model.start == "all":
                build_network(config, AFF_WILD)
        data = next(iter(configs.values())).data
        return open_planned(plan, data.partition, data.image_size).scored_as(data)

    def notes(self, variant: str) -> tuple[str, ...]:
        files = {t.config.model.weights for t in self.plan.trainings() if t.config.model.weights}
        formats = {find_weights(file).format for file in files}
        return (RESEARCH_USE_ONLY,) if "tensorflow" in formats else ()

    def shared_work(self, training: Training) -> str:
        return _shared_key(training.config)

    def prepare(self, training: Training, folder: Path) -> RowTraining:
        config: RecognitionConfig = training.config
        key, encoder, features, place = self._shared(config)
        bench = self._benches[config.train.precision]
        return SequenceTraining(config, self.source, folder, bench, encoder, features, place)

    def _shared(self, config: RecognitionConfig) -> tuple[str, Encoder, Features, Path | None]:
        """The CNN of a row and its features; those of the row before where they are the same."""
        key = _shared_key(config)
        if self._encoder is None or self._encoder[0] != key:
            encoder = fixed_encoder(config, self.source, self.strategy)
            features, place = None, None
            if config.train.cnn == "fixed":
                splits = dict.fromkeys(("train", "validation", self.source.scored_split))
                features = features_of(encoder, self.source, tuple(splits))
                # Beside the rows, so that the results folder is all that a row's network needs.
                place = save_encoder(self.folder, encoder.network, encoder.origin)
            self._encoder = key, encoder, features, place
        return self._encoder


def _shared_key(config: RecognitionConfig) -> str:
    """Of a CNN and its features."""
    return stable_hash([encoder_settings(config), config.train.cnn])


class SequenceTraining(RowTraining):
    """Training of one sequence network, on cached features of the fixed CNN or end to end."""

    def __init__(
        self,
        config: RecognitionConfig,
        source: Source,
        folder: Path,
        bench: Workbench,
        encoder: Encoder,
        features: Features,
        place: Path | None,
    ) -> None:
        self.config, self.source, self.bench, self.features = config, source, bench, features
        self.folder = folder
        self.encoder, self.origin, self.filled = place, encoder.origin, encoder.started
        self.trainer = bench.trainer(config, encoder.network)
        self.frames_per_step = config.data.sequences * config.data.sequence_length
        self.schedule = schedule_of(config, source)
        self._validation = source.split("validation")
        self._labels = self._validation.scoring()

    def batches(self, first: int, steps: int) -> tf.data.Dataset:
        index, data = self.source.split("train"), self.config.data
        return training_sequences(
            index,
            training_windows(index, data),
            batch=data.sequences,
            seed=derived_seed(self.config.train.seed, "sequence order"),
            first_step=first,
            steps=steps,
            features=None if self.features is None else self.features["train"],
        )

    def evaluation(self, split: str) -> tf.data.Dataset:
        """The batches of a split, in order."""
        index = self.source.split(split)
        return evaluation_sequences(
            index,
            make_windows(index, self.config.data.sequence_length),
            batch=self.config.data.sequences,
            features=None if self.features is None else self.features[split],
        )

    def answers(self, split: str) -> Predictions:
        """The network's current outputs for the frames of `split`, in order: name -> [rows, k]."""
        rows, inputs = self.source.split(split).rows, self.trainer.inputs_key
        return predict_rows(self.bench.predict, self.evaluation(split), rows, inputs=inputs)

    def validate(self) -> dict[str, float]:
        answers = self.answers("validation")
        return score(answers, self._validation.rows, self._labels, self.config.loss.tasks)

    def score(self, progress: Progress) -> Scored:
        split = self.source.scored_split
        answers, index = self.answers(split), self.source.split(split)
        metrics = score(answers, index.rows, index.scoring(), self.config.loss.tasks)
        validated = self._validation, self.answers("validation")
        return Scored(split, index, answers, metrics, validation=validated)

    def draw(self, scored: Scored, record: Record, summaries: RunSummaries) -> None:
        step = record["steps"]
        picture_faces(summaries, step, scored.index, scored.answers, self.config.loss.tasks)
        if self.features is not None:
            batches = self.evaluation("validation")
            path = self.folder / ATTENTION
            picture_attention(summaries, step, self.bench.attention, batches, path)


def training_windows(index: FrameIndex, data: RecognitionData) -> np.ndarray:
    """The sequences that `data` cuts from a split: [windows, length] row numbers."""
    return make_windows(index, data.sequence_length, data.borders, data.select, data.seed)


def schedule_of(config: RecognitionConfig, source: Any) -> Schedule:
    """The number of updates, and of those between validation passes, for the size of the data."""
    windows = len(training_windows(source.split("train"), config.data))
    epoch = -(-windows // config.data.sequences)
    return Schedule.of(config.train, min(max(epoch, FEWEST), MOST))
