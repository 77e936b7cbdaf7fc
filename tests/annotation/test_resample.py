"""The rule for traces: a frame has the mean of the position that was held during it."""

from __future__ import annotations

import numpy as np

from kaffect.annotation.resample import resample


def test_a_frame_has_the_mean_of_the_held_position() -> None:
    """Beside a plain sum over a fine grid of time."""
    rng = np.random.default_rng(4)
    times = np.sort(rng.uniform(0.313, 1.4, 70))
    times[0] = 0.313
    values = rng.uniform(-1, 1, (70, 2))
    first, found = resample(times, values, 1.51, 60)
    assert first == 9, "the middle of frame 9 is the first that lies in the take"
    assert len(found) == 45 - 9, "the middle of frame 44 is the last"
    for frame in (9, 10, 23, 44):
        grid = frame / 30 + (np.arange(20_000) + 0.5) / 20_000 / 30
        grid = grid[(grid >= times[0]) & (grid <= 1.51)]
        held = values[np.searchsorted(times, grid, side="right") - 1]
        np.testing.assert_allclose(found[frame - first], held.mean(axis=0), atol=2e-4)
