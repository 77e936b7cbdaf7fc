"""What a row of Table IX is, and how much work a GAN profile is (paper Section V-A)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from kaffect.labels import LabelSpace
from kaffect.training.gan_config import GanConfig


@dataclass(frozen=True)
class GanRow:
    """One line of Table IX: what the discriminator estimates beside "fake", and by which loss."""

    label: str
    valence_arousal: bool
    action_units: bool
    va_loss: str = "mse"

    def configure(self, base: GanConfig, space: LabelSpace, seed: int) -> GanConfig:
        """The whole configuration of this row on top of a profile's."""
        return dataclasses.replace(
            base,
            valence_arousal=self.valence_arousal,
            action_units=len(space.action_units) if self.action_units else 0,
            label_space=space.name,
            va_loss=self.va_loss,
            seed=seed,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What a report and TensorBoard's HParams show of this row."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class GanTable:
    """Table IX as an experiment; fields as in `experiments.definitions.Table`."""

    name: str
    title: str
    section: str
    rows: tuple[GanRow, ...]
    expected: str
    cost: str


@dataclass(frozen=True)
class GanProfile:
    """Sizes of one profile.

    Attributes:
        configurations: those that run unless `--configuration` names one.
        changes: settings that differ from the paper's, for each configuration.
        quality_faces: how many faces FID and its like compare; 0 leaves them out.
        feature_steps: training of the network whose features they compare; None: its default.
        deviations: printed above the table.
    """

    name: str
    configurations: tuple[int, ...]
    changes: dict[int, dict[str, Any]]
    quality_faces: int = 0
    feature_steps: int | None = None
    deviations: tuple[str, ...] = ()


_DEMO_RATES = {"generator_rate": 2e-4, "discriminator_rate": 1e-3}

SMOKE = GanProfile(
    name="smoke",
    configurations=(1,),
    changes={
        1: {"width": 0.1, "steps": 12, "evaluate_every": 6, "batch": 16},
        2: {"width": 0.05, "steps": 6, "evaluate_every": 3, "batch": 8},
    },
    quality_faces=16,
    feature_steps=4,
    deviations=("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = GanProfile(
    name="demo",
    configurations=(1,),
    changes={
        1: {"steps": 2400, "evaluate_every": 300, **_DEMO_RATES},
        2: {"steps": 1800, "evaluate_every": 300, **_DEMO_RATES},
    },
    quality_faces=1000,
    deviations=(
        "learning rates 1e-3 (discriminator) and 2e-4 (generator) instead of 1e-5 and 1e-4: "
        "the paper's move little in a short run",
    ),
)
PAPER = GanProfile(name="paper", configurations=(1, 2), changes={1: {}, 2: {}}, quality_faces=2000)
GAN_PROFILES = {profile.name: profile for profile in (SMOKE, DEMO, PAPER)}
