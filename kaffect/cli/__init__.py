"""The command `kaffect`: one entry for everything that is not a table of the paper.

Serves the engineer and the user with videos of their own; thin on purpose. Each
group of commands is a module with a function `register`, and loads what it needs
on use, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kaffect import __version__
from kaffect.cli import annotate, data, evaluate, export, generate, import_, predict, serve, train
from kaffect.entry import run_command

GROUPS = (data, annotate, train, evaluate, generate, import_, export, predict, serve)


def parser() -> argparse.ArgumentParser:
    """The command line; building it imports nothing heavy."""
    p = argparse.ArgumentParser(prog="kaffect", description=(__doc__ or "").splitlines()[0])
    p.add_argument("--version", action="version", version=f"kaffect {__version__}")
    p.add_argument(
        "--debug", action="store_true", help="show tracebacks, and all that TensorFlow writes"
    )
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in GROUPS:
        group.register(commands)
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0 done, 1 where a command found what it was asked to look for (`data check`),
    2 a mistake, 130 interrupted.
    """
    return run_command(
        parser(),
        arguments,
        lambda options: options.run(options),
        interrupted="nothing half-written was left behind",
    )
