"""Generate, interpolate and select faces (paper Section V-A.2, Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.studies.gan.discriminator import Judge, judge_pixels
from kaffect.studies.image_grids import image_grid, write_image
from kaffect.training.gan import GanTrainer, build_networks, latents
from kaffect.training.gan_images import to_pixels
from kaffect.training.prediction import Predictions
from kaffect.training.runs import load_gan

_BATCH = 64


class FaceGenerator:
    """A trained generator in inference mode.

    Args:
        trainer: holds the networks; later training is seen after `refresh`.
        average: use the moving average of the weights instead of the last ones.
    """

    def __init__(self, trainer: GanTrainer, average: bool = True) -> None:
        self.trainer, self.average = trainer, average
        self.network, _ = build_networks(trainer.config, trainer.space, trainer.policy_name)
        self._run = tf.function(lambda z: self.network(z, training=False), reduce_retracing=True)
        self.refresh()

    def refresh(self, average: bool | None = None) -> None:
        """Take over the weights as they are now; `average` chooses otherwise than at first."""
        if self.average if average is None else average:
            self.trainer.average.copy_to(self.network)
        else:
            self.network.set_weights(self.trainer.generator.get_weights())

    def __call__(self, z: np.ndarray | tf.Tensor) -> np.ndarray:
        """Faces of latent vectors [n, 100]: uint8 [n, size, size, 3]."""
        z = np.asarray(z, np.float32)
        parts = np.split(z, range(_BATCH, len(z), _BATCH))
        return np.concatenate([to_pixels(self._run(tf.constant(part))) for part in parts])


def interpolate(anchors: np.ndarray, steps: int) -> np.ndarray:
    """Latent vectors on the straight lines from anchor to anchor.

    Args:
        anchors: [k, 100], k >= 2.
        steps: vectors from one anchor up to, but without, the next.

    Returns:
        [(k - 1) * steps + 1, 100]; the last is the last anchor.
    """
    anchors = np.asarray(anchors, np.float32)
    if len(anchors) < 2 or steps < 1:
        raise ConfigError(
            expected_received(
                "Interpolation", "2 or more anchors and 1 or more steps", (len(anchors), steps)
            )
        )
    share = np.arange(steps, dtype=np.float32)[:, None] / steps
    lines = [a + share * (b - a) for a, b in zip(anchors[:-1], anchors[1:])]
    return np.concatenate([*lines, anchors[-1:]])


@dataclass(frozen=True)
class Wish:
    """The labels that selected faces should have, by the discriminator's estimates.

    Attributes:
        valence, arousal: in [-1, 1], or None for any.
        action_units: names of the units that should be active, all others not; None for any.
    """

    valence: float | None = None
    arousal: float | None = None
    action_units: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("valence", "arousal"):
            value = getattr(self, name)
            if value is not None and not -1 <= value <= 1:
                raise ConfigError(expected_received(f"Wished {name}", "-1 to 1", value))

    @property
    def empty(self) -> bool:
        return self == Wish()

    def distance(self, judged: Predictions, unit_names: Sequence[str]) -> np.ndarray:
        """How far each face is from the wish, [n]: 0 is a perfect match.

        The mean of the squared differences of valence and arousal (halved, as they span
        2) and the mean of those of the Action Units' probabilities, added.

        Raises:
            ConfigError: the discriminator does not judge what is wished.
        """
        parts = []
        for column, value in enumerate((self.valence, self.arousal)):
            if value is not None:
                judged_va = self._output(judged, "valence_arousal", "valence and arousal")
                parts.append(((judged_va[:, column] - value) / 2) ** 2)
        total = np.mean(parts, axis=0) if parts else np.zeros(len(judged["fake_logits"]))
        if self.action_units is not None:
            logits = self._output(judged, "action_unit_logits", "Action Units")
            for name in self.action_units:
                if name not in unit_names:
                    raise ConfigError(expected_received("Unknown Action Unit", unit_names, name))
            target = np.isin(unit_names, self.action_units).astype(float)
            probability = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
            total = total + ((probability - target) ** 2).mean(axis=1)
        return np.asarray(total)

    @staticmethod
    def _output(judged: Predictions, key: str, what: str) -> np.ndarray:
        if key not in judged:
            raise ConfigError(
                f"this GAN's discriminator does not judge {what}; train one with that output"
            )
        return judged[key]


@dataclass(frozen=True)
class GeneratedFaces:
    """Generated faces with the discriminator's estimates.

    Attributes:
        images: uint8 [n, size, size, 3]; z: [n, 100].
        judged: one dictionary for each face: `valence`, `arousal`, a probability for each
            Action Unit by name, and `fake`, the probability of being generated.
    """

    images: np.ndarray
    z: np.ndarray
    judged: tuple[Mapping[str, float], ...]


def generate_faces(
    model: str | Path,
    count: int = 64,
    *,
    seed: int = 0,
    wish: Wish = Wish(),
    candidates: int | None = None,
    grid: str | Path | None = None,
    average: bool = True,
    which: str = "last",
) -> GeneratedFaces:
    """Generate faces with the GAN in the folder `model` (`kaffect generate`).

    Args:
        model: folder of a run's checkpoints, with its `run.json`.
        count: how many faces.
        seed: of the latent vectors; the same seed gives the same faces.
        wish: pick the faces nearest to it, nearest first.
        candidates: how many to pick from; by default 32 for each face, at least 1024.
        grid: where to write them as one PNG.
        average: use the moving average of the generator's weights.
        which: checkpoint, "last" or "best" (of the discriminator on validation).

    Raises:
        ArtifactError: `model` holds no complete GAN.
        ConfigError: a count below 1, or a wish that this GAN cannot judge.
    """
    if count < 1:
        raise ConfigError(expected_received("Number of faces", "1 or more", count))
    faces = faces_of(load_gan(model, which), count, seed, wish, candidates, average)
    if grid is not None:
        write_image(grid, image_grid(faces.images))
    return faces


def faces_of(
    trainer: GanTrainer,
    count: int,
    seed: int,
    wish: Wish = Wish(),
    candidates: int | None = None,
    average: bool = True,
) -> GeneratedFaces:
    """Faces of a GAN in memory; arguments and errors as of `generate_faces`."""
    number = count if wish.empty else max(count, candidates or max(1024, 32 * count))
    z = latents(seed, 0, number).numpy()
    images = FaceGenerator(trainer, average)(z)
    answers = judge_pixels(Judge(trainer), images)
    names = trainer.unit_names
    if not wish.empty:
        order = np.argsort(wish.distance(answers, names), kind="stable")[:count]
        images, z = images[order], z[order]
        answers = {name: values[order] for name, values in answers.items()}
    return GeneratedFaces(images, z, tuple(_named(answers, names)))


def _named(answers: Predictions, unit_names: Sequence[str]) -> list[dict[str, float]]:
    def probability(logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-np.clip(logits.astype(float), -60, 60)))

    found: list[dict[str, float]] = []
    for i, fake in enumerate(probability(answers["fake_logits"][:, 0])):
        face: dict[str, float] = {}
        if "valence_arousal" in answers:
            face["valence"], face["arousal"] = map(float, answers["valence_arousal"][i])
        if "action_unit_logits" in answers:
            values = probability(answers["action_unit_logits"][i])
            face |= dict(zip(unit_names, map(float, values), strict=True))
        found.append({**face, "fake": float(fake)})
    return found
