"""Figures 6 and 7: all training subjects, and generated faces (paper Section V-A.2)."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from experiments.gan import GanPlan, make_plan
from experiments.gan_faces import real_faces
from experiments.gan_row import run_gan_row
from experiments.pictures import read_images
from experiments.plans import data_name
from experiments.profiles import PROFILES
from experiments.sources import Source, open_source
from kaffect.data.records import FrameIndex
from kaffect.evaluation.generation import FaceGenerator, interpolate, nearest_faces
from kaffect.evaluation.pictures import image_grid, write_image
from kaffect.files import read_json, write_json
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import make_deterministic
from kaffect.training.gan import latents
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_loop import load_gan
from kaffect.training.precision import precision_here
from kaffect.training.summaries import RunSummaries

ROW = 5  # VA + AU with MSE: the joint model
COPIES = 4000  # training faces among which the nearest is looked for


def figure_6(options: argparse.Namespace) -> None:
    """One face of every training subject of the Action Unit set, as one PNG."""
    path = (options.out or Path("runs")) / "figure_6.png"
    profile = options.profile or ("demo" if options.data is None else "paper")
    if options.dry_run:
        print(f"would draw all training subjects of the Action Unit set into {path}")
        return
    source = open_source(options.data, PROFILES[profile], "au")
    rows = subject_rows(source.split("train"))
    write_image(path, image_grid(read_images(source.split("train"), rows)))
    print(f"figure 6: {path} ({len(rows)} subjects of {source.name})")


def subject_rows(index: FrameIndex) -> np.ndarray:
    """For each subject the middle one of their frames with a face; a track without a subject
    counts as a person of its own."""
    tracks = index.data.manifest["splits"][index.name]["tracks"]
    faces = index.rows[index.has_face[index.rows]]
    people: dict[str, list[int]] = {}
    for number in sorted(set(index.track[faces].tolist())):
        person = tracks[number]["subject"] or index.tracks[number]
        people.setdefault(person, []).append(number)
    chosen = []
    for numbers in people.values():
        own = faces[np.isin(index.track[faces], numbers)]
        chosen.append(int(own[len(own) // 2]))
    return np.sort(np.array(chosen, np.int64))


def figure_7(options: argparse.Namespace) -> None:
    """Generated faces of a GAN of Table IX (row 5): of a finished run, else trained here."""
    plan = make_plan(argparse.Namespace(**{**vars(options), "row": ROW, "table": "IX"}))
    configuration = plan.configurations[0]
    out = options.out or Path("runs") / f"figure-7-{plan.profile.name}-{configuration}"
    if options.dry_run:
        print(f"would draw faces of configuration {configuration} into {out}, and train it first")
        return
    source = open_source(plan.data, PROFILES[plan.profile.name], "au")
    config = plan.rows[0][1].configure(
        plan.base(configuration), source.prepared.label_space, plan.seeds[0]
    )
    gan = finished_gan(plan, config)
    if gan is None:
        gan = out / "gan"
        _train(plan, config, source, gan, options.resume)
    print(f"figure 7: the GAN in {gan}, after {config.in_rounds(config.steps)} updates")
    for path in portraits(gan, source, out):
        print(f"figure 7: {path}")


def finished_gan(plan: GanPlan, config: GanConfig) -> Path | None:
    """The newest run of Table IX below `runs/`, on the same data, that has trained `config`."""
    pattern = (
        f"table-{plan.table.name}-{plan.profile.name}-{data_name(plan.data)}-*/gans/*/gan.json"
    )
    total = config.in_rounds(config.steps)
    for path in sorted(Path("runs").glob(pattern), reverse=True):
        same = read_json(path).get("config") == config.to_dict()
        if same and CheckpointFolder(path.parent).last() == total:
            return path.parent
    return None


def _train(plan: GanPlan, config: GanConfig, source: Source, gan: Path, resume: bool) -> None:
    make_deterministic(config.seed)
    summaries = RunSummaries(gan.parent / "tensorboard", {"configuration": config.configuration})
    policy = precision_here(plan.precision)
    run_gan_row(config, source, gan, summaries, policy, label="figure 7", resume=resume)
    summaries.close()


def portraits(gan: Path, source: Source, out: Path, seed: int = 1) -> list[Path]:
    """Write faces, their nearest training faces and an interpolation of the GAN in `gan`.

    Returns:
        `figure_7.png` (64 faces); `nearest.png` (odd rows generated, below each the training
        face that is nearest); `interpolation.png`; `nearest.json` with the distances and, as a
        measure, the distance of each training face to its nearest in another video.
    """
    trainer = load_gan(gan)
    size = trainer.config.image_size
    generator = FaceGenerator(trainer)
    faces = generator(latents(seed, 0, 64))
    real, rows = real_faces(source, size, COPIES)
    index, distance = nearest_faces(faces[:32], real)
    pairs = np.stack([faces[:32].reshape(4, 8, *faces.shape[1:]),
                      real[index].reshape(4, 8, *faces.shape[1:])], axis=1)  # fmt: skip
    path = interpolate(latents(seed, 1, 5).numpy(), 10)[:40]
    write_image(out / "figure_7.png", image_grid(faces, columns=8))
    write_image(out / "nearest.png", image_grid(pairs.reshape(-1, *faces.shape[1:]), columns=8))
    write_image(out / "interpolation.png", image_grid(generator(path), columns=10))
    tracks = source.split("train").track[rows]
    report = {
        "gan": dataclasses.asdict(trainer.config),
        "updates": int(trainer.step.numpy()),
        "generated_to_training": _summary(distance),
        "training_to_other_videos": _summary(_between_videos(real, tracks)),
        "unit": "root mean square difference in grey levels of 255",
    }
    write_json(out / "nearest.json", report)
    return [out / name for name in ("figure_7.png", "nearest.png", "interpolation.png")]


def _between_videos(real: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """How near the nearest face of another video is, for one face of each video."""
    found = []
    for track in np.unique(tracks):
        own = np.flatnonzero(tracks == track)
        _, distance = nearest_faces(real[own[len(own) // 2]][None], real[tracks != track])
        found.append(distance[0])
    return np.array(found)


def _summary(values: np.ndarray) -> dict[str, float]:
    quantiles = np.quantile(values, (0.0, 0.5, 1.0))
    return dict(zip(("smallest", "median", "largest"), map(float, quantiles)))
