"""What the commands `kaffect` and `experiments/run.py` share: a quiet start and how they end.

Only an entry point may change what holds for the whole process; it does so here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence

from kaffect.errors import KaffectError
from kaffect.quiet_start import quiet_tensorflow

MISTAKE, INTERRUPTED = 2, 130
Command = Callable[[argparse.Namespace], int | None]


def run_command(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    command: Command,
    *,
    interrupted: str,
) -> int:
    """Parse, run `command` and give the exit code: its own, 2 for a mistake, 130 interrupted.

    A mistake is one line. Whoever reads the output may stop (`| head`); that is no mistake.

    Args:
        parser: has the option --debug, which shows tracebacks and all that TensorFlow writes.
        arguments: of the command line; None takes those of the process.
        interrupted: what to say after Ctrl-C.
    """
    code = 0
    try:
        try:
            code = _run(parser.parse_args(arguments), command, interrupted)
        finally:
            # Here and not when Python ends, where a closed pipe is a traceback.
            print(end="", flush=True)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(options: argparse.Namespace, command: Command, interrupted: str) -> int:
    # TensorFlow logs at error level what is no error; its real errors are exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if options.debug else "3")
    # Deterministic kernels; TensorFlow has no public way back, so no library code asks for them.
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    try:
        with contextlib.nullcontext() if options.debug else quiet_tensorflow():
            return command(options) or 0
    except KaffectError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print(f"\ninterrupted: {interrupted}", file=sys.stderr)
        return INTERRUPTED
