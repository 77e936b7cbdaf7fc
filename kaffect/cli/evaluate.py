"""`kaffect evaluate`: one checkpoint on one split, for the researcher with a trained network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the command line."""
    evaluate = commands.add_parser("evaluate", help="score one checkpoint on one split")
    evaluate.add_argument("folder", type=Path, help="a run: RESULTS/checkpoints/row-NN-seed-N")
    evaluate.add_argument("--split", choices=("train", "validation", "test"), default="test")
    evaluate.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="data tree or prepared data (default: what the run was trained on)",
    )
    evaluate.add_argument("--which", choices=("best", "last"), default="best", help="checkpoint")
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    evaluate.set_defaults(run=run_evaluate)


def run_evaluate(options: argparse.Namespace) -> None:
    """`kaffect evaluate`."""
    from kaffect.evaluation.runs import evaluate_run, find_prepared
    from kaffect.training.runs import load_run

    run = load_run(options.folder, options.which)
    if options.data is None:
        prepared = find_prepared(run.description)
    else:
        prepared = _prepared(options.data, run.description.crop_rule.image_size)
    metrics = evaluate_run(run, prepared, options.split)
    about = {
        "run": str(options.folder),
        "step": run.step,
        "split": options.split,
        "data": str(prepared.root),
        "data_kind": "synthetic" if prepared.synthetic else "real",
        "precision": run.precision,
    }
    if options.json:
        print(json.dumps({**about, "metrics": metrics}, sort_keys=True))
        return
    print(
        f"{options.folder}, step {run.step}, {about['data_kind']} data, {options.split} set, "
        f"{run.precision}:"
    )
    for name, value in metrics.items():
        print(f"  {name:24s} {value:8.4f}")


def _prepared(data: Path, image_size: int) -> Any:
    from kaffect.data.prepared.prepare import prepare_tree
    from kaffect.data.prepared.records import PreparedData
    from kaffect.files import MANIFEST

    if (data / MANIFEST).is_file():
        return PreparedData.open(data)
    return PreparedData.open(prepare_tree(data, image_size=image_size))
