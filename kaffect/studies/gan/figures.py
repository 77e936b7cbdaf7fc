"""Figures 6 and 7: all training subjects, and generated faces (paper Section V-A.2)."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from kaffect.config.gan import GanConfig
from kaffect.config.preparation import Preparation
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ConfigError, DatasetError
from kaffect.files import read_json
from kaffect.studies import gan as study
from kaffect.studies.command import data_name, run_plan
from kaffect.studies.experiment import Figure
from kaffect.studies.finding import find_trained
from kaffect.studies.gan.portraits import portraits
from kaffect.studies.image_grids import image_grid, write_image
from kaffect.studies.options import is_given, preparation_of
from kaffect.studies.pictures import read_images
from kaffect.studies.plan import (
    Plan,
    make_plan,
    profile_name,
    require_data,
    with_precision,
)
from kaffect.studies.sources import Source, open_source
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.precision import precision_here
from kaffect.training.runs import RUN, RunDescription, load_gan

ROW = 5  # VA + AU with MSE: the joint model


def figure_6(figure: Figure, options: argparse.Namespace) -> None:
    """One face of every training subject of the Action Unit set, as one PNG."""
    path = (options.out or Path("runs")) / "figure_6.png"
    if options.dry_run:
        print(f"would draw all training subjects of the Action Unit set into {path}")
        return
    source = _faces_of(options.data, profile_name(options), options, preparation_of(options))
    rows = subject_rows(source.split("train"))
    if not len(rows):
        raise DatasetError(f"{source.name}: no frame of the training set shows a face")
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


def _faces_of(
    data: Path | None, profile: str, options: argparse.Namespace, prepare: Preparation
) -> Source:
    """The videos with Action Units, and those with expressions beside them."""
    return open_source(
        data,
        study.STUDY.profiles[profile],
        "au",
        prepare=prepare,
        keep_going=options.keep_going,
        tasks=("va", "au"),
    )


def figure_7(figure: Figure, options: argparse.Namespace) -> None:
    """Generated faces of a GAN of Table IX (row 5): of a finished run, else trained here.

    `--model DIR` takes the GAN of that folder instead.
    """
    if options.model is not None:
        _draw_given(options)
        return
    plan = _plan(options)
    config: GanConfig = next(plan.trainings()).config
    size = config.model.name.removeprefix("configuration-")
    out = options.out or Path("runs") / f"figure-7-{plan.profile.name}-{size}"
    if options.dry_run:
        print(f"would draw faces of {config.model.title} into {out}, and train it first")
        return
    source = _faces_of(plan.data, plan.profile.name, options, plan.preparation())
    plan = with_precision(plan, precision_here("auto"))
    gan = finished_gan(plan, source.prepared.hash, out / "gan")
    if gan is None:
        training = next(plan.trainings())
        folder = run_plan(plan, out / "gan", options.resume)
        gan = folder / "checkpoints" / training.name
    print(f"figure 7: the GAN in {gan}, after {config.in_rounds(config.train.steps)} updates")
    _draw(gan, source, out)


def _plan(options: argparse.Namespace) -> Plan:
    """The plan of the joint row of Table IX with one seed and one configuration."""
    plan = make_plan(find_trained("IX"), options)
    plan = replace(plan, rows=((ROW, plan.table.rows[ROW - 1]),), seeds=(0,))
    plan = replace(plan, variants=plan.variants[:1])
    if is_given(options, "kernel") and plan.variants[0] == study.ONE:
        raise ConfigError(
            f"--kernel {options.kernel}: this is configuration 1, which has no other filters; "
            "add --configuration 2"
        )
    return plan


def _draw(gan: Path, source: Source, out: Path) -> None:
    for path in portraits(gan, source, out):
        print(f"figure 7: {path}")
    compared = read_json(out / "nearest.json")["compared"]
    mirrored = ", each also mirrored" if compared["also_mirrored"] else ""
    print(
        f"nearest.png compares {compared['generated_faces']} generated faces with all "
        f"{compared['training_faces']:,} training faces ({compared['labelled']:,} with labels, "
        f"{compared['unlabelled']:,} without){mirrored}; distances in nearest.json"
    )


def _draw_given(options: argparse.Namespace) -> None:
    """The pictures of the GAN in `--model`.

    Raises:
        ConfigError: a flag that its own settings decide, or other data than it was trained on.
        ArtifactError: no GAN is there.
    """
    gan: Path = options.model
    for flag in ("configuration", "kernel", "precision", "set", "resume"):
        if is_given(options, flag):
            raise ConfigError(f"--{flag} cannot be used with --model: that GAN is trained already")
    load_gan(gan)
    run = RunDescription.read(gan)
    out = options.out or Path("runs") / f"figure-7-{gan.resolve().name}"
    if options.dry_run:
        print(f"would draw faces of the GAN in {gan} into {out}")
        return
    data = require_data(options.data)
    name, wanted = run.data["name"], run.data["hash"]
    if data is None and run.data["kind"] == "real":
        raise ConfigError(
            f"--model {gan}: expected --data DIR, the data it was trained on, {name!r}. "
            "Received: none"
        )
    prepare = preparation_of(options, run.config.prepare)
    source = _faces_of(data, options.profile or run.profile or "demo", options, prepare)
    if wanted != source.prepared.hash:
        accepted = f"the data it was trained on, {name!r} ({wanted})"
        received = f"{source.name!r} ({source.prepared.hash}); name its tree by --data"
        raise ConfigError(f"--model {gan}: expected {accepted}. Received: {received}")
    _draw(gan, source, out)


def finished_gan(plan: Plan, data_hash: str, own: Path) -> Path | None:
    """The newest finished GAN with the settings of the plan's first training and these data.

    Args:
        data_hash: of the prepared data.
        own: results folder of this figure's own GAN; looked at after Table IX's below `runs/`.
    """
    config = next(plan.trainings()).config
    name = f"table-{plan.table.name}-{plan.profile.name}-{data_name(plan.data)}-*"
    found = sorted(Path("runs").glob(f"{name}/checkpoints/*/{RUN}"), reverse=True)
    for path in (*found, *sorted(own.glob(f"checkpoints/*/{RUN}"))):
        run = RunDescription.read(path.parent)
        same = run.config == config and run.data["hash"] == data_hash
        steps = config.in_rounds(config.train.steps)
        if same and CheckpointFolder(path.parent).last() == steps:
            return path.parent
    return None
