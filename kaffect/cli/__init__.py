"""The command `kaffect`: one entry for everything that is not a table of the paper.

Serves the engineer and the user with videos of their own; thin on purpose. Each
group of commands is a module with a function `register`, and loads what it needs
on use, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from kaffect import __version__
from kaffect.cli import annotate, data, evaluate, export, generate, import_, predict, serve, train
from kaffect.errors import KaffectError

GROUPS = (data, annotate, train, evaluate, generate, import_, export, predict, serve)


def parser() -> argparse.ArgumentParser:
    """The command line; building it imports nothing heavy."""
    p = argparse.ArgumentParser(prog="kaffect", description=(__doc__ or "").splitlines()[0])
    p.add_argument("--version", action="version", version=f"kaffect {__version__}")
    p.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in GROUPS:
        group.register(commands)
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code.

    0 done, 1 where a command found what it was asked to look for (`data check`),
    2 a mistake, 130 interrupted.
    """
    options = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if options.debug else "3")
    try:
        return options.run(options) or 0
    except KaffectError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output (`| head`) has seen enough; Python would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted: nothing half-written was left behind", file=sys.stderr)
        return 130
