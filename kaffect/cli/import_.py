"""`kaffect import affwildnet`: the authors' released networks, for whoever has their file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the group to the command line."""
    group = commands.add_parser("import", help="take over networks that others trained")
    kinds = group.add_subparsers(dest="kind", required=True, metavar="KIND")
    affwildnet = kinds.add_parser(
        "affwildnet", help="the authors' TensorFlow 1 checkpoints (research use only)"
    )
    affwildnet.add_argument("checkpoint", type=Path, help="prefix, file or folder of a checkpoint")
    affwildnet.add_argument(
        "--out", type=Path, required=True, help="saved_models/NAME/VERSION; must not exist"
    )
    affwildnet.set_defaults(run=run_import)


def run_import(options: argparse.Namespace) -> None:
    """`kaffect import affwildnet`."""
    from kaffect.cli.export import configure_tf_serving, tf_serving_extras
    from kaffect.models.affwildnet_variables import RESEARCH_USE_ONLY
    from kaffect.serving.import_affwildnet import import_affwildnet

    path = import_affwildnet(options.checkpoint, options.out, tf_serving_extras())
    print(f"imported and checked: {path}")
    print(RESEARCH_USE_ONLY)
    configure_tf_serving(path.parents[1])
    print(f"to read faces with it: kaffect predict VIDEO --model {path}")
