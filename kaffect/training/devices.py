"""Which devices a run uses (`tf.distribute`; not in the paper)."""

from __future__ import annotations

import tensorflow as tf


def strategy_name(gpus: int) -> str:
    """'mirrored' for several GPUs, 'one_device' for one, 'default' for none."""
    if gpus > 1:
        return "mirrored"
    return "one_device" if gpus == 1 else "default"


def choose_strategy(gpus: int | None = None, most: int | None = None) -> tf.distribute.Strategy:
    """The strategy for the visible devices; the batch of a table is split over the GPUs.

    Args:
        gpus: how many there are; None: those that TensorFlow sees.
        most: of them that may be used; the GANs, whose batches come in rounds, take one.
    """
    count = len(tf.config.list_physical_devices("GPU")) if gpus is None else gpus
    name = strategy_name(count if most is None else min(count, most))
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy("/gpu:0")
    return tf.distribute.get_strategy()
