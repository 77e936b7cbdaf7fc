"""What is looked at while a GAN trains: a grid from fixed latents, its animation, an alarm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.evaluation.gan_quality import pairwise_distance
from kaffect.evaluation.generation import FaceGenerator
from kaffect.evaluation.pictures import (
    captioned,
    image_grid,
    read_image,
    write_animation,
    write_image,
)
from kaffect.training.gan import GanTrainer, latents
from kaffect.training.summaries import RunSummaries

GRID = 36
# Pairs are compared among so many faces.
COMPARED = 64
# Of the largest distance so far, and of the real faces': below, the alarm rings.
COLLAPSE_SHARE = 0.5
REAL_SHARE = 0.25
# Keys in a look, for each kind of weights. A slow average hides what the training does.
_KINDS = {"averaged": "pairwise_distance", "trained": "trained_pairwise_distance"}


def collapse_alarm(
    distances: Sequence[float], real: float | None = None, kind: str = "averaged"
) -> str | None:
    """A sentence if the newest of the mean pairwise distances is too small, else None.

    A generator that maps all latents to one face has a distance near 0; while it learns,
    the distance grows towards that of real faces. Too small is below half of the largest
    before it, and, from the first look on, below a quarter of the real faces' (the first
    looks of sound runs on synthetic faces had 0.59 of it or more).

    Args:
        distances: of all looks so far.
        real: distance of real faces, where known.
        kind: of the weights: 'averaged' or 'trained'.
    """
    largest, now = max(distances[:-1], default=0.0), distances[-1]
    generator = f"the generator ({kind} weights)"
    if now < COLLAPSE_SHARE * largest:
        return (
            f"{generator} may be collapsing: its faces differ by {now:.4f} on average, "
            f"after {largest:.4f} earlier"
        )
    if real is not None and now < REAL_SHARE * real:
        return (
            f"{generator} may have collapsed, or has learned nothing yet: its faces differ by "
            f"{now:.4f} on average, real ones by {real:.4f}"
        )
    return None


class GanWatch:
    """Call it with each look of `train_gan` (`on_look`).

    Adds to the look: `generator`, with `pairwise_distance` of the generated faces (averaged
    weights), `trained_pairwise_distance` and, where given, `real_pairwise_distance`; and
    `alarms`. Writes `samples/step-<n>.png` of the averaged weights
    and everything to TensorBoard.

    Args:
        trainer: being trained.
        folder: of the run.
        summaries: its TensorBoard folder, or None.
        real: faces uint8 [n, size, size, 3] to compare the distance with, or None.
    """

    def __init__(
        self,
        trainer: GanTrainer,
        folder: str | Path,
        summaries: RunSummaries | None = None,
        real: np.ndarray | None = None,
    ) -> None:
        self.trainer, self.summaries = trainer, summaries
        self.samples = Path(folder) / "samples"
        self.faces = FaceGenerator(trainer)
        self.z = latents(trainer.config.seed, -1, COMPARED)  # no step of training has number -1
        self.distances: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        self.real_distance = None if real is None else _distance(real[:COMPARED])

    def resume(self, history: Sequence[dict[str, Any]]) -> None:
        """Take over the distances of looks before an interruption."""
        for kind, key in _KINDS.items():
            looks = [look["generator"] for look in history]
            self.distances[kind] = [look[key] for look in looks if key in look]

    def __call__(self, look: dict[str, Any]) -> None:
        images = self._compare(look)
        for alarm in look["alarms"]:
            print(f"  step {look['step']}: {alarm}", file=sys.stderr, flush=True)
        grid = image_grid(images[:GRID])
        write_image(self.samples / f"step-{look['step']:08d}.png", grid)
        if self.summaries is not None:
            for group in ("train", "validation", "generator"):
                self.summaries.scalars(look["step"], group, look[group])
            with self.summaries.writer.as_default(look["step"]):
                tf.summary.image("faces from fixed latents", grid[None])

    def _compare(self, look: dict[str, Any]) -> np.ndarray:
        """Add distances and alarms to `look`; give the faces of the averaged weights."""
        generator: dict[str, float] = {}
        look |= {"generator": generator, "alarms": []}
        shown = {}
        for kind, key in _KINDS.items():
            self.faces.refresh(average=kind == "averaged")
            shown[kind] = self.faces(self.z)
            self.distances[kind].append(_distance(shown[kind]))
            generator[key] = self.distances[kind][-1]
            alarm = collapse_alarm(self.distances[kind], self.real_distance, kind)
            look["alarms"] += [alarm] if alarm else []
        if self.real_distance is not None:
            generator["real_pairwise_distance"] = self.real_distance
        return shown["averaged"]

    def animate(self) -> Path | None:
        """Write `samples/training.gif` of all grids so far; None where there is none."""
        paths = sorted(self.samples.glob("step-*.png"))
        if not paths:
            return None
        frames = [captioned(read_image(p), f"update {int(p.stem[5:])}") for p in paths]
        write_animation(self.samples / "training.gif", frames)
        return self.samples / "training.gif"


def _distance(images: np.ndarray) -> float:
    return pairwise_distance(images.astype(np.float64) / 128.0)
