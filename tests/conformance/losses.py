"""Every loss with a small batch: what tests/conformance/test_losses.py runs.

The losses of a task come from the registry, so a new one is checked without an entry here. A loss
made of others has an entry; tests/conformance/test_registries.py names one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.losses import (
    LOSSES,
    Heads,
    fake_loss,
    framewise_losses,
    generator_loss,
    huber,
    multitask_loss,
    real_loss,
    uncertainty_weighted,
)
from kaffect.losses.framewise import TASK_NAMES
from tests import three_tasks

Arrays = Mapping[str, Any]
CLASSES, UNITS = 7, 8
SHAPE = (4, 6)  # batch, time


@dataclass(frozen=True)
class LossCase:
    """A loss and its batch, in float64.

    Attributes:
        loss: labels and predictions by name -> scalar.
        labels: by name; those of missing frames are finite and count if the mask is ignored.
        predictions: by name.
        masks: name of a prediction -> name of its label; the mask is `<label>_mask`.
        covers: the public functions that this case is an example of.
        only_labels: without any label the whole loss is 0.
        needs_size: why the batch must be known when the graph is built.
        ordered: why the order of the batch matters.
        of_losses: why predictions never come in half precision.
        constants: values that all predictions take at once.
    """

    loss: Callable[[Arrays, Arrays], tf.Tensor]
    labels: Arrays
    predictions: Arrays
    masks: Mapping[str, str] = field(default_factory=dict)
    covers: tuple[str, ...] = ()
    only_labels: bool = True
    needs_size: str = ""
    ordered: str = ""
    of_losses: str = ""
    constants: tuple[float, ...] = (0.0, 0.3, 1.0, -200.0, 1e4)


def _batch(seed: int = 0) -> tuple[Arrays, Arrays]:
    """Labels with masks and predictions of all three tasks."""
    rng = np.random.default_rng(seed)
    labels = three_tasks.labels(rng, SHAPE, CLASSES, UNITS, share=0.6)
    predictions = three_tasks.outputs(rng, SHAPE, CLASSES, UNITS)
    near = 0.6 * labels["valence_arousal"] + 0.3 * predictions["valence_arousal"] + 0.1
    return labels, {**predictions, "valence_arousal": near}


def _of_a_task(task: str, loss: Callable[..., tf.Tensor]) -> LossCase:
    name, output = TASK_NAMES[task]
    labels, predictions = _batch()
    return LossCase(
        lambda y, p: loss(y[name], p[output], y[f"{name}_mask"]),
        {key: labels[key] for key in (name, f"{name}_mask")},
        {output: predictions[output]},
        {output: name},
        covers=(loss.__name__,),
    )


def _of_all_tasks(name: str, loss: Callable[[Arrays, Arrays], tf.Tensor]) -> LossCase:
    labels, predictions = _batch(1)
    masks = {output: label for label, output in TASK_NAMES.values()}
    return LossCase(loss, labels, predictions, masks, covers=(name,))


def _sum(terms: Mapping[str, tf.Tensor]) -> tf.Tensor:
    return tf.add_n(list(terms.values()))


def _of_frames(labels: Arrays, outputs: Arrays) -> tf.Tensor:
    return _sum(framewise_losses(labels, outputs, tuple(TASK_NAMES), label_smoothing=0.1))


def _of_mixed_frames() -> LossCase:
    case = _of_all_tasks("framewise_losses", _of_frames)
    return replace(
        case,
        labels={**case.labels, "mix_share": np.array(0.3)},
        masks={},  # a mixture counts where either of its two frames is labelled
        needs_size="the halves of MixAugment are told apart by their number",
        ordered="a frame is mixed with the one before it",
    )


def _real_images() -> LossCase:
    labels, predictions = _batch(2)
    rng = np.random.default_rng(2)
    parts = {
        "valence_arousal": predictions["valence_arousal"][:, 0],
        "action_units": predictions["action_unit_logits"][:, 0],
        "fake": rng.normal(size=(SHAPE[0], 1)),
    }
    chosen = {}
    for name in ("valence_arousal", "action_units"):
        chosen[name] = labels[name][:, 0]
        chosen[f"{name}_mask"] = np.array([True, False, True, True])
    return LossCase(
        lambda y, p: real_loss(tf.concat(list(p.values()), -1), y, Heads(True, UNITS))["loss"],
        chosen,
        parts,
        {"valence_arousal": "valence_arousal", "action_units": "action_units"},
        covers=("real_loss",),
        only_labels=False,  # an image without labels still trains the fake output
    )


def _fake_images() -> LossCase:
    logits = np.random.default_rng(3).normal(size=(SHAPE[0], 11))
    return LossCase(
        lambda _, p: fake_loss(p["logits"])["loss"], {}, {"logits": logits}, covers=("fake_loss",)
    )


def _generator(non_saturating: bool) -> LossCase:
    rng = np.random.default_rng(4)
    images = rng.uniform(-1, 1, (2, SHAPE[0], 5, 5, 3))
    return LossCase(
        lambda y, p: generator_loss(p["logits"], y["real"], p["fake"], 0.5, non_saturating)["loss"],
        {"real": images[0]},
        {"logits": rng.normal(size=SHAPE[0]), "fake": images[1]},
        covers=("generator_loss",),
    )


def _huber() -> LossCase:
    values = np.random.default_rng(5).normal(0, 2, (2, *SHAPE, 3))
    return LossCase(
        lambda y, p: huber(y["real"], p["fake"]),
        {"real": values[0]},
        {"fake": values[1]},
        covers=("huber",),
    )


def _uncertainty() -> LossCase:
    rng = np.random.default_rng(6)
    return LossCase(
        lambda y, p: uncertainty_weighted(tf.unstack(p["terms"]), p["log_variances"], y["counts"]),
        {"counts": np.array([True, True, False])},
        {"terms": rng.uniform(0, 2, 3), "log_variances": rng.normal(size=3)},
        covers=("uncertainty_weighted",),
        needs_size="one loss for each task",
        of_losses="it takes losses, which are float32 already",
        constants=(0.0, 0.3, 1.0, 50.0),  # a learned logarithm of a variance
    )


CASES: dict[str, LossCase] = {
    **{
        f"{task}: {name}": _of_a_task(task, loss)
        for task, losses in LOSSES.items()
        for name, loss in losses.items()
    },
    "Eq. 6": _of_all_tasks(
        "multitask_loss", lambda y, p: multitask_loss(y, p, action_unit_weight=0.3)["loss"]
    ),
    "three tasks on frames": _of_all_tasks("framewise_losses", _of_frames),
    "three tasks on mixed frames": _of_mixed_frames(),
    "Eq. 3, real images": _real_images(),
    "Eq. 3, generated images": _fake_images(),
    "Eq. 2": _generator(False),
    "Eq. 2, non-saturating": _generator(True),
    "Huber": _huber(),
    "learned weights of tasks": _uncertainty(),
}
