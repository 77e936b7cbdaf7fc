"""Reproduce a table or a figure of the paper: `python experiments/run.py --table XI`.

Serves the researcher; thin on purpose. Without flags a table runs on the
embedded synthetic data in the demo profile with one seed; `--data DIR` runs the
same rows on an annotated data tree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# `python experiments/run.py` puts experiments/ on the path, not the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments import catalogue  # noqa: E402
from experiments.affwild2_definitions import CRITERIA  # noqa: E402
from kaffect.config import CNN_REGIMES, IMPLEMENTATIONS, PRECISIONS  # noqa: E402
from kaffect.data.tree_flags import add_tree_flags  # noqa: E402
from kaffect.entry import run_command  # noqa: E402
from kaffect.errors import ConfigError  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """The command line; building it imports nothing heavy."""
    p = argparse.ArgumentParser(
        prog="experiments/run.py",
        description=__doc__.splitlines()[0],
        epilog="tables and figures:\n" + catalogue.summary(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", metavar="NAME", help="table of the paper, for example XI")
    what.add_argument("--figure", metavar="N", help="figure of the paper, for example 5")
    p.add_argument("--row", type=int, metavar="N", help="only this row, counted from 1")
    p.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="annotated data tree; tables A1-A5 also a .csv of stills",
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="tables IX and A1-A5: a setting for every row, as gan.steps=4000, train.epochs=30",
    )
    p.add_argument(
        "--profile",
        choices=catalogue.PROFILE_NAMES,
        help="how much work: " "demo without --data, paper with it",
    )
    p.add_argument("--seeds", type=int, default=1, metavar="N", help="runs per row (default 1)")
    p.add_argument("--out", type=Path, metavar="DIR", help="results folder (default below runs/)")
    p.add_argument("--resume", action="store_true", help="go on where an earlier run stopped")
    p.add_argument("--dry-run", action="store_true", help="print what would run, write nothing")
    add_tree_flags(p)
    p.add_argument("--precision", choices=PRECISIONS, default="auto")
    p.add_argument(
        "--implementation",
        choices=IMPLEMENTATIONS,
        default="fused",
        help="of the recurrence: fused, or cell step by step",
    )
    p.add_argument(
        "--cnn",
        choices=CNN_REGIMES,
        default="fixed",
        help="train behind a fixed CNN, or end to end (Section IV-C.2)",
    )
    p.add_argument(
        "--weights", metavar="FILE", help="weights of the CNN: keras-vggface 'notop', ResNet-18"
    )
    p.add_argument(
        "--criteria",
        choices=CRITERIA,
        default="official",
        help="tables A1-A5: formulas of the newer challenges, or of the first (ABAW-1)",
    )
    p.add_argument("--configuration", type=int, choices=(1, 2), help="GAN tables: only this one")
    p.add_argument(
        "--kernel",
        type=int,
        choices=(5, 7),
        default=5,
        help="GAN tables: filter size of configuration 2",
    )
    p.add_argument("--model", type=Path, metavar="DIR", help="figure 7: of this trained GAN")
    p.add_argument(
        "--debug", action="store_true", help="show tracebacks, and all that TensorFlow writes"
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code (0 done, 2 a mistake, 130 interrupted)."""
    known = parser()

    def command(options: argparse.Namespace) -> None:
        unset = argparse.Namespace(**{name: known.get_default(name) for name in vars(options)})
        if options.seeds < 1:
            raise ConfigError(f"--seeds: expected 1 or more. Received: {options.seeds}")
        catalogue.command_for(options, unset)(options)

    return run_command(
        known,
        arguments,
        command,
        interrupted="what is finished is kept; the same command with --resume goes on",
    )


if __name__ == "__main__":
    sys.exit(main())
