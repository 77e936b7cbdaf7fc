"""`kaffect data ...`: make, check and prepare data sets, for the user with videos of their own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from kaffect.cli import data_annotators, data_check, data_split, data_statistics
from kaffect.errors import ConfigError
from kaffect.labels import LABEL_SPACES, TASKS
from kaffect.studies.options import TREE, add_flags, preparation_of


def register(commands: Any) -> None:
    """Add the group to the command line."""
    data = commands.add_parser("data", help="make, check and prepare data sets")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")

    render = actions.add_parser("render", help="render the embedded synthetic Aff-Wild as videos")
    render.add_argument("out", type=Path, help="folder to write; must not exist")
    render.add_argument("--profile", choices=("smoke", "demo", "paper"), default="demo")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--label-space", choices=tuple(LABEL_SPACES), default="aff-wild")
    render.set_defaults(run=render_data)

    prepare = actions.add_parser("prepare", help="annotated videos -> TFRecords with a manifest")
    prepare.add_argument("tree", type=Path, help="data tree: videos/, annotations/, ...")
    prepare.add_argument("--out", type=Path, help="default: the cache in $KAFFECT_HOME")
    prepare.add_argument("--image-size", type=int, default=96, help="side of a crop in pixels")
    prepare.add_argument("--encoding", choices=("jpeg", "png", "raw"), default="jpeg")
    prepare.add_argument("--reencode", action="store_true", help="also store MP4 files at 30 fps")
    prepare.add_argument("--task", choices=TASKS, help="only this one's annotation and sets")
    add_flags(prepare, TREE)
    prepare.add_argument("--workers", type=int, default=2, help="videos at a time")
    prepare.add_argument(
        "--beam",
        metavar="OPTIONS",
        help='run as an Apache Beam pipeline, as in --beam="--runner=DirectRunner"',
    )
    prepare.set_defaults(run=prepare_data)

    data_check.register(actions)
    data_annotators.register(actions)
    data_split.register(actions)
    data_statistics.register(actions)


def render_data(options: argparse.Namespace) -> None:
    """`kaffect data render`."""
    from kaffect.synthetic import SyntheticConfig, write_tree

    if options.out.exists():
        raise ConfigError(f"{options.out}: exists already; name a folder that does not")
    config = SyntheticConfig.profile(
        options.profile, seed=options.seed, label_space=options.label_space
    )
    write_tree(options.out, config)
    print(f"synthetic data: {options.out}")


def prepare_data(options: argparse.Namespace) -> None:
    """`kaffect data prepare`."""
    from kaffect.data.prepared.prepare import Runner, prepare_tree
    from kaffect.data.prepared.records import PreparedData
    from kaffect.data.tree import DataTree

    runner: Runner | None = None
    if options.beam is not None:
        from kaffect.data.prepared.beam import beam_runner

        runner = beam_runner(options.beam)

    path = prepare_tree(
        DataTree.open(options.tree, (options.task,) if options.task else TASKS),
        options.out,
        image_size=options.image_size,
        encoding=options.encoding,
        reencode=options.reencode,
        keep_going=options.keep_going,
        workers=options.workers,
        runner=runner,
        **preparation_of(options).to_dict(),
    )
    prepared = PreparedData.open(path)
    for note in (*prepared.missing, *prepared.notes):
        print(f"note: {note}")
    for bad in prepared.manifest.get("skipped", ()):
        print(f"skipped: {bad['video']}: {bad['reason']}", file=sys.stderr)
    for split in prepared.splits:
        index = prepared.split(split)
        faces = int(index.has_face.sum())
        print(
            f"{split}: {len(index.tracks)} tracks, {len(index)} frames at {prepared.fps} fps, "
            f"{faces} of them with a face"
        )
    print(f"prepared data: {path}")
