"""What the demo page needs of a model: frames in, faces with readings out.

Serves the person at the page. Sessions know only this protocol; each has a reader
of its own, which keeps the state of every person that it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class FaceReading:
    """One face in one frame.

    Attributes:
        person: 1, 2, ...; the same number for the same person as long as they are followed.
        box: (left, top, right, bottom) in pixels of the frame.
        score: how sure the detector is, 0 to 1.
        valence, arousal: about -1 to 1, or None where the model has none.
        probabilities: of the expressions, in the order of the model's labels; may be empty.
        label: the likeliest expression, or None.
        action_units: name -> probability; may be empty.
    """

    person: int
    box: tuple[float, float, float, float]
    score: float
    valence: float | None = None
    arousal: float | None = None
    probabilities: Sequence[float] = ()
    label: str | None = None
    action_units: Mapping[str, float] = field(default_factory=dict)

    def to_message(self, width: int, height: int) -> dict[str, Any]:
        """JSON for the page: the box as shares of the frame, numbers rounded."""
        left, top, right, bottom = self.box
        shares = (left / width, top / height, right / width, bottom / height)
        return {
            "person": self.person,
            "box": [round(float(share), 4) for share in shares],
            "score": round(float(self.score), 3),
            "valence": None if self.valence is None else round(float(self.valence), 4),
            "arousal": None if self.arousal is None else round(float(self.arousal), 4),
            "probabilities": [round(float(p), 4) for p in self.probabilities],
            "label": self.label,
            "action_units": {k: round(float(v), 4) for k, v in self.action_units.items()},
        }


class FaceReader(Protocol):
    """Reads the frames of one session, in order."""

    def read(self, frame: np.ndarray, seconds: float) -> list[FaceReading]:
        """The faces of the next frame, [height, width, 3] uint8 RGB at a time of its video."""


@dataclass(frozen=True)
class DemoModel:
    """A model as the page shows it.

    Attributes:
        name, version: which it is.
        labels: the expressions, in the order of a reading's probabilities.
        warning: what a user should know first, or "".
        reader: makes the reader of a new session.
    """

    name: str
    version: int
    labels: tuple[str, ...]
    warning: str
    reader: Callable[[], FaceReader]
