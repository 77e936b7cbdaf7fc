"""The authors' released networks as an export: `predict` and `serve` take it as any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from kaffect.models.affwildnet_import import load_affwildnet
from kaffect.models.affwildnet_variables import RESEARCH_USE_ONLY
from kaffect.serving.export import Extra, export_model
from kaffect.serving.facts import Facts

_NOTES = (
    "weights of others: nothing was measured here, and how their faces were cropped is only "
    "known in outline (a detector's box, no alignment)",
    "(x - 128) / 128 on RGB, as the authors' evaluation code has it",
)


def import_affwildnet(
    checkpoint: str | Path | Mapping[str, np.ndarray], out: str | Path, extras: Iterable[Extra] = ()
) -> Path:
    """Read a TensorFlow 1 checkpoint of AffWildNet and write it as an export.

    Args:
        checkpoint: see `load_affwildnet`.
        out: folder NAME/VERSION; must not exist.

    Raises:
        ArtifactError: not such a checkpoint.
        ConfigError: `out` is not accepted.
    """
    network = load_affwildnet(checkpoint)
    return export_model(network, out, affwildnet_facts(network), extras=extras)


def affwildnet_facts(network: keras.Model) -> Facts:
    """What a user must know of an imported network, or of one trained further from it."""
    head = network.get_layer("sequence_head")
    recurrent = any(isinstance(layer, keras.layers.GRU) for layer in head.layers)
    units = [layer.units for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    variant = "VGGFACE-GRU" if recurrent else f"VGGFACE 4096-{units[0]}-2, single frames"
    return Facts(
        title=f"AffWildNet ({variant}): valence and arousal, as released by its authors",
        data={"name": "Aff-Wild (trained by its authors)", "kind": "real", "hash": ""},
        notes=_NOTES,
        licence=RESEARCH_USE_ONLY,
        source={"origin": "TensorFlow 1 checkpoint, read by kaffect"},
    )
