"""`kaffect train`: one training, for the researcher and for the user with pictures of his own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kaffect.labels import TASKS
from kaffect.studies.options import ENGINE, FLAGS, add_flags

# What is said of a whole table and not of one training.
_OF_TABLES = ("seeds", "shard", "report", "model", "criteria", "task", *ENGINE)
_FLAGS = tuple(name for name in FLAGS if name not in _OF_TABLES)


def register(commands: Any) -> None:
    """Add the command to the command line."""
    train = commands.add_parser("train", help="train one network")
    what = train.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, metavar="FILE", help="settings as JSON")
    what.add_argument("--table", metavar="NAME", help="settings of a row of this table")
    what.add_argument("--task", choices=TASKS, help="of a list of still pictures (--data LIST.csv)")
    add_flags(train, _FLAGS)
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(run=run_train, seeds=None, shard=None, criteria="official")


def run_train(options: argparse.Namespace) -> None:
    """`kaffect train`."""
    from kaffect.studies.single import train_one

    train_one(options)
