"""What `--start` takes over: the layers of a trained network that fit another by name and shape.

For the user who goes on from a network of his own, or from the project's, on other data. The
source is the folder of a run of any study, or an export. Not in the paper.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from kaffect.config.start import Start
from kaffect.errors import ArtifactError, expected_received
from kaffect.serving.loading import export_hash, load_export, version_folder
from kaffect.studies.problems import StartError
from kaffect.training.gan import GanTrainer
from kaffect.training.runs import (
    RunDescription,
    SequenceNetworks,
    content_hash,
    find_run,
    is_run,
    load_run,
    runs_below,
)

# Networks of a GAN: their layers have the same names, so that neither fills the other.
_OF_A_GAN = ("generator", "discriminator")
# State of random generators is no weight.
_NOT_WEIGHTS = "seed_generator"
_MOST = 6  # layers that a note names
Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Filled:
    """Layers of a network that got weights (`taken`), and that kept their initial ones (`left`)."""

    taken: tuple[str, ...]
    left: tuple[str, ...]

    def __add__(self, other: Filled) -> Filled:
        return Filled(self.taken + other.taken, self.left + other.left)


class Startable(Protocol):
    """What `begin` fills: the training of a row."""

    filled: Filled | None

    @property
    def networks(self) -> Mapping[str, keras.Model]:
        """By role."""

    def started(self) -> None:
        """Is called when they are filled."""


@dataclass(frozen=True)
class StartWeights:
    """The weights of a run or an export.

    Attributes:
        name: for reports; content: its hash.
        networks: network -> path of a variable ("conv1/kernel") -> its value.
    """

    name: str
    content: str
    networks: Mapping[str, Weights]

    def fill(self, network: keras.Model, role: str = "network") -> Filled:
        """Set each layer of `network` of which all weights have name and shape of one here.

        Args:
            role: of a GAN's networks 'generator' or 'discriminator', which are filled from their
                own kind alone.
        """
        own = self._of(role)
        taken: list[str] = []
        left: list[str] = []
        for layer, variables in _layers(network).items():
            values = [own.get(variable.path) for variable in variables]
            fits = all(
                v is not None and v.shape == tuple(w.shape) for v, w in zip(values, variables)
            )
            (taken if fits else left).append(layer)
            for variable, value in zip(variables, values):
                if fits:
                    variable.assign(value)
        return Filled(tuple(taken), tuple(left))

    def _of(self, role: str) -> Weights:
        if role in _OF_A_GAN:
            return self.networks.get(role, {})
        merged: dict[str, np.ndarray] = {}
        for name, weights in self.networks.items():
            merged |= weights if name not in _OF_A_GAN else {}
        return merged

    def require_taken(self, filled: Filled) -> None:
        """Reject a start of which nothing fits.

        Raises:
            StartError: says what the two networks have.
        """
        if not filled.taken:
            mine = sorted({name for weights in self.networks.values() for name in weights})
            what = f"--start {self.name}: no layer fits the network by name and shape. Its layers"
            expected = f"some of {_named(filled.left)}"
            raise StartError(expected_received(what, expected, _named(_owners(mine))))

    def note(self, filled: Filled) -> str:
        """What was taken and what was not, in one line."""
        count = len(filled.taken) + len(filled.left)
        rest = (
            f"left at their initialisation: {_named(filled.left)}" if filled.left else "none left"
        )
        taken = f"{len(filled.taken)} of {count} layers taken ({_named(filled.taken)})"
        return f"started from {self.name}, {self.content[:19]}: {taken}; {rest}"


def begin(row: Startable, start: Start) -> dict[str, Any]:
    """Fill the networks of a row from the run of `start`, and say so in one line.

    Returns:
        `notes` for the report and `record`, what the row's record has of it; empty without a run.

    Raises:
        StartError: as `read_start`, or nothing of the run fits.
    """
    if start.run is None:
        return {}
    weights = read_start(start)
    filled = row.filled or Filled((), ())
    for role, network in row.networks.items():
        filled += weights.fill(network, role)
    weights.require_taken(filled)
    row.started()
    note = weights.note(filled)
    print(note, flush=True)
    facts = {"content": weights.content, "taken": list(filled.taken), "left": list(filled.left)}
    return {"notes": (note,), "record": {"start": facts}}


def content_of(path: str | Path) -> str:
    """The hash of what a start is made from: "run:..." (description and weights), "sha256:...".

    Raises:
        StartError: `path` is neither a run (or a results folder with one) nor an export.
    """
    folder, kind = _found(Path(path))
    try:
        return f"sha256:{export_hash(folder)}" if kind == "export" else f"run:{_run_hash(folder)}"
    except ArtifactError as error:
        raise StartError(f"--start {path}: {error}") from error


def read_start(start: Start) -> StartWeights:
    """The weights that the settings name.

    Raises:
        StartError: there is none, it is damaged, or it is another than the settings say.
    """
    content = content_of(str(start.run))
    if start.content and content != start.content:
        what = (
            f"--start {start.run}: has changed since the training was planned. Hash of its content"
        )
        raise StartError(expected_received(what, start.content, content))
    return _read(str(Path(str(start.run)).resolve()), content)


@functools.lru_cache(maxsize=2)
def _read(path: str, content: str) -> StartWeights:
    folder, kind = _found(Path(path))
    try:
        networks = _of_export(folder) if kind == "export" else _of_run(folder)
    except ArtifactError as error:
        raise StartError(f"--start {path}: {error}") from error
    name = "/".join(folder.resolve().parts[-2:]) if kind == "export" else folder.name
    return StartWeights(name, content, networks)


def _found(path: Path) -> tuple[Path, str]:
    """The folder that holds the weights, and what it is."""
    try:
        if is_run(path) or next(runs_below(path), None) is not None:
            return find_run(path), "run"
        return version_folder(path), "export"
    except ArtifactError as error:
        accepted = "the folder of a run, a results folder with one, or an export NAME/VERSION"
        raise StartError(expected_received(f"--start {path}", accepted, _received(path))) from error


def _received(path: Path) -> str:
    if not path.exists():
        return "nothing of that name"
    return "a file" if path.is_file() else "another folder"


def _run_hash(folder: Path) -> str:
    return content_hash(folder, _which(folder))


def _which(folder: Path) -> str:
    """A GAN is judged as training leaves it; other networks by their best checkpoint."""
    return "last" if RunDescription.read(folder).kind == "gan" else "best"


def _of_run(folder: Path) -> dict[str, Weights]:
    """In float32, in which variables are kept in every precision."""
    networks = load_run(folder, _which(folder), policy="float32").networks
    found: dict[str, Any] = {"network": networks}
    if isinstance(networks, GanTrainer):
        found = {name: getattr(networks, name) for name in _OF_A_GAN}
    elif isinstance(networks, SequenceNetworks):
        found = {"network": networks.trained}
        if networks.encoder is not None:
            found["encoder"] = networks.encoder
    return {
        name: {v.path: v.value.numpy() for v in model.variables} for name, model in found.items()
    }


def _of_export(folder: Path) -> dict[str, Weights]:
    export = load_export(folder)
    weights = export.weights()
    if export.kind == "generator":
        return {"generator": weights}
    return {"network": weights, "discriminator": weights}


def _layers(network: keras.Model) -> dict[str, list[keras.Variable]]:
    """Layers with weights, in their order, nested models' too: path -> variables."""
    found: dict[str, list[keras.Variable]] = {}
    for variable in network.variables:
        layer = variable.path.rpartition("/")[0]
        if not layer.rpartition("/")[2].startswith(_NOT_WEIGHTS):
            found.setdefault(layer, []).append(variable)
    return found


def _owners(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path.rpartition("/")[0] or path for path in paths))


def _named(layers: Sequence[str]) -> str:
    """Some of them by name: "conv1, bn1 and 30 more"."""
    more = len(layers) - _MOST
    words = ", ".join(layers[:_MOST]) or "none"
    return f"{words} and {more} more" if more > 0 else words
