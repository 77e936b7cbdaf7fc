"""`kaffect evaluate`: one trained network of any study on any data, for the researcher."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaffect.labels import SPLITS
from kaffect.studies.options import TREE, add_flags, preparation_of

if TYPE_CHECKING:
    from kaffect.studies.evaluate import Evaluation
    from kaffect.studies.robustness import Robustness


def register(commands: Any) -> None:
    """Add the command to the command line."""
    evaluate = commands.add_parser("evaluate", help="score one trained network on one split")
    evaluate.add_argument("folder", type=Path, help="a run: RESULTS/checkpoints/row-NN-seed-N")
    evaluate.add_argument("--split", choices=SPLITS, default="test")
    evaluate.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="data tree, prepared data or list of stills (.csv); default: what it was trained on",
    )
    evaluate.add_argument("--which", choices=("best", "last"), default="best", help="checkpoint")
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    evaluate.add_argument(
        "--predictions", type=Path, metavar="FILE.csv", help="write what it says of each frame"
    )
    evaluate.add_argument(
        "--robustness",
        action="store_true",
        help="score it on changed pictures too (bars over eyes, nose and mouth; dark, bright; "
        "JPEG 20; half resolution; other crops; grey; mirrored): each drop with its interval",
    )
    add_flags(evaluate, TREE)
    evaluate.set_defaults(run=run_evaluate)


def _print_scores(about: dict[str, Any], found: Evaluation, robustness: Robustness | None) -> None:
    from kaffect.studies.stored_sums import counted

    print(
        f"{about['run']}, step {about['step']}, {about['data_kind']} data, "
        f"{about['split']} set, {about['precision']}:"
    )
    if "note" in about:
        print(f"note: {about['note']}")
    for name, value in found.metrics.items():
        ends = found.intervals.get(name)
        shown = "" if ends is None else f"  [{ends[0]:.4f}, {ends[1]:.4f}]"
        print(f"  {name:24s} {value:8.4f}{shown}")
    if robustness is not None:
        print(f"lost on changed pictures (perturbations {robustness.set_hash}):")
        print("\n".join(f"  {line}" for line in robustness.lines()))
    if found.intervals:
        print(
            "[low, high]: 95 % interval over people (videos, where people are not known): "
            + ", ".join(f"{task} {counted(own.clusters)}" for task, own in found.sums.items())
        )


def run_evaluate(options: argparse.Namespace) -> None:
    """`kaffect evaluate`."""
    from kaffect.faces import other_detector
    from kaffect.studies.evaluate import evaluate_run, open_data, write_predictions
    from kaffect.studies.robustness import measure_robustness
    from kaffect.training.runs import find_run, load_run

    run = load_run(find_run(options.folder), options.which)
    prepare = preparation_of(options, run.description.config.prepare)
    prepared = open_data(options.data, run.description, prepare, options.keep_going)
    note = other_detector(run.description.detector, prepared.detector)
    found = evaluate_run(run, prepared, options.split)
    if options.predictions is not None:
        write_predictions(options.predictions, found)
    robustness = None
    if options.robustness:
        robustness = measure_robustness(run, prepared, options.split, found)
    about = {
        "run": str(run.folder),
        "study": run.description.kind,
        "step": run.step,
        "split": options.split,
        "data": str(prepared.root),
        "data_kind": "synthetic" if prepared.synthetic else "real",
        "precision": run.precision,
        "not_scored": found.not_scored,
        **({"note": note} if note else {}),
    }
    if options.json:
        intervals = {name: list(ends) for name, ends in found.intervals.items()}
        scores: dict[str, Any] = {"metrics": found.metrics, "intervals": intervals}
        if robustness is not None:
            scores["robustness"] = robustness.as_json()
        print(json.dumps({**about, **scores}, sort_keys=True))
        return
    _print_scores(about, found, robustness)
    for kind, only in found.not_scored.items():
        for who, names in only.items():
            if names:
                print(f"not scored, {kind.replace('_', ' ')} of the {who} only: {', '.join(names)}")
    if options.predictions is not None:
        print(f"predictions: {options.predictions}")
