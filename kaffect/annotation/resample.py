"""A trace of valence and arousal -> one value a frame (paper Section III-B; the rule is ours).

The rule: a position holds until the next one arrives. The value of frame k is the
mean position over the time in which it is shown, from k / 30 to (k + 1) / 30 seconds.
A frame has a value where the take covers its middle.
"""

from __future__ import annotations

import numpy as np

from kaffect.data.video.resample import FPS


def resample(
    times: np.ndarray, values: np.ndarray, end: float, frames: int, fps: int = FPS
) -> tuple[int, np.ndarray]:
    """Values of the frames that one take covers.

    Args:
        times: [samples] seconds of the video at which a position was reported, rising.
        values: [samples, d] positions.
        end: seconds at which the take ended.
        frames: of the video.

    Returns:
        (first frame, [covered frames, d] means of the held position).
    """
    times = np.maximum.accumulate(np.asarray(times, np.float64))
    values = np.asarray(values, np.float64)
    if not len(times):
        return 0, np.zeros((0, values.shape[-1] if values.ndim == 2 else 0))
    end = max(float(end), float(times[-1]))
    first = max(int(np.ceil(times[0] * fps - 0.5 - 1e-9)), 0)
    last = min(int(np.floor(end * fps - 0.5 + 1e-9)), frames - 1)
    if last < first:
        return first, np.zeros((0, values.shape[1]))
    # The integral of the held position, at the edges of the frames that the take covers.
    knots = np.append(times, max(end, times[-1]))
    steps = values * np.diff(knots)[:, None]
    integral = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(steps, axis=0)])
    low = np.clip(np.arange(first, last + 1) / fps, times[0], knots[-1])
    high = np.clip(np.arange(first + 1, last + 2) / fps, times[0], knots[-1])
    width = high - low
    means = np.empty((last - first + 1, values.shape[1]))
    held = np.clip(np.searchsorted(times, low, side="right") - 1, 0, len(times) - 1)
    rising = np.concatenate([[True], np.diff(knots) > 0])
    for column in range(values.shape[1]):
        area = np.interp(high, knots[rising], integral[rising, column])
        area -= np.interp(low, knots[rising], integral[rising, column])
        means[:, column] = np.where(
            width > 1e-9, area / np.maximum(width, 1e-9), values[held, column]
        )
    return first, means


def scaled(values: np.ndarray) -> np.ndarray:
    """A relative, unbounded trace [frames] in [-1, 1]: divided by its largest distance from 0.

    0 stays 0, so that the sign keeps its meaning. A trace within [-1, 1] is left alone.
    """
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max(initial=1.0))
    return values / largest
