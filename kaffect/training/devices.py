"""Which devices a run uses (`tf.distribute`; not in the paper).

Several devices of one machine share every batch. Several machines do not: Keras 3 does not
support `tf.distribute` there, and rows and seeds of a table are independent anyway.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import tensorflow as tf

from kaffect.errors import ConfigError, expected_received


def choose_strategy(devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """The strategy of a run: `MirroredStrategy` for several devices, else TensorFlow's default.

    Args:
        devices: names, such as "GPU:0"; None: all GPUs that TensorFlow sees.

    Raises:
        ConfigError: no device at all, one that this machine does not have, or one twice.
    """
    here = _names(tf.config.list_logical_devices())
    if devices is None:
        devices = gpus()
        if len(devices) < 2:
            return tf.distribute.get_strategy()
    if not devices or len(set(devices)) < len(devices) or not set(devices) <= set(here):
        accepted = f"one or more of {', '.join(here)}, each once"
        raise ConfigError(expected_received("devices", accepted, list(devices)))
    return _mirrored(tuple(devices))


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # One for a process: two count their collective operations alike and would mix them up.
    return tf.distribute.MirroredStrategy(list(devices))


def gpus() -> list[str]:
    """The names of the GPUs that TensorFlow sees."""
    return _names(tf.config.list_logical_devices("GPU"))


def on_devices(strategy: tf.distribute.Strategy) -> str:
    """Where a run computes, for its first line."""
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        names = [name.partition("device:")[2] for name in strategy.extended.worker_devices]
    else:
        names = gpus() or ["CPU:0"]
    return f"on {', '.join(names)}"


def on_one_device() -> str:
    """The same for a GAN, whose rounds of updates are not shared out."""
    seen = gpus()
    if len(seen) < 2:
        return f"on {(seen or ['CPU:0'])[0]}"
    return f"on {seen[0]} alone: a GAN takes one device of the {len(seen)}"


def _names(devices: Sequence[tf.config.LogicalDevice]) -> list[str]:
    """ "GPU:0" of "/device:GPU:0"."""
    return [device.name.partition("device:")[2] for device in devices]
