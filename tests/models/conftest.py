"""What the tests of the networks share: VGG-Face weights made by a recipe."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

Weights = dict[str, tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="session")
def recipe_weights() -> Callable[[int, keras.Model], Weights]:
    """`recipe_weights(seed, model)`: by layer name, as the reference numbers' README says."""

    def make(seed: int, model: keras.Model) -> Weights:
        weights: Weights = {}
        for layer in model.layers:
            if isinstance(layer, keras.layers.Conv2D):
                shape = tuple(layer.kernel.shape)
                rng = np.random.default_rng(seed + len(weights))
                kernel = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
                bias = rng.standard_normal(shape[-1]) * 0.05
                weights[layer.name] = (kernel.astype("float32"), bias.astype("float32"))
        return weights

    return make


@pytest.fixture(scope="session")
def torchvision_recipe() -> Callable[[int, dict[str, tuple[int, ...]]], dict[str, np.ndarray]]:
    """`torchvision_recipe(seed, shapes)`: name -> array, as the reference numbers' README says."""

    def make(seed: int, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        weights = {}
        for place, (name, shape) in enumerate(shapes.items()):
            r = np.random.default_rng(seed + place).standard_normal(shape)
            if len(shape) >= 2:
                value = r * np.sqrt(2 / np.prod(shape[1:]))
            elif name.endswith("running_var"):
                value = np.exp(0.1 * r)
            else:
                value = 0.1 * r + ("weight" in name)
            weights[name] = value.astype(np.float32)
        return weights

    return make
