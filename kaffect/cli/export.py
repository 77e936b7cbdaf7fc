"""`kaffect export`: a trained network as a SavedModel, for the engineer who serves it."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from kaffect.config import EXPORT_PRECISIONS
from kaffect.errors import ConfigError


def register(commands: Any) -> None:
    """Add the group to the command line."""
    export = commands.add_parser("export", help="write a trained network as a SavedModel")
    export.add_argument("--run", type=Path, metavar="DIR", dest="source", help="run or results")
    export.add_argument("--out", type=Path, help="saved_models/NAME/VERSION; must not exist")
    export.add_argument("--check", type=Path, metavar="DIR", help="check an export and stop")
    export.add_argument("--row", type=int, help="of a results folder; default: best on validation")
    export.add_argument("--seed", type=int, help="of a results folder")
    export.add_argument("--which", choices=("best", "last"), default="best", help="checkpoint")
    export.add_argument("--part", choices=("generator", "discriminator"), help="of a GAN")
    export.add_argument(
        "--precision",
        choices=EXPORT_PRECISIONS,
        default="float32",
        help="in which the graph computes; 'run': that of the training, which its scores are of",
    )
    export.add_argument(
        "--tflite", action="store_true", help="a TensorFlow Lite file too, one frame at a time"
    )
    export.add_argument(
        "--onnx",
        action="store_true",
        help="an ONNX file too, one frame at a time; needs: pip install 'kaffect[onnx]'",
    )
    export.set_defaults(run=run_export)


def run_export(options: argparse.Namespace) -> None:
    """`kaffect export`."""
    if options.check is not None:
        _check(options.check)
        return
    if options.source is None or options.out is None:
        raise ConfigError("export: expected --run DIR and --out NAME/VERSION, or --check DIR")
    from kaffect.serving.run_export import export_run

    path = export_run(
        options.source,
        options.out,
        row=options.row,
        seed=options.seed,
        which=options.which,
        part=options.part,
        precision=options.precision,
        tflite=options.tflite,
        onnx=options.onnx,
        extras=tf_serving_extras(),
    )
    print(f"exported and checked: {path}")
    _print_hash(path)
    print(f"what it is and how to call it: {path / 'MODEL_CARD.md'}")
    configure_tf_serving(path.parents[1])


def tf_serving_extras() -> list[Any]:
    """Warm-up requests, where the package with TF Serving's messages is installed."""
    if importlib.util.find_spec("tensorflow_serving") is None:
        print("note: no files for TF Serving; they need: pip install 'kaffect[serve]'")
        return []
    from kaffect.serving.tf_serving import write_warmup

    return [write_warmup]


def configure_tf_serving(root: Path) -> None:
    """Write `models.config` for all models below `root`, and say how to serve them."""
    if importlib.util.find_spec("tensorflow_serving") is None:
        return
    from kaffect.serving.tf_serving import container_command, write_config

    names = write_config(root)
    print(f"serve it here:       kaffect serve --models {root}   ({', '.join(names)})")
    print(f"or with TF Serving:  {container_command(root)}")


def _print_hash(folder: Path) -> None:
    from kaffect.serving.loading import export_hash

    print(f"SHA-256, for kaffect serve --sha256: {export_hash(folder)}")


def _check(folder: Path) -> None:
    from kaffect.serving.loading import check_export

    for signature, difference in check_export(folder).items():
        print(f"{signature}: largest difference from the golden outputs {difference:.1e}")
    print(f"{folder}: as it was written")
    _print_hash(folder)
