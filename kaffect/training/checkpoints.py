"""Checkpoints that survive a kill: step folders, complete or absent, and a pointer.

Serves everybody who trains: `tf.train.Checkpoint` inside a folder that is
renamed into place with a manifest, so that a damaged, unfinished or foreign
checkpoint is refused before a single variable is touched.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kaffect.errors import ArtifactError
from kaffect.files import (
    atomic_directory,
    read_json,
    remove_unfinished,
    verify_manifest,
    write_json,
    write_manifest,
)

SCHEMA = 1
_LAST, _BEST = "LAST.json", "BEST.json"


def describe_variables(objects: Mapping[str, Any]) -> list[list[Any]]:
    """Owner, path, shape and type of every variable of `objects`, in order.

    Numbers in a path are left out: Keras counts layers without a name through the
    life of a process, so they differ between two equal models.
    """
    return [
        [owner, re.sub(r"_\d+", "", variable.path), list(variable.shape), str(variable.dtype)]
        for owner, thing in objects.items()
        for variable in thing.variables
    ]


def _checkpoint(objects: Mapping[str, Any]) -> tf.train.Checkpoint:
    # A plain list per owner: the order is part of the description that is compared
    # before reading, and nothing depends on how Keras nests its trackables.
    groups = {owner: [v.value for v in thing.variables] for owner, thing in objects.items()}
    return tf.train.Checkpoint(**groups)


class CheckpointFolder:
    """Checkpoints of one run below `root`.

    Keeps the two newest and the best. `objects` maps a name to anything with a
    `variables` list (a Keras model or optimiser that is already built); its
    random seeds and optimiser slots are among them.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def save(
        self, step: int, objects: Mapping[str, Any], state: dict[str, Any], *, best: bool = False
    ) -> Path:
        """Write the checkpoint of `step` and point to it; `state` is JSON-able and comes back."""
        path = self._path(step)
        with atomic_directory(path) as folder:
            write_json(folder / "variables.json", describe_variables(objects))
            write_json(folder / "state.json", state)
            _checkpoint(objects).write(str(folder / "variables"))
            write_manifest(folder, {"schema": SCHEMA, "kind": "checkpoint", "step": step})
        write_json(self.root / _LAST, {"step": step})
        if best:
            write_json(self.root / _BEST, {"step": step})
        self._forget_old()
        return path

    def last(self) -> int | None:
        """The step of the newest complete checkpoint, or None."""
        return self._pointed(_LAST)

    def best(self) -> int | None:
        """The step of the checkpoint that validation chose, or None."""
        return self._pointed(_BEST)

    def restore(
        self, step: int, objects: Mapping[str, Any], *, only: bool = False
    ) -> dict[str, Any]:
        """Set every variable of `objects` from the checkpoint of `step`; give its `state`.

        Args:
            only: leave alone what the checkpoint holds of other owners (an optimiser, where
                only the network is wanted).

        Raises:
            ArtifactError: it is missing, damaged, unfinished or of another configuration.
        """
        path = self._path(step)
        verify_manifest(path)
        found, wanted = read_json(path / "variables.json"), describe_variables(objects)
        if only:
            found = [entry for entry in found if entry[0] in objects]
        if found != wanted:
            raise ArtifactError(
                f"{path}: a checkpoint of another configuration. {_gap(wanted, found)}"
            )
        status = _checkpoint(objects).read(str(path / "variables"))
        if only:
            status.assert_existing_objects_matched().expect_partial()
        else:
            status.assert_consumed()
        state: dict[str, Any] = read_json(path / "state.json")
        return state

    def _path(self, step: int) -> Path:
        return self.root / f"step-{step:08d}"

    def _pointed(self, pointer: str) -> int | None:
        path = self.root / pointer
        if not path.exists():
            return None
        step = read_json(path).get("step")
        if not isinstance(step, int):
            raise ArtifactError(f"{path}: expected a step number. Received: {step!r}")
        return step

    def _forget_old(self) -> None:
        remove_unfinished(self.root)
        folders = sorted(self.root.glob("step-*"))
        kept = set(folders[-2:])
        best = self.best()
        if best is not None:
            kept.add(self._path(best))
        for folder in folders:
            if folder not in kept:
                shutil.rmtree(folder)


def weights_hash(model: Any) -> str:
    """A hash of every variable's bytes: the key under which features of a fixed CNN are cached."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(variable.value.numpy().tobytes())
    return digest.hexdigest()[:16]


def _gap(wanted: list[list[Any]], found: list[list[Any]]) -> str:
    for mine, theirs in zip(wanted, found):
        if mine != theirs:
            return f"Expected {mine}. Received: {theirs}"
    return f"Expected {len(wanted)} variables. Received: {len(found)}"
