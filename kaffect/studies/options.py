"""The flags of `experiments/run.py` and `kaffect train`, each said once (for the researcher)."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kaffect.config.base import from_dict
from kaffect.config.choices import PRECISIONS
from kaffect.config.preparation import ALIGNMENTS, DEFAULT_DETECTOR, DETECTORS, Preparation
from kaffect.config.recognition import CNN_REGIMES, IMPLEMENTATIONS
from kaffect.data.video.lengths import FEWEST_TOLERATED, SHARE_TOLERATED
from kaffect.errors import ConfigError
from kaffect.labels import TASKS
from kaffect.studies.experiment import PROFILE_NAMES

# --criteria -> criterion of the newer challenges -> what stands in its place; None: no column.
CRITERIA: dict[str, dict[str, str | None]] = {
    "official": {},
    "abaw1": {"p_expr": "abaw1_expr", "p_au": "abaw1_au", "p_mtl": None},
}

FLAGS: dict[str, dict[str, Any]] = {
    "row": {"type": int, "metavar": "N", "help": "only this row, counted from 1"},
    "data": {
        "type": Path,
        "metavar": "DIR",
        "help": "annotated data tree, or a folder of 'kaffect data prepare'; tables A1-A5 also "
        "take a .csv of stills",
    },
    "set": {
        "action": "append",
        "default": [],
        "metavar": "NAME=VALUE",
        "help": "a setting for every row, as train.steps=4000",
    },
    "task": {"choices": TASKS, "help": "tables I to IV: only its annotation and sets"},
    "profile": {
        "choices": PROFILE_NAMES,
        "help": "how much work: demo without --data, paper with it",
    },
    "seeds": {
        "type": int,
        "metavar": "N",
        "help": "runs per row (default: 3 for a whole table in the demo profile, else 1)",
    },
    "out": {"type": Path, "metavar": "DIR", "help": "results folder (default below runs/)"},
    "shard": {
        "metavar": "I/N",
        "help": "only every Nth run, from the Ith on, into a folder of its own",
    },
    "engine": {
        "metavar": "NAME",
        "default": "local",
        "help": "what trains the runs: local (one after the other), or ray (pip install "
        "'kaffect[ray]')",
    },
    "address": {
        "metavar": "HOST:PORT",
        "help": "with --engine ray: of a running cluster (default: Ray on this machine)",
    },
    "workers": {
        "type": int,
        "metavar": "N",
        "help": "with --engine ray: runs at a time (default: as many as the processors allow)",
    },
    "threads": {
        "type": int,
        "metavar": "N",
        "help": "of TensorFlow, for each run (default: all processors; with ray 1)",
    },
    "resume": {"action": "store_true", "help": "go on where an earlier run stopped"},
    "dry_run": {"action": "store_true", "help": "print what would run, write nothing"},
    "report": {
        "type": Path,
        "nargs": "*",
        "metavar": "FOLDER",
        "help": "train nothing: one page over the results in these folders (default: all in "
        "runs/); with --table and --out alone, that table's report again",
    },
    "profile_steps": {
        "type": int,
        "default": 0,
        "metavar": "N",
        "help": "profile so many updates of each run for TensorBoard, as 10",
    },
    "keep_going": {"action": "store_true", "help": "leave out bad videos; the report lists them"},
    "length_tolerance": {
        "type": int,
        "metavar": "FRAMES",
        "help": "by which a video and its annotation may differ (default: the larger of "
        f"{FEWEST_TOLERATED} and {100 * SHARE_TOLERATED:g} %%)",
    },
    "detector": {
        "choices": DETECTORS,
        "help": "finds the faces of tracks without a file in boxes/; none: centre of the frame "
        f"(default: {DEFAULT_DETECTOR})",
    },
    "detector_model": {"metavar": "FILE", "help": "model file of mediapipe"},
    "align": {
        "choices": ALIGNMENTS,
        "help": "none: the face box as it is (the paper, and the default); 5-point: by eyes, "
        "nose and mouth",
    },
    "precision": {"choices": PRECISIONS, "default": "auto"},
    "implementation": {
        "choices": IMPLEMENTATIONS,
        "default": "fused",
        "help": "of the recurrence: fused, or cell step by step",
    },
    "cnn": {
        "choices": CNN_REGIMES,
        "default": "fixed",
        "help": "train behind a fixed CNN, or end to end (Section IV-C.2)",
    },
    "weights": {"metavar": "FILE", "help": "of the CNN: keras-vggface, AffWildNet; ResNet-18"},
    "start": {
        "type": Path,
        "metavar": "RUN",
        "help": "begin with the layers of this run (of any study) or export that fit by name and "
        "shape",
    },
    "criteria": {
        "choices": tuple(CRITERIA),
        "default": "official",
        "help": "formulas of the newer challenges, or of the first (ABAW-1)",
    },
    "configuration": {"type": int, "choices": (1, 2), "help": "of the GAN: only this one"},
    "kernel": {
        "type": int,
        "choices": (5, 7),
        "default": 5,
        "help": "filter size of the GAN's configuration 2",
    },
    "model": {"type": Path, "metavar": "DIR", "help": "figure 7: of this trained GAN"},
}

# The flags of settings that say how a tree is prepared.
PREPARATION = {
    name: f"{Preparation.PART}.{name}"
    for name in ("length_tolerance", "detector", "detector_model", "align")
}
TREE = ("keep_going", *PREPARATION)
# What trains the runs of a table.
ENGINE = ("engine", "address", "workers", "threads")
RUN = (
    "row",
    "data",
    "profile",
    "seeds",
    "shard",
    *ENGINE,
    "out",
    "resume",
    "dry_run",
    "report",
    "precision",
    "set",
    "start",
    "profile_steps",
    *TREE,
)
PICTURE = ("data", "profile", "out", "dry_run")
# What `--report` reads of the command line.
WITH_REPORT = ("out", "report", "criteria")
# Tables I to IV and figures 1 to 4, which count the labels of a tree.
COUNTS = (*PICTURE, "task")


def add_flags(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add the flags of these names."""
    for name in names:
        parser.add_argument(spelt(name), **FLAGS[name])


