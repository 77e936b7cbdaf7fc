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
COLLAPSE_SHARE = 0.5


def collapse_alarm(distances: Sequence[float], share: float = COLLAPSE_SHARE) -> str | None:
    """A sentence if the newest mean pairwise distance is below `share` of the largest before it.

    A generator that maps all latents to one face has a distance near 0; while it learns,
    the distance grows towards that of real faces.
    """
    if len(distances) < 2:
        return None
    largest, now = max(distances[:-1]), distances[-1]
    if now >= share * largest:
        return None
    return (
        f"the generator may be collapsing: its faces differ by {now:.4f} on average, "
        f"after {largest:.4f} earlier"
    )


class GanWatch:
    """Call it with each look of `train_gan` (`on_look`).

    Adds to the look: `generator`, with `pairwise_distance` of the generated faces and, where
    given, of real ones, and `alarms`. Writes `samples/step-<n>.png` of the averaged weights
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
        self.distances: list[float] = []
        self.real_distance = None if real is None else _distance(real[:COMPARED])

    def resume(self, history: Sequence[dict[str, Any]]) -> None:
        """Take over the distances of looks before an interruption."""
        self.distances = [look["generator"]["pairwise_distance"] for look in history]

    def __call__(self, look: dict[str, Any]) -> None:
        self.faces.refresh()
        images = self.faces(self.z)
        self.distances.append(_distance(images))
        generator = {"pairwise_distance": self.distances[-1]}
        if self.real_distance is not None:
            generator["real_pairwise_distance"] = self.real_distance
        alarm = collapse_alarm(self.distances)
        look |= {"generator": generator, "alarms": [alarm] if alarm else []}
        if alarm:
            print(f"  step {look['step']}: {alarm}", file=sys.stderr, flush=True)
        grid = image_grid(images[:GRID])
        write_image(self.samples / f"step-{look['step']:08d}.png", grid)
        if self.summaries is not None:
            for group in ("train", "validation", "generator"):
                self.summaries.scalars(look["step"], group, look[group])
            with self.summaries.writer.as_default(look["step"]):
                tf.summary.image("faces from fixed latents", grid[None])

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
