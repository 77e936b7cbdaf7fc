"""Which tables and figures there are and what runs each: the index of `experiments/run.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

from kaffect.errors import ConfigError, expected_received

Command = Callable[[argparse.Namespace], None]

PROFILE_NAMES = ("smoke", "demo", "paper")

# name -> (what it is, module and function that runs it); modules load on use, so
# that --help and a mistyped name answer at once.
TABLES: dict[str, tuple[str, str]] = {
    "I": ("the part annotated for Action Units", "experiments.data_statistics:run_table"),
    "II": ("sample frames with their labels", "experiments.data_statistics:run_table"),
    "III": ("frames with each Action Unit", "experiments.data_statistics:run_table"),
    "IV": ("the part annotated for expressions", "experiments.data_statistics:run_table"),
    "V": ("generator, 32x32", "experiments.gan_tables:print_layers"),
    "VI": ("discriminator, 32x32", "experiments.gan_tables:print_layers"),
    "VII": ("generator, 96x96", "experiments.gan_tables:print_layers"),
    "VIII": ("discriminator, 96x96", "experiments.gan_tables:print_layers"),
    "IX": ("losses of the GAN's discriminator", "experiments.gan:run_table_ix"),
    "X": ("weights of the two losses", "experiments.recognition:run_table"),
    "XI": ("loss functions and learning rates", "experiments.recognition:run_table"),
    "A1": ("second study: expressions, F1 of every class", "experiments.affwild2:run_table"),
    "A2": ("second study: Action Units, F1 of every unit", "experiments.affwild2:run_table"),
    "A3": ("second study: valence and arousal", "experiments.affwild2:run_table"),
    "A4": ("second study: three tasks in one network", "experiments.affwild2:run_table"),
    "A5": ("second study: initialisation, augmentation, losses", "experiments.affwild2:run_table"),
}
FIGURES: dict[str, tuple[str, str]] = {
    "1": ("faces in the valence-arousal plane, and AUs", "experiments.data_statistics:run_figure"),
    "2": ("valence and arousal of the AU videos", "experiments.data_statistics:run_figure"),
    "3": ("histogram of the expressions", "experiments.data_statistics:run_figure"),
    "4": ("valence and arousal, expression videos", "experiments.data_statistics:run_figure"),
    "5": ("the VGGFACE-GRU-attention network", "experiments.figures:figure_5"),
    "6": ("all training subjects of the Action Unit videos", "experiments.gan_figures:figure_6"),
    "7": ("faces that the GAN of Table IX generates", "experiments.gan_figures:figure_7"),
}

_TREE = ("keep_going", "length_tolerance")
_RUN = ("row", "data", "profile", "seeds", "out", "resume", "dry_run", "precision", *_TREE)
_PICTURE = ("data", "profile", "out", "dry_run")
_ALWAYS = ("table", "figure", "debug")
# What each function reads of the command line; every other flag is refused, not ignored.
FLAGS: dict[str, tuple[str, ...]] = {
    "experiments.data_statistics:run_table": _PICTURE,
    "experiments.data_statistics:run_figure": _PICTURE,
    "experiments.gan_tables:print_layers": ("kernel",),
    "experiments.gan:run_table_ix": (*_RUN, "set", "configuration", "kernel"),
    "experiments.recognition:run_table": (*_RUN, "implementation", "cnn", "weights"),
    "experiments.affwild2:run_table": (*_RUN, "set", "weights"),
    "experiments.figures:figure_5": ("profile", "out", "dry_run", "implementation"),
    "experiments.gan_figures:figure_6": (*_PICTURE, *_TREE),
    "experiments.gan_figures:figure_7": (
        *_PICTURE, *_TREE, "resume", "precision", "set", "configuration", "kernel", "model",
    ),
}  # fmt: skip


def summary() -> str:
    """The tables and figures, one a line."""
    entries = [(f"--table {name}", what) for name, (what, _) in TABLES.items()]
    entries += [(f"--figure {name}", what) for name, (what, _) in FIGURES.items()]
    return "\n".join(f"  {flag:<13} {what}" for flag, what in entries)


def command_for(options: argparse.Namespace, unset: argparse.Namespace) -> Command:
    """The function that serves `options`.

    Args:
        options: of the command line.
        unset: the same of a command line without flags.

    Raises:
        ConfigError: no such table or figure, or a flag that it does not use; lists what there is.
    """
    kind, entries = ("table", TABLES) if options.table is not None else ("figure", FIGURES)
    name = getattr(options, kind)
    key = name.upper()
    if key not in entries:
        raise ConfigError(expected_received(f"--{kind}: unknown {kind}", tuple(entries), name))
    setattr(options, kind, key)
    target = entries[key][1]
    used = FLAGS[target]
    for flag, value in vars(options).items():
        if flag not in (*used, *_ALWAYS) and value != getattr(unset, flag):
            known = ", ".join(_spelt(name) for name in used)
            what = f"{_spelt(flag)}: {kind} {key} does not use it"
            raise ConfigError(f"{what}. Expected some of {known}. Received: {_shown(value)}")
    module, function = target.split(":")
    command: Command = getattr(import_module(module), function)
    return command


def _spelt(flag: str) -> str:
    return "--" + flag.replace("_", "-")


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
