"""One update on several devices, equal to that of one device (`tf.distribute`; not in the paper).

The losses are ratios over all labelled samples of a batch (masked means, Equation 5's moments), so
the mean of what each device has for its share is not the loss of the batch. Each device therefore
computes the outputs of its share, gets those of the others, and has the loss of the whole batch.
Outside of `in_shares` every function here gives back what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.batch_share import BatchShare, batch_share, computing_share, sum_over_devices


def shares_of(total: int, devices: int) -> list[BatchShare]:
    """A batch of `total` samples in `devices` parts, which differ by one sample at most.

    Raises:
        ConfigError: there are fewer samples than devices.

    >>> [share.count for share in shares_of(10, 4)]
    [3, 3, 2, 2]
    """
    if total < devices:
        raise ConfigError(
            expected_received(f"batch size on {devices} devices", f"at least {devices}", total)
        )
    few, longer = divmod(total, devices)
    counts = [few + (number < longer) for number in range(devices)]
    return [BatchShare(sum(counts[:i]), count, total) for i, count in enumerate(counts)]


def in_shares(
    strategy: tf.distribute.Strategy, inputs: tf.Tensor, update: Callable[[tf.Tensor], Any]
) -> Any:
    """Call `update` on each device of `strategy` with its share of `inputs`.

    Args:
        inputs: [batch, ...], of static batch size.
        update: inputs of a share -> tensors that are equal on all devices.

    Returns:
        What `update` gives on the first device.
    """
    shares = shares_of(inputs.shape[0], strategy.num_replicas_in_sync)
    # Cut where the batch is, so that a device is sent its own share only.
    with tf.device("CPU:0"):
        parts = tf.split(inputs, [share.count for share in shares])

    def replica() -> Any:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        place = int(tf.get_static_value(number))
        with computing_share(shares[place]):
            return update(parts[place])

    with strategy.scope():
        results = strategy.run(replica)
    return tf.nest.map_structure(lambda r: strategy.experimental_local_results(r)[0], results)


def part_of(value: tf.Tensor) -> tf.Tensor:
    """An equal part for each device of a `value` that all have: the sum of the parts is `value`."""
    return value if batch_share() is None else value / _devices()


def summed(gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The gradients of the whole batch, from those that each device has."""
    if batch_share() is None:
        return list(gradients)
    return [sum_over_devices(gradient) for gradient in gradients]


def _devices() -> int:
    count: int = tf.distribute.get_replica_context().num_replicas_in_sync
    return count
