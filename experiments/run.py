"""Reproduce a table or a figure of the paper: `python experiments/run.py --table XI`.

Serves the researcher; thin on purpose. Without flags a table runs on the
embedded synthetic data in the demo profile with three seeds; `--data DIR` runs the
same rows on an annotated data tree.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# `python experiments/run.py` puts experiments/ on the path, not the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kaffect.entry import run_command  # noqa: E402
from kaffect.errors import ConfigError  # noqa: E402
from kaffect.studies import everything, finding  # noqa: E402
from kaffect.studies.engine import engine_of, process_variables  # noqa: E402
from kaffect.studies.experiment import loaded  # noqa: E402
from kaffect.studies.options import FLAGS, add_flags  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """The command line; building it imports nothing heavy."""
    p = argparse.ArgumentParser(
        prog="experiments/run.py",
        description=(__doc__ or "").splitlines()[0],
        epilog="tables and figures:\n" + finding.summary(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = p.add_mutually_exclusive_group()
    what.add_argument(
        "--table", metavar="NAME", help="table, for example XI, all of them, or FILE.py of yours"
    )
    what.add_argument("--figure", metavar="N", help="figure of the paper, for example 5")
    add_flags(p, FLAGS)
    p.add_argument(
        "--debug", action="store_true", help="show tracebacks, and all that TensorFlow writes"
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code (0 done, 2 a mistake, 130 interrupted)."""

    def command(options: argparse.Namespace) -> None:
        os.environ.update(process_variables(engine_of(options)))
        if options.report or (options.report is not None and options.table is None):
            loaded("kaffect.studies.results_page:report_results")(options)
        elif options.table is None and options.figure is None:
            raise ConfigError(
                "name a table (--table), a figure (--figure) or --report [FOLDER ...]"
            )
        elif (options.table or "").upper() == everything.ALL:
            everything.run_all(finding.tables(), options)
        elif options.table is not None:
            finding.run(finding.find_table(options.table), options)
        else:
            finding.run(finding.find_figure(options.figure), options)

    return run_command(
        parser(),
        arguments,
        command,
        interrupted="what is finished is kept; the same command with --resume goes on",
    )


if __name__ == "__main__":
    sys.exit(main())
