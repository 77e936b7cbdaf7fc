"""Trains the project's own network on rendered faces: single pictures, all three tasks.

The checkpoint is chosen on rendered people; no real face is seen here.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kaffect.background import in_background
from kaffect.files import stable_hash, write_arrays
from kaffect.labels import ACTION_UNITS_12, EXPRESSIONS_8
from kaffect.losses.framewise import framewise_losses
from kaffect.metrics.scores import au_scores, expression_scores, va_scores
from kaffect.models.framewise import affect_network
from kaffect.studies.own_model.augment import augmented
from kaffect.studies.own_model.faces import Faces
from kaffect.training.determinism import derived_seed
from kaffect.training.guards import require_finite
from kaffect.training.schedules import warm_cosine

_AHEAD = 12  # batches made before they are needed
Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class OwnModelSettings:
    """Everything that decides the network's numbers.

    Attributes:
        pictures: rendered people to train on; `held_out` more for validation, and as many to test.
        image_size: side of the network's input in pixels.
        width: of ResNet-18, so that the export stays below 3 MB.
        epochs, batch, learning_rate, weight_decay, dropout, label_smoothing: of the training.
        seed: of pictures, initial weights, order, augmentation and dropout.
    """

    pictures: int = 42_000
    held_out: int = 1_000
    image_size: int = 64
    width: float = 0.22
    epochs: int = 8
    batch: int = 128
    learning_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 5e-3
    dropout: float = 0.2
    label_smoothing: float = 0.1
    seed: int = 0

    def hash(self) -> str:
        """Of all settings."""
        return stable_hash(asdict(self))


def build_network(settings: OwnModelSettings) -> keras.Model:
    """uint8 [batch, size, size, 3] -> valence/arousal, eight expressions, twelve units."""
    return affect_network(
        "resnet18",
        settings.image_size,
        True,
        len(EXPRESSIONS_8),
        len(ACTION_UNITS_12),
        width=settings.width,
        dropout=settings.dropout,
        preprocessing="grey",
        seed=derived_seed(settings.seed, "network"),
        name="own_model",
    )


def train(
    network: keras.Model,
    faces: Faces,
    validation: Faces,
    settings: OwnModelSettings,
    folder: Path,
    report: Callable[[int, int, str], None] = lambda done, of, scores: None,
) -> dict[str, Any]:
    """Train `network`; it ends with the weights that were best on `validation`.

    A training that was stopped goes on behind its last whole epoch, with the same result.

    Args:
        folder: holds `state.npz`, written after each epoch.
        report: called with updates done, updates in all, and scores once an epoch.

    Returns:
        Scores on `validation`, of the chosen epoch.
    """
    per_epoch = len(faces) // settings.batch
    total = per_epoch * settings.epochs
    rate = warm_cosine(settings.learning_rate, total, settings.warmup)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(
        var_list=[v for v in network.trainable_variables if len(v.shape) < 2]
    )
    optimizer.build(network.trainable_variables)
    state = _State(folder / "state.npz", settings, network, optimizer)
    first = state.load()
    step = _step_function(network, optimizer, settings)
    for epoch in range(first, settings.epochs):
        losses = []
        batches = in_background(_batches(faces, settings, epoch), _AHEAD, name="batches")
        with contextlib.closing(batches):
            for number, batch in enumerate(batches):
                losses.append(float(step({k: tf.constant(v) for k, v in batch.items()})))
                report(epoch * per_epoch + number + 1, total, "")
        require_finite({"loss": float(np.mean(losses))}, (epoch + 1) * per_epoch)
        scores = scores_of(predictions(network, validation, settings), validation)
        state.save(epoch + 1, scores)
        text = f"loss {np.mean(losses):.3f}, " + ", ".join(
            f"{name} {scores[name]:.3f}" for name in _CHOSEN_BY
        )
        report((epoch + 1) * per_epoch, total, text)
    return state.take_best()


# Score -> its weight in the sum that decides which epoch is kept.
_CHOSEN_BY = {"ccc_valence": 0.5, "ccc_arousal": 0.5, "f1_macro": 1.0, "au_f1_macro": 1.0}


def predictions(network: keras.Model, faces: Faces, settings: OwnModelSettings) -> Batch:
    """Outputs of the network for `faces`, by name."""
    parts = []
    for start in range(0, len(faces), 500):
        pictures = plain_pictures(faces.image[start : start + 500], settings.image_size)
        parts.append({k: np.asarray(v) for k, v in network(pictures, training=False).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def scores_of(found: Batch, faces: Faces) -> dict[str, float | None]:
    """Scores of all three tasks by name, of the `predictions` for `faces`."""
    units = (found["action_unit_logits"] > 0).astype(int)
    va = va_scores(faces.valence_arousal, found["valence_arousal"])
    expression = expression_scores(
        faces.expression, found["expression_logits"].argmax(1), classes=len(EXPRESSIONS_8)
    )
    au = au_scores(faces.action_units.astype(int), units)
    return {**va, **expression, **{f"au_{k.removeprefix('au_')}": v for k, v in au.items()}}


def plain_pictures(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Grey pictures [n, h, w] as the network takes them: [n, side, side, 3]."""
    shrinks = images.shape[1] > side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small = np.stack([cv2.resize(image, (side, side), interpolation=how) for image in images])
    return np.repeat(small[..., None], 3, axis=-1)


