"""What layers and networks are checked for alike."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np

# The whole of what Keras writes: no code, no pickle.
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}


def loaded_again(model: keras.Model, folder: Path) -> keras.Model:
    """`model` saved and loaded in safe mode; the file holds nothing but JSON and arrays."""
    path = folder / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == MEMBERS
    return keras.saving.load_model(path, safe_mode=True)


def require_seeded(
    first: keras.layers.Layer, again: keras.layers.Layer, other: keras.layers.Layer
) -> int:
    """`first` and `again` start alike, `other` with other numbers, and no weight repeats another.

    Returns:
        How many weights start with random numbers.
    """
    random = []
    for one, two, three in zip(first.weights, again.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)
        if one.dtype.startswith("float") and np.ptp(one.numpy()) > 0:
            assert not np.array_equal(one, three), one.path
            random.append(one.numpy().ravel()[:4].tobytes())
    assert len(set(random)) == len(random), "two weights start with the same numbers"
    return len(random)
