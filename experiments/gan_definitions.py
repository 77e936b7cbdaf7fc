"""What a row of Table IX is, and how much work a GAN profile is (paper Section V-A)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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


# Sizes of a run, which every report states anyway; all else that a profile changes deviates.
SIZES = ("steps", "evaluate_every")


@dataclass(frozen=True)
class GanProfile:
    """Sizes of one profile.

    Attributes:
        configurations: those that run unless `--configuration` names one.
        changes: settings that differ from the paper's, for each configuration.
        quality_faces: how many faces FID and its like compare; 0 leaves them out.
        feature_steps: training of the network whose features they compare; None: its default.
        notes: printed above the table, beside `deviations`.
    """

    name: str
    configurations: tuple[int, ...]
    changes: dict[int, dict[str, Any]]
    quality_faces: int = 0
    feature_steps: int | None = None
    notes: tuple[str, ...] = ()

    def deviations(self, configuration: int, without: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Notes, and every setting that is not the paper's, `without` those that do not hold."""
        paper = GanConfig(configuration=configuration)
        changed = {
            name: value
            for name, value in self.changes[configuration].items()
            if name not in (*SIZES, *without) and value != getattr(paper, name)
        }
        if not changed:
            return self.notes
        return (*self.notes, f"{self.name} profile: {', '.join(compared(changed, paper))}")


def compared(settings: Mapping[str, Any], paper: GanConfig) -> list[str]:
    """Each setting in words beside the paper's: "width 0.5 instead of 1"."""

    def shown(value: Any) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return f"{value:g}" if number else repr(value)

    words = []
    for name, value in settings.items():
        own = getattr(paper, name)
        beside = "as in the paper" if value == own else f"instead of {shown(own)}"
        words.append(f"{name.replace('_', ' ')} {shown(value)} {beside}")
    return words


SMOKE = GanProfile(
    name="smoke",
    configurations=(1,),
    changes={
        1: {
            "width": 0.1,
            "steps": 12,
            "evaluate_every": 6,
            "batch": 16,
            "thresholds": "validation",
        },
        2: {"width": 0.05, "steps": 6, "evaluate_every": 3, "batch": 8},
    },
    quality_faces=16,
    feature_steps=4,
    notes=("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = GanProfile(
    name="demo",
    configurations=(1,),
    changes={
        1: {
            "width": 0.5,
            "batch": 32,
            "schedule": "DG",
            "generator_rate": 1e-3,
            "discriminator_rate": 1e-3,
            "discriminator_ema": 0.98,
            "thresholds": "validation",
            "steps": 3000,
            "evaluate_every": 500,
        },
        2: {
            "width": 0.25,
            "batch": 32,
            "generator_rate": 5e-4,
            "discriminator_rate": 1e-3,
            "ema": 0.99,
            "discriminator_ema": 0.98,
            "thresholds": "validation",
            "steps": 9000,
            "evaluate_every": 600,
        },
    },
    quality_faces=1000,
)
PAPER = GanProfile(name="paper", configurations=(1, 2), changes={1: {}, 2: {}}, quality_faces=2000)
GAN_PROFILES = {profile.name: profile for profile in (SMOKE, DEMO, PAPER)}
