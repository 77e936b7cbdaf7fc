"""The network that comes with the project: what commands read faces with when none is named.

`scripts/train_own_model` makes it from rendered faces alone; docs/own_model.md has its scores.
"""

from __future__ import annotations

from pathlib import Path

NAME = "affect"
# NAME with its one version: the layout that `kaffect serve` takes.
OWN_MODEL = Path(__file__).parent / "own" / NAME
NOTE = (
    "note: no network is named: the project's own reads the faces. It was trained on rendered "
    "faces alone and is often wrong on real ones; its MODEL_CARD.md says how often"
)


def announced_own_model() -> Path:
    """`OWN_MODEL`, after one line for the user that says that it is used."""
    print(f"{NOTE} ({OWN_MODEL})", flush=True)
    return OWN_MODEL
