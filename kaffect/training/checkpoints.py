"""Checkpoints that survive a kill: step folders, complete or absent, and a pointer.

Serves everybody who trains: `tf.train.Checkpoint` inside a folder that is
renamed into place with a manifest, so that a damaged, unfinished or foreign
checkpoint is refused before a single variable is touched.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.files import (
    MANIFEST,
    atomic_directory,
    read_json,
    remove_unfinished,
    verify_manifest,
    write_json,
    write_manifest,
)

SCHEMA = 1
_LAST = "LAST.json"
# Everything that decides the run's numbers, as it was when the run was started.
IDENTITY = "identity.json"
# What trainings, of earlier versions too, leave beside their checkpoints; a run that starts over
# takes it away.
_LEFT = ("run.json", "gan.json", "frames.json", "result.json", "BEST.json", "predictions.csv",
         "samples/step-*.png", "samples/training.gif")  # fmt: skip


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

    def begin(
        self, identity: Mapping[str, Any], *, resume: bool, free: tuple[str, ...] = ()
    ) -> int | None:
        """State what the run is, before its first checkpoint, or compare with what is stated.

        Without `resume` the run starts over: checkpoints and results of an earlier one in
        this folder are deleted. With it, an earlier run goes on if it is the same one; a
        folder that states nothing (of an earlier version) is not compared.

        Args:
            identity: JSON-able, nested: all that decides the numbers. Empty: states nothing.
            free: dotted names of what may change when a run goes on.

        Returns:
            The step to go on from; None where the run starts at its beginning.

        Raises:
            ConfigError: the run in the folder is another one; names what differs.
        """
        identity, path = json.loads(json.dumps(identity)), self.root / IDENTITY
        last = self.last()
        if resume and last is not None:
            self.require_same(identity, free=free)
            if path.exists() and identity and read_json(path) != identity:
                write_json(path, identity, sealed=True)
            return last
        self._clear()
        path.unlink(missing_ok=True)
        if identity:
            write_json(path, identity, sealed=True)
        return None

    def require_same(self, identity: Mapping[str, Any], *, free: tuple[str, ...] = ()) -> None:
        """Raise `ConfigError` where the run in this folder is another one; writes nothing.

        Args: as of `begin`. A folder without a checkpoint or without an identity is any run's.
        """
        path = self.root / IDENTITY
        if identity and self.last() is not None and path.exists():
            identity = json.loads(json.dumps(identity))
            _require_same(self.root, read_json(path), identity, free)

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
        # One file for both: a kill between two would leave a best that `state` does not know.
        pointer = {"step": step, "best": step if best else self.best()}
        write_json(self.root / _LAST, pointer, sealed=True)
        self._forget_old(step)
        return path

    def last(self) -> int | None:
        """The step of the newest complete checkpoint, or None."""
        return self._pointed("step")

    def best(self) -> int | None:
        """The step of the checkpoint that validation chose, or None."""
        return self._pointed("best")

    def content(self, step: int) -> list[dict[str, Any]]:
        """Name, size and hash of each file of the checkpoint of `step`, as its manifest has them.

        Raises:
            ArtifactError: it is missing.
        """
        files: list[dict[str, Any]] = read_json(self._path(step) / MANIFEST)["files"]
        return files

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
        schema = verify_manifest(path).get("schema")
        if schema != SCHEMA:
            what = f"{path}: a checkpoint of another version"
            again = "; read it with the version that wrote it, or train again"
            raise ArtifactError(expected_received(what, SCHEMA, schema) + again)
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

    def _pointed(self, key: str) -> int | None:
        path = self.root / _LAST
        if not path.exists():
            return None
        step = _pointer(path).get(key)
        if not isinstance(step, int) and (key == "step" or step is not None):
            raise ArtifactError(f"{path}: expected a step number. Received: {step!r}")
        return step

    def _clear(self) -> None:
        if self.last() is not None:
            # The pointer first: without it nothing of the rest is taken for a run.
            (self.root / _LAST).unlink()
            for pattern in _LEFT:
                for path in self.root.glob(pattern):
                    path.unlink()
        for folder in self.root.glob("step-*"):
            shutil.rmtree(folder)

    def _forget_old(self, step: int) -> None:
        remove_unfinished(self.root)
        folders = sorted(self.root.glob("step-*"))
        # One behind `step` is of a run that was killed before it pointed there.
        kept = set([folder for folder in folders if folder <= self._path(step)][-2:])
        best = self.best()
        if best is not None:
            kept.add(self._path(best))
        for folder in folders:
            if folder not in kept:
                shutil.rmtree(folder)


def _pointer(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: expected the steps of checkpoints. Received: {found!r:.60}")
    return found


def differences(
    stated: Mapping[str, Any], identity: Mapping[str, Any], free: Collection[str] = ()
) -> list[str]:
    """What two identities differ in: "name: expected that of `stated`, received ...".

    Args:
        free: dotted names that are not compared. A setting that only one of the two knows is of
            another version: there is nothing to compare.
    """
    theirs, mine = _flat(stated), _flat(json.loads(json.dumps(identity)))
    return [
        f"{name}: expected {theirs[name]!r}, received {mine[name]!r}"
        for name in mine
        if name in theirs and name not in free and theirs[name] != mine[name]
    ]


def _require_same(
    root: Path, stated: Mapping[str, Any], identity: Mapping[str, Any], free: tuple[str, ...]
) -> None:
    differing = differences(stated, identity, free)
    if differing:
        raise ConfigError(
            f"{root}: the run there was started otherwise and cannot go on like this. "
            f"{'; '.join(differing)}. Start another run with another --out or without --resume"
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        found |= {f"{prefix}{key}": value} if inner is None else inner
    return found


def weights_hash(model: Any) -> str:
    """A hash of a model's weights alone, the same in whatever precision it computes."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(f"{tuple(variable.shape)} {variable.dtype};".encode())
        digest.update(variable.value.numpy().tobytes())
    return digest.hexdigest()[:16]


def network_hash(model: Any) -> str:
    """A hash of everything that decides a Keras model's answers: what its features are cached by.

    Of every variable's bytes and of the model's own description, which has the layers with their
    settings: preprocessing and precision are among them and have no variables.
    """
    digest = hashlib.sha256(model.to_json().encode())
    for variable in model.variables:
        digest.update(variable.value.numpy().tobytes())
    return digest.hexdigest()[:16]


def _gap(wanted: list[list[Any]], found: list[list[Any]]) -> str:
    for mine, theirs in zip(wanted, found):
        if mine != theirs:
            return f"Expected {mine}. Received: {theirs}"
    return f"Expected {len(wanted)} variables. Received: {len(found)}"
