"""Which part of a batch a device computes, for layers that need the whole batch (not in the paper).

Dropout draws for the whole batch, and batch normalisation takes the moments of the whole
batch: several devices then compute what one would. On one device there is no share.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class BatchShare:
    """Samples `first` to `first + count - 1` of a batch of `total`."""

    first: int
    count: int
    total: int


_share: contextvars.ContextVar[BatchShare | None] = contextvars.ContextVar("share", default=None)


def batch_share() -> BatchShare | None:
    """The share that the layers called now compute; None: the whole batch."""
    return _share.get()


@contextlib.contextmanager
def computing_share(share: BatchShare) -> Iterator[None]:
    """Inside, layers in training mode are given `share` of a batch, not all of it.

    Only for the replica function of a `tf.distribute` strategy, in which the other replicas
    compute the other shares. Decided where the call is written (when a `tf.function` is traced).
    """
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def sum_over_devices(values: tf.Tensor) -> tf.Tensor:
    """The sum of `values` over all shares, on every device; its gradient is the sum as well.

    Args:
        values: [...], of one shape on all devices.
    """
    total: tf.Tensor = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, values
    )
    return total


def whole_batch(values: tf.Tensor) -> tf.Tensor:
    """The values of all shares as one tensor, in the batch's order, on every device.

    Args:
        values: [share, ...], this device's.

    Returns:
        [batch, ...].
    """
    share = batch_share()
    if share is None:
        return values
    behind = share.total - share.first - share.count
    padding = [[share.first, behind], *([[0, 0]] * (values.shape.rank - 1))]
    return sum_over_devices(tf.pad(values, padding))
