"""The command `kaffect`: one entry for everything that is not a table of the paper.

Serves the engineer and the user with videos of their own; thin on purpose.
Each command loads what it needs on use, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kaffect import __version__
from kaffect.errors import ConfigError, KaffectError
from kaffect.labels import LABEL_SPACES


def parser() -> argparse.ArgumentParser:
    """The command line; building it imports nothing heavy."""
    p = argparse.ArgumentParser(prog="kaffect", description=__doc__.splitlines()[0])
    p.add_argument("--version", action="version", version=f"kaffect {__version__}")
    p.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = commands.add_parser("data", help="make and prepare data sets")
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
    prepare.add_argument("--image-size", type=int, default=96)
    prepare.add_argument("--encoding", choices=("jpeg", "png", "raw"), default="jpeg")
    prepare.set_defaults(run=prepare_data)
    return p


def render_data(options: argparse.Namespace) -> None:
    """`kaffect data render`."""
    from kaffect.data.synthetic import SyntheticConfig, write_tree

    if options.out.exists():
        raise ConfigError(f"{options.out}: exists already; name a folder that does not")
    config = SyntheticConfig.profile(
        options.profile, seed=options.seed, label_space=options.label_space
    )
    write_tree(options.out, config)
    print(f"synthetic data: {options.out}")


def prepare_data(options: argparse.Namespace) -> None:
    """`kaffect data prepare`."""
    from kaffect.data.prepare import prepare_tree
    from kaffect.data.records import PreparedData

    path = prepare_tree(
        options.tree, options.out, image_size=options.image_size, encoding=options.encoding
    )
    prepared = PreparedData.open(path)
    for note in prepared.missing:
        print(f"note: {note}")
    for split in prepared.splits:
        index = prepared.split(split)
        print(f"{split}: {len(index.tracks)} tracks, {len(index)} frames at {prepared.fps} fps")
    print(f"prepared data: {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code (0 done, 2 a mistake, 130 interrupted)."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if options.debug else "3")
    try:
        options.run(options)
    except KaffectError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: nothing half-written was left behind", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
