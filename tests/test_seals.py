"""Descriptions with a hash of themselves: what was changed by hand or damaged is rejected."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from kaffect.errors import ArtifactError
from kaffect.seals import require_fit, seal, sealed, stable_hash, unsealed

PATH = Path("run.json")
VALUE = {"b": [1, 2.5], "a": "text"}


def test_the_hash_is_of_the_text_with_sorted_keys() -> None:
    text = '{"a": "text", "b": [1, 2.5]}'
    assert stable_hash(VALUE) == hashlib.sha256(text.encode()).hexdigest()[:16]
    with pytest.raises(ValueError):
        stable_hash({"loss": float("nan")})


def test_a_sealed_value_comes_back_after_json() -> None:
    assert unsealed(PATH, json.loads(json.dumps(sealed(VALUE)))) == VALUE
    for earlier in (VALUE, [1, 2], None):
        assert unsealed(PATH, earlier) == earlier, "earlier versions wrote no hash"


@pytest.mark.parametrize(
    "change", [{"a": "Text"}, {"b": [1, 2.6]}, {"new": 1}, {"seal": "0" * 16}, {"seal": None}]
)
def test_a_changed_value_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="run.json: damaged"):
        unsealed(PATH, {**sealed(VALUE), **change})


@pytest.mark.parametrize("lost", ["a", "seal", "sealed"])
def test_a_lost_entry_is_rejected(lost: str) -> None:
    with pytest.raises(ArtifactError, match="run.json: damaged"):
        unsealed(PATH, {k: v for k, v in sealed(VALUE).items() if k != lost})


def test_files_of_a_manifest_are_outside_of_its_hash() -> None:
    manifest = {**seal(VALUE), "files": {"x": 1}}
    require_fit(PATH, manifest)
    assert unsealed(PATH, manifest) == manifest, "its reader compares the hash"
    with pytest.raises(ValueError, match="no keys"):
        sealed({"files": {}})
