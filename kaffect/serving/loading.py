"""The one place where whole models are loaded: our own exports, checked first.

A model file is a program. What has no manifest of ours, or does not match it, is not
loaded; neither is a graph that could do more than compute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.files import MANIFEST, private_copy
from kaffect.files import sha256 as file_hash
from kaffect.files import verify_manifest
from kaffect.serving.facts import Facts
from kaffect.serving.golden import check_golden, read_golden
from kaffect.serving.scan import scan

SCHEMA = 1
ARTIFACT = "kaffect export"
KINDS = ("sequences", "frames", "generator")


class Export:
    """A loaded export.

    Attributes:
        folder, manifest, facts: what it is.
        graph: the bytes of `saved_model.pb` that were loaded.
        signatures: name -> concrete function.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], graph: bytes, loaded: Any) -> None:
        self.folder, self.manifest, self.graph = folder, manifest, graph
        self.facts = Facts.from_dict(manifest["facts"], f"{folder / MANIFEST}")
        self._loaded = loaded  # owns the variables
        self.signatures: Mapping[str, Any] = loaded.signatures

    @property
    def kind(self) -> str:
        """'sequences', 'frames' or 'generator'."""
        return str(self.manifest["kind"])

    @property
    def picture_size(self) -> int:
        """Side of the face pictures that it takes."""
        return int(self.manifest["picture_shape"][0])

    def weights(self) -> dict[str, np.ndarray]:
        """What the graph reads, by the name of its layer and its own: "conv1/kernel" -> array.

        Copies that are rounded for a graph of half precision have no layer and are left out.
        """
        variables = list(getattr(self._loaded, "parameters", ()))
        names = [variable.name.partition(":")[0] for variable in variables]
        return {n: v.numpy() for n, v in zip(names, variables) if "/" in n}

    def run(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Call a signature with arrays; give arrays.

        Raises:
            ConfigError: no such signature, or other inputs than it takes.
        """
        if signature not in self.signatures:
            raise ConfigError(expected_received("Signature", sorted(self.signatures), signature))
        wanted = self.manifest["signatures"][signature]["inputs"]
        if set(inputs) != set(wanted):
            what = f"Inputs of {signature}"
            raise ConfigError(expected_received(what, sorted(wanted), sorted(inputs)))
        tensors = {
            name: tf.convert_to_tensor(value, tf.as_dtype(wanted[name]["dtype"]))
            for name, value in inputs.items()
        }
        return {name: v.numpy() for name, v in self.signatures[signature](**tensors).items()}


def load_export(path: str | Path, sha256: Collection[str] = ()) -> Export:
    """Load the export in `path`, a version's folder or its parent (then the newest version).

    Args:
        sha256: of manifests, in hex, as `export_hash` gives them; where there are any, only
            exports with one of them are loaded.

    Raises:
        ArtifactError: not an export of this software, damaged, changed (names the file, the
            expected and the received hash), or with operations that are not accepted.
    """
    folder, manifest = verify_export(path, sha256)
    # TensorFlow takes a folder, not bytes, and reads it again: what is checked and loaded is a
    # copy that nobody else can change in between.
    with private_copy(folder, [entry["name"] for entry in manifest["files"]]) as copy:
        try:
            if verify_manifest(copy) != manifest:
                raise ArtifactError(f"{folder}: was changed while it was being loaded")
            scan(copy)
            loaded = tf.saved_model.load(str(copy))
            _require_described(folder, manifest, loaded.signatures)
            graph = (copy / "saved_model.pb").read_bytes()
        except ArtifactError as error:
            raise ArtifactError(str(error).replace(str(copy), str(folder))) from error
        except Exception as error:  # the loader's errors have no common type of their own
            reason = first_line(error).replace(str(copy), str(folder))
            raise ArtifactError(f"{folder}: cannot be loaded: {reason}") from error
    return Export(folder, manifest, graph, loaded)


def verify_export(path: str | Path, sha256: Collection[str] = ()) -> tuple[Path, dict[str, Any]]:
    """Folder and manifest of an export whose files are as they were written; loads nothing.

    Raises:
        ArtifactError: as `load_export`, but for its graph.
    """
    folder = version_folder(path)
    if sha256:
        _require_hash(folder, sha256)
    manifest = verify_manifest(folder)
    if manifest.get("artifact") != ARTIFACT:
        raise ArtifactError(
            f"{folder}: not an export of kaffect. Expected artifact {ARTIFACT!r} in {MANIFEST}. "
            f"Received: {manifest.get('artifact')!r}"
        )
    if manifest.get("schema") != SCHEMA:
        what = f"{folder}: export of another version"
        again = "; export it again from its run: kaffect export --run DIR --out NAME/VERSION"
        raise ArtifactError(expected_received(what, SCHEMA, manifest.get("schema")) + again)
    _require_complete(folder, manifest)
    return folder, manifest


def export_hash(path: str | Path) -> str:
    """The SHA-256 of an export's manifest, which holds those of all its files."""
    return file_hash(version_folder(path) / MANIFEST)


def _require_hash(folder: Path, accepted: Collection[str]) -> None:
    found = export_hash(folder)
    if found not in {text.lower() for text in accepted}:
        wanted = " or ".join(sorted(accepted))
        raise ArtifactError(
            f"{folder / MANIFEST}: another export than the one that was asked for. "
            f"Expected SHA-256 {wanted}. Received: {found}"
        )


def _require_complete(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a manifest that lacks what readers of an export rely on."""
    kinds: dict[str, type] = {
        "name": str, "version": int, "kind": str, "precision": str, "signatures": dict,
        "columns": dict, "facts": dict, "made_with": dict,
    }  # fmt: skip
    if manifest.get("kind") != "generator":
        kinds["picture_shape"] = list
    if manifest.get("kind") == "sequences":
        kinds["reset_every"] = int
    for key, kind in kinds.items():
        if type(manifest.get(key)) is not kind:
            what, expected = f"{folder / MANIFEST}: {key!r}", f"a value of type {kind.__name__}"
            raise ArtifactError(expected_received(what, expected, manifest.get(key)))
    if manifest["kind"] not in KINDS:
        what = f"{folder / MANIFEST}: kind of network"
        raise ArtifactError(expected_received(what, KINDS, manifest["kind"]))
    Facts.from_dict(manifest["facts"], f"{folder / MANIFEST}")


def check_export(path: str | Path) -> dict[str, float]:
    """Load an export and feed it its golden inputs.

    Returns:
        Signature -> largest relative difference from the golden outputs.

    Raises:
        ArtifactError: as `load_export`, or a difference above the tolerance.
    """
    return check_loaded(load_export(path))


def check_loaded(export: Export) -> dict[str, float]:
    """As `check_export`, for an export that is loaded already."""
    inputs, outputs = read_golden(export.folder)
    try:
        return check_golden(export.run, export.manifest, inputs, outputs)
    except (ArtifactError, tf.errors.OpError, ValueError) as error:
        raise ArtifactError(f"{export.folder}: {first_line(error)}") from error


def _require_described(folder: Path, manifest: Mapping[str, Any], signatures: Any) -> None:
    """Refuse a graph whose signatures are others than the manifest says."""
    described = {
        name: {
            part: {
                key: (spec["dtype"], spec["shape"]) for key, spec in sorted(signature[part].items())
            }
            for part in ("inputs", "outputs")
        }
        for name, signature in manifest["signatures"].items()
    }
    found = {
        name: {
            "inputs": _tensors(function.structured_input_signature[1]),
            "outputs": _tensors(function.structured_outputs),
        }
        for name, function in signatures.items()
    }
    if found != described:
        differing = sorted(
            name for name in found | described if found.get(name) != described.get(name)
        )
        raise ArtifactError(
            f"{folder}: its graph has other signatures than {MANIFEST} says: {differing[0]!r}"
        )


def _tensors(specs: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    return {
        name: (spec.dtype.name, spec.shape.as_list() if spec.shape.rank is not None else None)
        for name, spec in sorted(specs.items())
    }


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for messages of one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def version_folder(path: str | Path) -> Path:
    """`path` itself where it is an export, else its newest version NAME/VERSION.

    Raises:
        ArtifactError: neither.
    """
    path = Path(path)
    if (path / MANIFEST).is_file():
        return path
    versions = [
        child
        for child in (path.iterdir() if path.is_dir() else ())
        if child.name.isdecimal() and child.name.isascii() and (child / MANIFEST).is_file()
    ]
    if not versions:
        raise ArtifactError(
            f"{path}: not an exported model. Expected a folder with {MANIFEST} and "
            "saved_model.pb, as `kaffect export` writes it"
        )
    return max(versions, key=lambda child: int(child.name))
