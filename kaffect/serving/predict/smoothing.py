"""Less flicker: each person's outputs as a weighted mean over the last moments (`--smooth`).

Only frames up to the one that is answered count, so that streams are smoothed in the same way as
files. docs/predict.md says which strength was best on validation videos.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from kaffect.errors import ConfigError, expected_received
from kaffect.serving.predict.people import Arrays, FaceAnswer, FrameAnswer

_REACH = 4.0  # time constants; what is older has a weight below 0.02
_REMEMBERED = 64


@dataclass
class _Past:
    last: float
    seen: deque[tuple[float, Arrays]] = field(default_factory=deque)


class Smoother:
    """Smooths the answers of one video.

    The answer at time t is sum w(t - s) x(s) / sum w(t - s) over the frames s <= t at which the
    person was seen, w(d) = exp(-d / seconds) for d <= 4 seconds' constants, else 0. A pause of
    more than `max_gap` forgets what was before it.

    Args:
        seconds: time constant; 0: as it is.
        max_gap: seconds.
    """

    def __init__(self, seconds: float, max_gap: float) -> None:
        if not 0 <= seconds <= 10:
            raise ConfigError(expected_received("--smooth", "0 to 10 seconds", seconds))
        self.seconds, self.max_gap = seconds, max_gap
        self._people: dict[int, _Past] = {}

    def memory(self, fps: int) -> int:
        """Frames before one on which its answer depends."""
        return math.ceil(_REACH * self.seconds * fps) + 1 if self.seconds else 0

    def __call__(self, answers: Iterable[FrameAnswer]) -> Iterator[FrameAnswer]:
        """The answers, smoothed, one for one."""
        if not self.seconds:
            yield from answers
            return
        for answer in answers:
            time = answer.frame.time
            faces = tuple(self._smoothed(found, time) for found in answer.faces)
            yield replace(answer, faces=faces)

    def _smoothed(self, found: FaceAnswer, time: float) -> FaceAnswer:
        return replace(found, outputs=self.outputs(found.face.person, time, found.outputs))

    def outputs(self, person: int, time: float, outputs: Arrays) -> Arrays:
        """One person's next outputs, [k] each, smoothed.

        Args:
            time: in seconds; one before the last forgets what was seen.
        """
        if not self.seconds:
            return outputs
        past = self._people.pop(person, None)
        if past is None or not 0 <= time - past.last <= self.max_gap:
            past = _Past(time)
        self._people[person] = past  # last in the order: seen last
        for other in list(self._people)[:-_REMEMBERED]:
            del self._people[other]
        past.last = time
        past.seen.append((time, outputs))
        while time - past.seen[0][0] > _REACH * self.seconds + 1e-9:
            past.seen.popleft()
        weights = np.exp([(then - time) / self.seconds for then, _ in past.seen])
        weights = (weights / weights.sum()).astype(np.float32)
        return {
            name: np.tensordot(weights, np.stack([o[name] for _, o in past.seen]), axes=1)
            for name in outputs
        }
