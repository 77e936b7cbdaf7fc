"""Generated faces beside the training faces that they resemble most (Figure 7, Section V-A.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kaffect.config.gan import GanConfig
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import DatasetError
from kaffect.files import write_json
from kaffect.progress import ProgressDisplay
from kaffect.studies.gan.faces import faces_in_parts
from kaffect.studies.gan.generation import FaceGenerator, interpolate
from kaffect.studies.gan.nearest import NearestFaces
from kaffect.studies.image_grids import captioned, image_grid, write_image
from kaffect.studies.pictures import read_images
from kaffect.studies.sources import Source
from kaffect.training.gan import latents
from kaffect.training.gan_data import GanBatches
from kaffect.training.gan_images import normalise, to_pixels
from kaffect.training.runs import load_gan

FACES, COLUMNS = 64, 8
VIDEOS = 64  # whose faces measure how near faces of other videos are


def portraits(gan: Path, source: Source, out: Path, seed: int = 1) -> list[Path]:
    """Write faces, their nearest training faces and an interpolation of the GAN in `gan`.

    Args:
        gan: folder of its checkpoints.
        source: the data that it was trained on.

    Returns:
        `figure_7.png` (64 faces); `nearest.png` (odd rows generated, below each the training
        face that is nearest); `interpolation.png`; `nearest.json` with what was compared, the
        distances and, as a measure, those of training faces to the nearest of another video.
    """
    trainer = load_gan(gan)
    generator = FaceGenerator(trainer)
    faces = generator(latents(seed, 0, FACES))
    path = interpolate(latents(seed, 1, 5).numpy(), 10)[:40]
    write_image(out / "figure_7.png", image_grid(faces, columns=COLUMNS))
    write_image(out / "interpolation.png", image_grid(generator(path), columns=10))
    search = TrainingFaces(source, trainer.config)
    nearest, between = search.nearest(faces)
    shape = (-1, COLUMNS, *faces.shape[1:])
    pairs = np.stack([faces.reshape(shape), search.show(nearest).reshape(shape)], axis=1)
    grid = image_grid(pairs.reshape(-1, *faces.shape[1:]), columns=COLUMNS)
    write_image(out / "nearest.png", captioned(grid, f"below each face: {search.title}"))
    report = {
        "gan": trainer.config.to_dict(),
        "updates": int(trainer.step.numpy()),
        "compared": {"generated_faces": FACES, **search.compared, "data_hash": search.data_hash},
        "generated_to_training": _summary(nearest.distance),
        "training_to_other_videos": _summary(between.distance),
        "unit": "root mean square difference in grey levels of 255",
        "nearest": search.describe(nearest),
    }
    write_json(out / "nearest.json", report)
    return [out / name for name in ("figure_7.png", "nearest.png", "interpolation.png")]


class TrainingFaces:
    """Every training face that a GAN of these settings is shown, labelled or not.

    Attributes:
        compared: how many there are, and whether they are mirrored too.
        title: the same in words.

    Raises:
        DatasetError: there is none.
    """

    def __init__(self, source: Source, config: GanConfig) -> None:
        self.index: FrameIndex = source.prepared.split("train")
        self.data_hash, self.size = source.prepared.hash, config.model.image_size
        self.mirror = config.data.flip
        batches = GanBatches.of(config, self.index, source.partition)
        hidden = batches.hidden if batches.without else batches.hidden[:0]
        self.labelled, self.rows = batches.labelled, np.union1d(batches.labelled, hidden)
        if not len(self.labelled):
            raise DatasetError(f"{source.name}: no annotated frame of the train set shows a face")
        self.compared = {
            "training_faces": len(self.rows),
            "labelled": len(self.labelled),
            "unlabelled": len(self.rows) - len(self.labelled),
            "also_mirrored": self.mirror,
        }
        mirrored = ", each also mirrored" if self.mirror else ""
        self.title = f"the nearest of all {len(self.rows):,} training faces{mirrored}"

    def nearest(self, faces: np.ndarray) -> tuple[NearestFaces, NearestFaces]:
        """One pass over all faces.

        Returns:
            What is nearest to `faces`; and to a labelled face of each video (at most `VIDEOS`
            of them), among the faces of the other videos.
        """
        middles = self._middles()
        tracks = self.index.track
        found = NearestFaces(faces)
        between = NearestFaces(self._read(middles), tracks[middles])
        with ProgressDisplay(len(self.rows), "nearest faces", "face") as shown:
            for part, rows in faces_in_parts(self.index, self.rows, self.size):
                for search in (found, between):
                    search.look(part, rows, groups=tracks[rows], mirror=self.mirror)
                shown.update(len(rows))
        return found, between

    def show(self, found: NearestFaces) -> np.ndarray:
        """The pictures of the nearest faces, as they were compared."""
        pictures = self._read(found.number)
        pictures[found.mirrored] = pictures[found.mirrored][:, :, ::-1]
        return pictures

    def describe(self, found: NearestFaces) -> list[dict[str, Any]]:
        """Video, mirrored or not, and distance of each nearest face, in the grid's order."""
        names = [self.index.tracks[track] for track in self.index.track[found.number]]
        values = zip(names, found.mirrored.tolist(), found.distance.tolist(), strict=True)
        return [{"video": v, "mirrored": m, "distance": round(d, 3)} for v, m, d in values]

    def _read(self, rows: np.ndarray) -> np.ndarray:
        return to_pixels(normalise(read_images(self.index, rows), self.size))

    def _middles(self) -> np.ndarray:
        """The middle labelled face of each video, of evenly spread ones where there are many."""
        tracks = self.index.track[self.labelled]
        names = np.unique(tracks)
        names = names[np.linspace(0, len(names) - 1, min(VIDEOS, len(names))).astype(int)]
        own = (self.labelled[tracks == name] for name in names)
        return np.array([rows[len(rows) // 2] for rows in own])


def _summary(values: np.ndarray) -> dict[str, float] | None:
    """None where a single video has no other to be compared with."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return dict(
        zip(("smallest", "median", "largest"), map(float, np.quantile(known, (0.0, 0.5, 1.0))))
    )