def spelt(name: str) -> str:
    """The flag as typed on the command line."""
    return "--" + name.replace("_", "-")


def is_given(options: argparse.Namespace, name: str) -> bool:
    """Whether the flag was given a value other than its default."""
    default = False if FLAGS[name].get("action") == "store_true" else FLAGS[name].get("default")
    return bool(getattr(options, name) != default)


def require_used(options: argparse.Namespace, used: Iterable[str], rule: str) -> None:
    """Reject a flag that was given but that the command does not use.

    Args:
        rule: what the message says of the flag, which stands for `{}`.

    Raises:
        ConfigError: names the flag, those that are used, and what was received.
    """
    for flag in FLAGS:
        if flag not in used and hasattr(options, flag) and is_given(options, flag):
            value = getattr(options, flag)
            received = ", ".join(map(str, value)) if isinstance(value, list) else value
            known = ", ".join(map(spelt, used))
            said = rule.format(spelt(flag))
            raise ConfigError(f"{said}. Expected some of {known}. Received: {received}")


def require_report(options: argparse.Namespace) -> None:
    """Reject flags of training beside `--report`.

    Raises:
        ConfigError: names the flag.
    """
    require_used(options, WITH_REPORT, "--report: {} does not go with it")


def preparation_of(options: argparse.Namespace, default: Preparation | None = None) -> Preparation:
    """How the flags of a command say that its tree is prepared; else as `default` has it.

    Raises:
        ConfigError: values that are not accepted together.
    """
    values = (default or Preparation()).to_dict()
    values |= {name: getattr(options, name) for name in PREPARATION if is_given(options, name)}
    return from_dict(Preparation, values, "flags")