def _step_function(
    network: keras.Model, optimizer: keras.optimizers.Optimizer, settings: OwnModelSettings
) -> Callable[[dict[str, Any]], Any]:
    variables = network.trainable_variables

    @tf.function
    def step(batch: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            outputs = network(batch["image"], training=True)
            losses = framewise_losses(
                batch,
                outputs,
                ("va", "expression", "au"),
                label_smoothing=settings.label_smoothing,
            )
            loss = tf.add_n(list(losses.values()))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    return step


def _batches(faces: Faces, settings: OwnModelSettings, epoch: int) -> Iterator[Batch]:
    """The batches of one epoch."""
    rng = np.random.default_rng(derived_seed(settings.seed, "order", epoch))
    order = rng.permutation(len(faces))
    for number in range(len(faces) // settings.batch):
        yield _batch(rng, faces, order[number * settings.batch :], settings)


def _batch(
    rng: np.random.Generator, faces: Faces, order: NDArray[np.int64], settings: OwnModelSettings
) -> Batch:
    chosen = order[: settings.batch]
    images = [augmented(rng, faces.image[k], settings.image_size) for k in chosen]
    return {
        "image": np.repeat(np.stack(images)[..., None], 3, axis=-1),
        "expression": faces.expression[chosen],
        "valence_arousal": faces.valence_arousal[chosen],
        "action_units": faces.action_units[chosen],
    }


class _State:
    """Weights, optimiser and the best weights so far, in one file."""

    def __init__(
        self,
        path: Path,
        settings: OwnModelSettings,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        self._path, self._hash = path, settings.hash()
        self._network, self._variables = network, [*network.variables, *optimizer.variables]
        self._best: list[NDArray[Any]] = []
        self._scores: dict[str, Any] = {}
        self._value = -np.inf

    def load(self) -> int:
        """Epochs done; 0 where there is no state of these settings."""
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                if str(arrays["settings"]) != self._hash:
                    return 0
                for number, variable in enumerate(self._variables):
                    variable.assign(arrays[f"v{number}"])
                count = len(self._network.variables)
                self._best = [arrays[f"b{number}"] for number in range(count)]
                names, values = arrays["score_names"], arrays["score_values"]
                self._scores = {str(k): float(v) for k, v in zip(names, values)}
                self._value = self._worth(self._scores)
                return int(arrays["epoch"])
        except (OSError, zipfile.BadZipFile, KeyError):
            return 0

    def save(self, epoch: int, scores: dict[str, Any]) -> None:
        if self._worth(scores) > self._value:
            self._value, self._scores = self._worth(scores), dict(scores)
            self._best = [np.asarray(variable) for variable in self._network.variables]
        known = {k: v for k, v in self._scores.items() if isinstance(v, (int, float))}
        arrays: dict[str, Any] = {
            "settings": np.array(self._hash),
            "epoch": np.array(epoch),
            "score_names": np.array(list(known)),
            "score_values": np.array(list(known.values()), np.float64),
        }
        arrays |= {f"v{k}": np.asarray(v) for k, v in enumerate(self._variables)}
        arrays |= {f"b{k}": v for k, v in enumerate(self._best)}
        write_arrays(self._path, arrays)

    def take_best(self) -> dict[str, Any]:
        for variable, value in zip(self._network.variables, self._best):
            variable.assign(value)
        return self._scores

    @staticmethod
    def _worth(scores: dict[str, Any]) -> float:
        return float(sum(weight * scores[name] for name, weight in _CHOSEN_BY.items()))
