"""The flags of every command that prepares a data tree (paper Section III)."""

from __future__ import annotations

import argparse

from kaffect.data.video.lengths import FEWEST_TOLERATED, SHARE_TOLERATED


def add_tree_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--keep-going` and `--length-tolerance`."""
    parser.add_argument(
        "--keep-going", action="store_true", help="leave out bad videos; the report lists them"
    )
    parser.add_argument(
        "--length-tolerance",
        type=int,
        metavar="FRAMES",
        help="by which a video and its annotation may differ (default: the larger of "
        f"{FEWEST_TOLERATED} and {100 * SHARE_TOLERATED:g} %%)",
    )
