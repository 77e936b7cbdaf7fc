"""Settings of synthetic Aff-Wild: how many videos, how long, which labels (paper Section II).

The default is the demo profile: the paper's numbers of videos and people, with
short videos. Every field changes what is written; nothing else does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kaffect.errors import ConfigError, expected_received
from kaffect.labels import LABEL_SPACES, LabelSpace


@dataclass(frozen=True)
class SyntheticConfig:
    """What `write_tree` renders.

    Attributes:
        seed: the only source of chance; the same settings give the same bytes.
        expression_videos: videos with expression labels in training, validation and test
            (Section II-D.2: 30/10/15). The first set with two or more training videos
            has one video that shows two people.
        au_videos: the same for Action Units (Section II-D.1: 38/8/18).
        seconds: mean length of a video; lengths vary by a third around it.
        joint_share: part of the videos that carry both, as most of Aff-Wild2's do (Aff-Wild: 0).
        label_space: "aff-wild" (8 units, 7 expressions) or "aff-wild2" (12 units, 8 expressions).
        sizes: frame sizes (width, height) in pixels, even numbers.
        preset, crf: libx264's speed preset and quality.
    """

    seed: int = 0
    expression_videos: tuple[int, int, int] = (30, 10, 15)
    au_videos: tuple[int, int, int] = (38, 8, 18)
    seconds: float = 6.6
    joint_share: float = 0.0
    label_space: str = "aff-wild"
    sizes: tuple[tuple[int, int], ...] = (
        (320, 240),
        (424, 240),
        (400, 226),
        (480, 270),
        (240, 320),
    )
    preset: str = "ultrafast"
    crf: int = 20

    def __post_init__(self) -> None:
        if self.label_space not in LABEL_SPACES:
            raise ConfigError(expected_received("label_space", set(LABEL_SPACES), self.label_space))
        for name in ("expression_videos", "au_videos"):
            counts = tuple(getattr(self, name))
            if len(counts) != 3 or any(not isinstance(n, int) or n < 0 for n in counts):
                raise ConfigError(expected_received(name, "three counts >= 0", counts))
            object.__setattr__(self, name, counts)
        if sum(self.expression_videos) + sum(self.au_videos) == 0:
            raise ConfigError("expression_videos and au_videos: there is no video in either")
        if not 0 <= self.joint_share <= 1:
            raise ConfigError(expected_received("joint_share", "0 to 1", self.joint_share))
        if not 0.5 <= self.seconds <= 3600:
            raise ConfigError(expected_received("seconds", "0.5 to 3600", self.seconds))
        sizes = tuple((int(w), int(h)) for w, h in self.sizes)
        if not sizes or any(w % 2 or h % 2 or min(w, h) < 96 for w, h in sizes):
            raise ConfigError(expected_received("sizes", "even numbers from 96", self.sizes))
        object.__setattr__(self, "sizes", sizes)

    @property
    def space(self) -> LabelSpace:
        return LABEL_SPACES[self.label_space]

    @classmethod
    def profile(cls, name: str, **changes: Any) -> SyntheticConfig:
        """The settings of an experiment profile ("smoke", "demo", "paper"), with `changes`.

        "paper" has the paper's mean length (522,000 annotated frames over 119 videos at
        30 fps): about 146 s a video, an hour of rendering.
        """
        if name not in PROFILES:
            raise ConfigError(expected_received("profile", set(PROFILES), name))
        return cls(**{**PROFILES[name], **changes})

    def to_dict(self) -> dict[str, Any]:
        """JSON-able settings; without `joint_share` where it is 0, as before there was one."""
        values = asdict(self)
        if not self.joint_share:
            del values["joint_share"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SyntheticConfig:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: an unknown key.
        """
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise ConfigError(
                expected_received(
                    "synthetic config", set(cls.__dataclass_fields__), sorted(unknown)
                )
            )
        return cls(**values)


PROFILES: dict[str, dict[str, Any]] = {
    "smoke": {"expression_videos": (6, 2, 2), "au_videos": (3, 1, 1), "seconds": 3.0},
    "demo": {},
    "paper": {"seconds": 146.0},
}
