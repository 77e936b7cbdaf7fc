"""`kaffect train`: one training from a file of settings or a table's row, for the researcher."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kaffect.config import CNN_REGIMES, IMPLEMENTATIONS, PRECISIONS
from kaffect.data.tree_flags import add_tree_flags
from kaffect.errors import ConfigError


def register(commands: Any) -> None:
    """Add the command to the command line."""
    train = commands.add_parser("train", help="train one network")
    what = train.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, metavar="FILE", help="settings as JSON")
    what.add_argument("--table", choices=("X", "XI"), help="settings of a row of this table")
    train.add_argument("--row", type=int, metavar="N", help="of --table, counted from 1")
    train.add_argument("--data", type=Path, metavar="DIR", help="annotated data tree")
    train.add_argument("--profile", choices=("smoke", "demo", "paper"), help="how much work")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--out", type=Path, metavar="DIR", help="results (default below runs/)")
    train.add_argument("--resume", action="store_true", help="go on where it stopped")
    train.add_argument("--dry-run", action="store_true", help="print the settings as JSON")
    train.add_argument("--precision", choices=PRECISIONS, default="auto", help="with --table")
    train.add_argument(
        "--implementation", choices=IMPLEMENTATIONS, default="fused", help="with --table"
    )
    train.add_argument("--cnn", choices=CNN_REGIMES, default="fixed", help="with --table")
    train.add_argument("--weights", metavar="FILE", help="keras-vggface weights; with --table")
    add_tree_flags(train)
    train.set_defaults(run=run_train)


def run_train(options: argparse.Namespace) -> None:
    """`kaffect train`."""
    from experiments.single import plan_from_file, plan_from_row, train_one

    if options.config is not None:
        plan = plan_from_file(options.config, options)
    elif options.row is None:
        raise ConfigError(f"train --table {options.table}: name one row with --row N")
    else:
        options.seeds = 1
        plan = plan_from_row(options)
    train_one(plan, options)
