"""Descriptions with a hash of themselves: a changed one is noticed like a changed file.

Serves every reader of what this software wrote: manifests, runs, pointers to checkpoints.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from kaffect.errors import ArtifactError

# Says that there is a hash, so that losing the hash is noticed too.
_SEALED = "sealed"


def stable_hash(value: Any) -> str:
    """A short hash of JSON-able `value` that is the same in every process."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seal(description: dict[str, Any]) -> dict[str, Any]:
    """`description` with a hash of itself: a changed one is noticed like a changed file.

    The list `files` of a manifest is left out of it: those files are compared with it.
    """
    content = {k: v for k, v in description.items() if k not in ("files", "seal")}
    return {**content, "seal": stable_hash(content)}


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """`value` with a hash, and a word that says so; `unsealed` takes both away."""
    if not {"files", "seal"}.isdisjoint(value):
        raise ValueError("what is sealed has no keys 'files' and 'seal' of its own")
    return seal({**value, _SEALED: True})


def unsealed(path: str | Path, value: Any) -> Any:
    """The value without its hash, where it has one; earlier versions wrote none.

    Raises:
        ArtifactError: it does not fit its hash.
    """
    if not isinstance(value, dict):
        return value
    # A manifest of prepared data has a hash without the word: its reader compares it.
    if _SEALED in value or ("seal" in value and "files" not in value):
        require_fit(path, {"seal": None, **value})
        return {k: v for k, v in value.items() if k not in ("seal", _SEALED)}
    return value


def require_fit(path: str | Path, value: dict[str, Any]) -> None:
    """Raise `ArtifactError` where `value` has a hash that is not its own."""
    if "seal" in value and seal(value)["seal"] != value["seal"]:
        raise ArtifactError(f"{path}: damaged: its contents do not fit its own hash")
