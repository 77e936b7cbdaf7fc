"""Settings of the face tracker (paper Section III-E); they travel in manifests."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kaffect.errors import ConfigError


@dataclass(frozen=True)
class TrackerConfig:
    """When to detect, when to doubt, when to forget; lengths of time in frames.

    Attributes:
        detect_every: frames between key frames, on which the detector always looks.
        search_every: the same while nobody is followed.
        retry: earliest second look when a face is in doubt between key frames; doubles
            with every look that finds nothing.
        flow_side: frames are shrunk to this many pixels (longer side) for following.
        least_certainty: share of a face's points that must move together.
        least_likeness: correlation with the face at its last detection, below: doubt.
        strange: correlation below which a face that two looks do not find is given up.
        coast: longest time for which a face is followed though no detector sees it.
        confirm: detections that a new person needs, unless one of them is sure.
        patience: how long after a loss nearness alone is enough to be the same person.
        same_look: distance of colours (0 to 1) below which somebody who returns anywhere
            and at any time is the same person.
        remember: people that are kept in mind; who was lost longest ago is forgotten.
    """

    detect_every: int = 10
    search_every: int = 5
    retry: int = 3
    flow_side: int = 384
    least_certainty: float = 0.4
    least_likeness: float = 0.5
    strange: float = 0.3
    coast: int = 150
    confirm: int = 2
    patience: int = 45
    same_look: float = 0.35
    remember: int = 32

    def __post_init__(self) -> None:
        counts = ("detect_every", "search_every", "retry", "confirm", "remember")
        if min(getattr(self, name) for name in counts) < 1 or self.flow_side < 64:
            raise ConfigError(f"{', '.join(counts)} must be 1 or more, flow_side 64 or more")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
