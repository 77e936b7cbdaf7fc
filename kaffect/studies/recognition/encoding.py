"""The CNN of a run and its features: trained once for all rows of a table (paper Section IV-C.2).

"We kept the CNN weights fixed and trained the RNN, attention and output
layers": the convolutions and FC 4096 are frozen, so their output is computed
once per frame, kept on disk under a key of weights and data, and shared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.config import RecognitionConfig
from kaffect.data.batches.pipeline import evaluation_frames, labelled_rows, training_frames
from kaffect.data.prepared.records import FrameIndex
from kaffect.files import home, stable_hash, writer_lock
from kaffect.models import fill_encoder, frame_classifier, layers_compute_in
from kaffect.models.affwildnet_variables import CONVOLUTIONS
from kaffect.studies.recognition.start import PREPROCESSING, PUBLISHED
from kaffect.studies.scoring import score
from kaffect.studies.sources import Source
from kaffect.studies.starting import Filled, read_start
from kaffect.training.checkpoints import CheckpointFolder, network_hash
from kaffect.training.determinism import derived_seed
from kaffect.training.loop import Progress, Schedule, train
from kaffect.training.multitask import MultiTaskTrainer
from kaffect.training.networks import build_encoder
from kaffect.training.precision import precision_here
from kaffect.training.prediction import Predictions, frame_features, predict_rows, predictor
from kaffect.training.pretraining import frame_schedule, frame_trainer
from kaffect.training.progress import training_progress
from kaffect.weight_files import find_weights

# All that have weights in a CNN from `frame_encoder`.
LAYERS = (*CONVOLUTIONS, "fc6")

# Part of the key of a trained CNN; raised when the same settings begin to give other weights
# (2: the warm-up's first update has a rate above 0).
TRAINING = 2
# Of `train`: settings of the sequence network alone.
_BEHIND_THE_CNN = ("learning_rate", "epochs", "steps", "patience", "cnn")


@dataclass(frozen=True)
class Encoder:
    """A fixed CNN: the network and where its weights come from, in words for the report.

    `started` are the layers that `--start` filled.
    """

    network: keras.Model
    origin: str
    progress: Progress | None = None
    started: Filled | None = None


def fixed_encoder(
    config: RecognitionConfig, source: Source, strategy: tf.distribute.Strategy | None = None
) -> Encoder:
    """The CNN of `config`: initialised or loaded, and trained on single frames if it says so.

    It computes in the configuration's precision. A finished training is kept below
    `$KAFFECT_HOME/encoders` and reused by every row and later run with the same settings and data.

    Args:
        strategy: of `choose_strategy`; None: one device.

    Raises:
        ConfigError, ArtifactError: `model.weights` are not of this network.
    """
    strategy = strategy or tf.distribute.get_strategy()
    model = config.model
    with strategy.scope():
        network = build_encoder(replace(config, model=replace(model, weights=None)))
    filled = fill_encoder(network, model.weights) if model.weights else ()
    started = None
    if config.start.run is not None:
        started = read_start(config.start).fill(network)
        filled = started.taken
    frozen = filled if config.pretrain.layers == "missing" else ()
    progress = None
    if config.pretrain.trains and set(frozen) < set(LAYERS):
        progress = train_encoder(network, config, source, strategy, frozen)
    origin = origin_of(config, network, filled, frozen, progress)
    return Encoder(network, origin, progress, started)


def origin_of(
    config: RecognitionConfig,
    network: keras.Model,
    filled: Sequence[str],
    frozen: Sequence[str],
    progress: Progress | None,
) -> str:
    """Which weights were loaded, trained or left random, in words for the report."""
    units = network.get_layer("fc6").kernel.shape
    fc = f"FC {units[0]}->{units[1]}"

    def named(layers: Iterable[str]) -> str:
        kinds = dict.fromkeys(fc if name == "fc6" else "13 convolutions" for name in layers)
        return " and ".join(kinds)

    rest = [name for name in LAYERS if name not in filled]
    found = []
    if config.model.weights:
        published = find_weights(config.model.weights)
        found.append(f"{named(filled)} of {PUBLISHED[published.format]} ({published.title})")
        own = PREPROCESSING[published.format]
        other = f", not {own} as the file was trained with" * (config.model.preprocessing != own)
        found.append(f"preprocessing {config.model.preprocessing}{other}")
    elif filled:
        found.append(f"{named(filled)} of {Path(str(config.start.run)).name} (--start)")
    if rest:
        # The heads of `train.cnn=end_to_end` train every layer further.
        start = "He initialisation"
        found.append(f"{named(rest)} from {start}" if filled else f"{start}, no weights file")
    if progress is not None:
        trained = [name for name in LAYERS if name not in frozen]
        found.append(f"{named(trained)} trained on single frames, step {progress.best_step}")
    elif rest and config.train.cnn == "fixed":
        found.append(f"{named(rest)} random, as initialised")
    return "; ".join(found)


def train_encoder(
    network: keras.Model,
    config: RecognitionConfig,
    source: Source,
    strategy: tf.distribute.Strategy | None = None,
    frozen: Sequence[str] = (),
) -> Progress:
    """Train `network` on single frames by way of heads that are thrown away afterwards.

    A training is kept under a hash of all that it depends on, and reused.

    Args:
        network: uint8 frames to features; gets the weights that are best on validation.
        config: its `pretrain` and `train`.
        strategy: in whose scope `network` was made; None: one device.
        frozen: names of layers that stay as they are.
    """
    space = source.prepared.label_space
    strategy = strategy or tf.distribute.get_strategy()
    policy = precision_here(config.train.precision)
    folder = home() / "encoders" / _key(network, config, source)
    with strategy.scope(), layers_compute_in(policy):
        frames = frame_classifier(
            network,
            expressions=len(space.expressions),
            action_units=len(space.action_units),
            dropout=config.pretrain.dropout,
            seed=derived_seed(config.train.seed, "frame heads"),
        )
    training = source.prepared.split("train").for_partition(config.pretrain.partition)
    schedule = frame_schedule(config.pretrain, len(labelled_rows(training)))
    with writer_lock(folder, "the CNN", wait=True), _frozen(network, frozen):
        checkpoints = CheckpointFolder(folder)
        done = "training" if checkpoints.last() is None else "taking"
        print(f"{done} the CNN on single frames ({schedule.steps} steps) in {folder}", flush=True)
        trainer = frame_trainer(
            frames, config.pretrain, config.train, policy, strategy, schedule.steps
        )
        return _train_frames(trainer, config, source, schedule, checkpoints)


@contextlib.contextmanager
def _frozen(network: keras.Model, names: Sequence[str]) -> Iterator[None]:
    """Leave layers out of a training, without a trace afterwards: they are part of hashes."""
    layers = [layer for layer in _layers(network) if layer.name in names]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer in layers:
            layer.trainable = True


def _layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers, those of nested models too."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def encoder_settings(config: RecognitionConfig) -> dict[str, Any]:
    """The settings that a row's CNN may depend on: all but those of the network behind it.

    What is left out is listed, so that a setting of tomorrow makes another CNN rather than the
    wrong one.
    """
    values = config.without_later(config.identity())
    del values["loss"]
    values["train"] = {k: v for k, v in values["train"].items() if k not in _BEHIND_THE_CNN}
    return values


def _key(network: keras.Model, config: RecognitionConfig, source: Source) -> str:
    """Of a training: the network as it begins (weights, layers, precision), settings and data."""
    settings = encoder_settings(config)
    parts = [network_hash(network), settings, source.prepared.hash, source.partition, TRAINING]
    return stable_hash(parts)


def _train_frames(
    trainer: MultiTaskTrainer,
    config: RecognitionConfig,
    source: Source,
    schedule: Schedule,
    checkpoints: CheckpointFolder,
) -> Progress:
    settings = config.pretrain
    training = source.prepared.split("train").for_partition(settings.partition)
    validation = source.split("validation")
    predict = predictor(trainer.network)
    seed = derived_seed(config.train.seed, "frame order")

    def batches(first: int, steps: int) -> tf.data.Dataset:
        return training_frames(
            training, batch=settings.batch, seed=seed, first_step=first, steps=steps
        )

    def validate() -> dict[str, float]:
        answers = predict_frames(predict, validation)
        return score(answers, validation.rows, validation.scoring(), ("va", "expression"))

    done = checkpoints.last() or 0
    with training_progress(schedule.steps, "CNN on single frames", initial=done) as shown:
        # Interrupted training of the CNN always goes on: its key names all that it depends on.
        return train(
            trainer,
            batches,
            validate,
            schedule,
            checkpoints,
            resume=True,
            callbacks=[shown],
            on_validation=shown.validated,
        )


def predict_frames(predict: Callable[..., dict], index: FrameIndex) -> Predictions:
    """Single-frame answers for every frame of `index`."""

    batches = evaluation_frames(index, batch=128)
    return predict_rows(predict, batches, index.rows, inputs="images")


def features_of(encoder: Encoder, source: Source, splits: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The encoder's output before dropout for every frame of the splits, cached on disk.

    Returns:
        Split name -> [frames of the whole split, features] memory map; frames outside
        the table's partition are not computed and hold 0.
    """
    return {name: frame_features(encoder.network, source.split(name)) for name in splits}
