"""What Tables A1 to A5 are made of: rows as changes of settings, and how much work a profile is.

The second study: "Multi-Task Learning for Affect Analysis", ResNet-18 on Aff-Wild2. A row
names what it changes; everything that runs it is elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kaffect.settings import require_one_of
from kaffect.training.frames_config import FrameConfig

Changes = Mapping[str, Any]
STARTS = ("given", "needed", "none")
# --criteria -> criterion of the newer challenges -> what stands in its place; None: no column.
CRITERIA: dict[str, dict[str, str | None]] = {
    "official": {},
    "abaw1": {"p_expr": "abaw1_expr", "p_au": "abaw1_au", "p_mtl": None},
}


@dataclass(frozen=True)
class FrameRow:
    """One line of a table.

    Attributes:
        label: long name; short: for narrow terminals.
        changes: dotted settings in which it differs from the table's base.
        start: the file of `--weights` where it is 'given' (all networks of the study are
            pre-trained), 'needed' (not run without one), or 'none': He initialisation always.
    """

    label: str
    short: str
    changes: Changes
    start: str = "given"

    def __post_init__(self) -> None:
        require_one_of("start of a row", self.start, STARTS)

    def configure(
        self, profile: FrameProfile, overrides: Changes, weights: str | None, seed: int
    ) -> FrameConfig:
        """The whole configuration: profile, then row, then what the command line sets."""
        start = {} if self.start == "none" else {"model.weights": weights}
        settings = {**profile.changes, **self.changes, **start, **overrides, "train.seed": seed}
        return FrameConfig().changed(settings)


@dataclass(frozen=True)
class FrameTable:
    """A table of the second study as an experiment.

    Attributes:
        name: on the command line; title: what it compares; section: of the study.
        rows: in order; `--row N` counts from 1.
        metrics: shown, by the names of `kaffect.studies.report.summary.METRICS`.
        expected: what the study reports; cost: what a profile takes, as measured.
    """

    name: str
    title: str
    section: str
    rows: tuple[FrameRow, ...]
    metrics: tuple[str, ...]
    expected: str
    cost: str


@dataclass(frozen=True)
class FrameProfile:
    """Sizes: how small the network and how many updates.

    Attributes:
        synthetic: settings of the embedded data (`SyntheticConfig`).
        changes: dotted settings under those of a row.
        deviations: what differs from the study's sizes, printed above the table.
    """

    name: str
    synthetic: Mapping[str, Any]
    changes: Changes = field(default_factory=dict)
    deviations: tuple[str, ...] = ()


# Most videos of Aff-Wild2 have all three annotations; of its multi-task release 37 % of the frames.
_SYNTHETIC = {"label_space": "aff-wild2", "joint_share": 0.4}

SMOKE = FrameProfile(
    "smoke",
    {"profile": "smoke", **_SYNTHETIC},
    {
        "model.image_size": 32,
        "model.width": 0.0625,
        "data.batch": 16,
        "train.steps": 4,
        "train.epochs": 2,
    },
    ("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = FrameProfile(
    "demo",
    {"profile": "demo", **_SYNTHETIC},
    {
        "model.image_size": 48,
        "model.width": 0.25,
        "train.steps": 300,
        "train.epochs": 5,
    },
    (
        "demo profile: ResNet-18 at a quarter of its width, on 48x48 pixels",
        "demo profile: 300 updates of 64 pictures in every row (an 'epoch' is 60 of them)",
    ),
)
PAPER = FrameProfile("paper", {"profile": "paper", **_SYNTHETIC})
FRAME_PROFILES = {profile.name: profile for profile in (SMOKE, DEMO, PAPER)}
