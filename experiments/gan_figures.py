"""Figures 6 and 7: all training subjects, and generated faces (paper Section V-A.2)."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from experiments.gan import GanPlan, make_plan
from experiments.gan_portraits import portraits
from experiments.gan_row import run_gan_row
from experiments.pictures import read_images
from experiments.plans import TreeOptions, data_name, require_data
from experiments.profiles import PROFILES
from experiments.sources import Source, open_source
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ConfigError, DatasetError
from kaffect.evaluation.pictures import image_grid, write_image
from kaffect.files import read_json, write_json
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_loop import RESULT, saved_config
from kaffect.training.precision import precision_here
from kaffect.training.summaries import RunSummaries

ROW = 5  # VA + AU with MSE: the joint model


def figure_6(options: argparse.Namespace) -> None:
    """One face of every training subject of the Action Unit set, as one PNG."""
    path = (options.out or Path("runs")) / "figure_6.png"
    profile = options.profile or ("demo" if options.data is None else "paper")
    if options.dry_run:
        print(f"would draw all training subjects of the Action Unit set into {path}")
        return
    source = open_source(options.data, PROFILES[profile], "au", options=TreeOptions.of(options))
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


def figure_7(options: argparse.Namespace) -> None:
    """Generated faces of a GAN of Table IX (row 5): of a finished run, else trained here.

    `--model DIR` takes the GAN of that folder instead.
    """
    if options.model is not None:
        _draw_given(options)
        return
    plan = make_plan(argparse.Namespace(**{**vars(options), "row": ROW, "table": "IX"}))
    configuration = plan.configurations[0]
    if options.kernel != GanConfig.kernel and configuration == 1:
        raise ConfigError(
            f"--kernel {options.kernel}: this is configuration 1, which has no other filters; "
            "add --configuration 2"
        )
    name = plan.base(configuration).name.removeprefix("configuration-")
    out = options.out or Path("runs") / f"figure-7-{plan.profile.name}-{name}"
    if options.dry_run:
        print(f"would draw faces of configuration {configuration} into {out}, and train it first")
        return
    source = open_source(
        plan.data, PROFILES[plan.profile.name], "au", options=plan.tree, tasks=("va", "au")
    )
    plan = dataclasses.replace(plan, precision=precision_here(plan.precision))
    config = plan.rows[0][1].configure(
        plan.base(configuration), source.prepared.label_space, plan.seeds[0]
    )
    gan = finished_gan(plan, config, source.prepared.hash, out / "gan")
    if gan is None:
        gan = out / "gan"
        _train(config, source, gan, options.resume)
    print(f"figure 7: the GAN in {gan}, after {config.in_rounds(config.steps)} updates")
    _draw(gan, source, out)


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
    _require_nothing_decided(options)
    saved_config(gan)
    result = read_json(gan / RESULT) if (gan / RESULT).is_file() else {}
    out = options.out or Path("runs") / f"figure-7-{gan.resolve().name}"
    if options.dry_run:
        print(f"would draw faces of the GAN in {gan} into {out}")
        return
    data = require_data(options.data)
    if data is None and result.get("data_kind") == "real":
        raise ConfigError(
            f"--model {gan}: expected --data DIR, the data it was trained on, "
            f"{result.get('data_name')!r}. Received: none"
        )
    profile = options.profile or result.get("profile", "demo")
    source = open_source(data, PROFILES[profile], "au", options=TreeOptions.of(options))
    trained_on = result.get("data_hash", source.prepared.hash)
    if trained_on != source.prepared.hash:
        wanted = f"the data it was trained on, {result.get('data_name')!r} ({trained_on})"
        received = f"{source.name!r} ({source.prepared.hash}); name its tree by --data"
        raise ConfigError(f"--model {gan}: expected {wanted}. Received: {received}")
    _draw(gan, source, out)


def _require_nothing_decided(options: argparse.Namespace) -> None:
    """Raises `ConfigError` for a flag that a trained GAN leaves no choice of."""
    decided = [
        ("--configuration", options.configuration is not None),
        ("--kernel", options.kernel != GanConfig.kernel),
        ("--precision", options.precision != "auto"),
        ("--set", bool(options.set)),
        ("--resume", options.resume),
    ]
    for flag, given in decided:
        if given:
            raise ConfigError(f"{flag} cannot be used with --model: that GAN is trained already")


def finished_gan(plan: GanPlan, config: GanConfig, data_hash: str, own: Path) -> Path | None:
    """The newest GAN that has trained `config` on these very data.

    Args:
        data_hash: of the prepared data.
        own: folder of this figure's own GAN; looked at after Table IX's runs below `runs/`.
    """
    name = data_name(plan.data)
    pattern = f"table-{plan.table.name}-{plan.profile.name}-{name}-*/gans/*/{RESULT}"
    for path in (*sorted(Path("runs").glob(pattern), reverse=True), own / RESULT):
        result = read_json(path) if path.is_file() else {}
        same = (result.get("config"), result.get("data_hash")) == (config.to_dict(), data_hash)
        if same and CheckpointFolder(path.parent).last() == config.in_rounds(config.steps):
            return path.parent
    return None


def _train(config: GanConfig, source: Source, gan: Path, resume: bool) -> None:
    summaries = RunSummaries(gan.parent / "tensorboard", {"configuration": config.configuration})
    _, part = run_gan_row(config, source, gan, summaries, label="figure 7", resume=resume)
    summaries.close()
    made_of = {
        "config": config.to_dict(),
        "data_name": source.name,
        "data_kind": source.kind,
        "data_hash": source.prepared.hash,
        "scored_split": source.scored_split,
        "crop_rule": source.prepared.crop_rule.to_dict(),
    }
    write_json(gan / RESULT, {**part, **made_of}, sealed=True)
