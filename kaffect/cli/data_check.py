"""`kaffect data check`: find mistakes in a data tree that would spoil training (Section II)"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError, expected_received


def register(actions: Any) -> None:
    """Add the command to `kaffect data`."""
    check = actions.add_parser("check", help="look for anomalies in annotated videos")
    check.add_argument("tree", type=Path, help="data tree: videos/, annotations/, ...")
    check.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    check.add_argument("--decode", action="store_true", help="decode every video as well")
    check.add_argument(
        "--ignore", default="", metavar="KIND,...", help="kinds that are neither told nor counted"
    )
    check.add_argument(
        "--partition", type=Path, metavar="CSV", help="track,split instead of the tree's own sets"
    )
    check.add_argument("--list", action="store_true", help="print the kinds of anomalies and stop")
    check.set_defaults(run=check_data)


def check_data(options: argparse.Namespace) -> int:
    """`kaffect data check`: exit code 0 where nothing was found, else 1."""
    from kaffect.curation.anomalies import KINDS
    from kaffect.curation.check import check_tree
    from kaffect.curation.split_tree import read_partition

    if options.list:
        for kind, what in KINDS.items():
            print(f"{kind:<16} {what}")
        return 0
    ignored = set(filter(None, options.ignore.split(",")))
    if not ignored <= set(KINDS):
        raise ConfigError(expected_received("--ignore", set(KINDS), options.ignore))
    if not options.tree.is_dir():
        raise ConfigError(f"{options.tree}: no such folder. Expected a data tree")
    sets = read_partition(options.partition) if options.partition is not None else None
    report = check_tree(options.tree, decode=options.decode, partition=sets)
    found = [anomaly for anomaly in report.anomalies if anomaly.kind not in ignored]
    if options.json:
        answer = {
            "tree": str(report.root),
            "sound": not found,
            "counts": report.counts,
            "anomalies": [anomaly.to_dict() for anomaly in found],
        }
        print(json.dumps(answer, indent=1, sort_keys=True))
        return 1 if found else 0
    for anomaly in found:
        print(anomaly)
    looked = ", ".join(f"{count} {what}" for what, count in report.counts.items())
    print(f"{len(found) or 'no'} anomalies in {looked}")
    return 1 if found else 0
