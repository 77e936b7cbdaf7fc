"""Accuracy and CCC on the pictures of the training batches (the second study plots both).

Each step gives sums over its batch; their means over an interval are enough for the scores of the
interval as a whole. Nothing is kept between steps, and nothing here has a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from kaffect.losses.framewise import TASK_NAMES

# Of the names of the sums, so that they are told from the terms of the loss.
_PREFIX = "seen/"
_EMOTIONS = ("valence", "arousal")


def seen_sums(
    batch: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor], tasks: Sequence[str]
) -> dict[str, tf.Tensor]:
    """Sums over the labelled frames of a batch, float64 scalars.

    Of mixtures (`mix_share`) none is counted: a mixture has no label of its own. Of MixAugment's
    outputs the first half count, which are the real pictures.

    Args:
        batch: labels and masks, as of `framewise_losses`.
        outputs: of the network in training, as of `framewise_losses`.
        tasks: of 'va', 'expression' and 'au'; units have no sums.
    """
    found: dict[str, tf.Tensor] = {}
    for task in tasks:
        name, output = TASK_NAMES[task]
        true = tf.convert_to_tensor(batch[name])
        answered = tf.stop_gradient(outputs[output])
        if task == "au" or ("mix_share" in batch and true.shape[0] == answered.shape[0]):
            continue
        answered = answered[: true.shape[0]]
        mask = batch.get(f"{name}_mask", tf.ones(true.shape[0], tf.bool))
        sums = _accuracy if task == "expression" else _ccc
        found |= sums(true, answered, mask)
    return {f"{_PREFIX}{name}": value for name, value in found.items()}


def seen_scores(means: Mapping[str, Any]) -> dict[str, float]:
    """`accuracy`, `ccc_valence` and `ccc_arousal` of an interval.

    Args:
        means: of the terms of its steps; those of `seen_sums` are read, each with any common
            factor, such as one over the number of steps.

    Returns:
        The scores of the tasks that had a labelled frame. A CCC of two constants is 0.
    """
    sums = {k.removeprefix(_PREFIX): v for k, v in means.items() if k.startswith(_PREFIX)}
    found = {}
    if sums.get("expressions"):
        found["accuracy"] = sums["right"] / sums["expressions"]
    for name in _EMOTIONS:
        if sums.get(f"{name}_n"):
            found[f"ccc_{name}"] = _ccc_of_sums(sums, name)
    return found


def without_sums(means: Mapping[str, Any]) -> dict[str, Any]:
    """`means` without the terms that `seen_sums` added."""
    return {name: value for name, value in means.items() if not name.startswith(_PREFIX)}


def _accuracy(true: tf.Tensor, logits: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
    right = tf.equal(tf.argmax(logits, axis=-1, output_type=true.dtype), true)
    counted = tf.cast(mask, tf.float64)
    return {
        "right": tf.reduce_sum(counted * tf.cast(right, tf.float64)),
        "expressions": tf.reduce_sum(counted),
    }


def _ccc(true: tf.Tensor, answered: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
    counted = tf.cast(mask, tf.float64)
    found: dict[str, tf.Tensor] = {}
    for place, name in enumerate(_EMOTIONS):
        x, y = (tf.cast(values[:, place], tf.float64) for values in (true, answered))
        # What stands in the place of a missing label may be anything. An answer that is not
        # finite stops the run by its loss, which says it better.
        x, y = (tf.where(mask & tf.math.is_finite(v), v, tf.zeros_like(v)) for v in (x, y))
        products = {"n": counted, "x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}
        found |= {f"{name}_{part}": tf.reduce_sum(value) for part, value in products.items()}
    return found


def _ccc_of_sums(sums: Mapping[str, float], name: str) -> float:
    """2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2), population moments (Equation 5)."""
    parts = ("x", "y", "xx", "yy", "xy")
    x, y, xx, yy, xy = (sums[f"{name}_{part}"] / sums[f"{name}_n"] for part in parts)
    below = (xx - x * x) + (yy - y * y) + (x - y) ** 2
    return 2.0 * (xy - x * y) / below if below > 0 else 0.0
