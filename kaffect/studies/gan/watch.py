"""Monitoring of a GAN in training: sample grids, their animation and a collapse alarm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.metrics.generation import pairwise_distance
from kaffect.studies.gan.generation import FaceGenerator
from kaffect.studies.image_grids import (
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
# Keys of an entry, for each kind of weights. A slow average hides what the training does.
_KINDS = {"averaged": "pairwise_distance", "trained": "trained_pairwise_distance"}


def collapse_alarm(
    distances: Sequence[float], real: float | None = None, kind: str = "averaged"
) -> str | None:
    """A sentence if the newest of the mean pairwise distances is too small, else None.

    A generator that maps all latents to one face has a distance near 0; while it learns,
    the distance grows towards that of real faces. Too small is below half of the largest
    before it, and, from the first pass on, below a quarter of the real faces' (the first
    passes of sound runs on synthetic faces had 0.59 of it or more).

    Args:
        distances: of all validation passes so far.
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
    """Call it with the entry of each validation pass.

    Adds to the entry: `generator`, with `pairwise_distance` of the generated faces (averaged
    weights), `trained_pairwise_distance` and, where given, `real_pairwise_distance`; and
    `alarms`. Writes `samples/step-<n>.png` of the averaged weights
    and everything to TensorBoard.

    Args:
        trainer: being trained.
        folder: of the run.
        real: faces uint8 [n, size, size, 3] to compare the distance with, or None.
    """

    def __init__(
        self,
        trainer: GanTrainer,
        folder: str | Path,
        real: np.ndarray | None = None,
    ) -> None:
        self.trainer = trainer
        self.samples = Path(folder) / "samples"
        self.faces = FaceGenerator(trainer)
        self.z = latents(
            trainer.config.train.seed, -1, COMPARED
        )  # no step of training has number -1
        self.distances: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        self.real_distance = None if real is None else _distance(real[:COMPARED])

    def resume(self, history: Sequence[dict[str, Any]]) -> None:
        """Take over the distances of validation passes before an interruption."""
        for kind, key in _KINDS.items():
            entries = [entry["generator"] for entry in history]
            self.distances[kind] = [entry[key] for entry in entries if key in entry]

    def __call__(self, entry: dict[str, Any], summaries: RunSummaries | None = None) -> None:
        images = self._compare(entry)
        step = entry["step"]
        for alarm in entry["alarms"]:
            print(f"  step {step}: {alarm}", file=sys.stderr, flush=True)
        grid = image_grid(images[:GRID])
        write_image(self.samples / f"step-{step:08d}.png", grid)
        if summaries is not None:
            summaries.scalars(step, "generator", entry["generator"])
            summaries.pixels(step, "faces from fixed latents", grid)

    def _compare(self, entry: dict[str, Any]) -> np.ndarray:
        """Add distances and alarms to `entry`; give the faces of the averaged weights."""
        generator: dict[str, float] = {}
        entry |= {"generator": generator, "alarms": []}
        shown = {}
        for kind, key in _KINDS.items():
            self.faces.refresh(average=kind == "averaged")
            shown[kind] = self.faces(self.z)
            self.distances[kind].append(_distance(shown[kind]))
            generator[key] = self.distances[kind][-1]
            alarm = collapse_alarm(self.distances[kind], self.real_distance, kind)
            entry["alarms"] += [alarm] if alarm else []
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
