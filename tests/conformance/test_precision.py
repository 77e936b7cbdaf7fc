"""Each precision against float64: loss and gradients of one update of every network.

The bounds are little above the differences that were measured, so that one cast in the wrong
place (a loss, a head's input, the folding of the recurrence's kernels) breaks one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.models import layers_compute_in
from tests.conformance.networks import CASES, Case

# As a loss is scaled in float16, whose smallest numbers are 6e-8.
SCALE = 1024.0
BF16, F16 = "mixed_bfloat16", "mixed_float16"
PARTS = ("loss", "gradient of the last layer", "gradient")

Weights = list[np.ndarray]


def update(case: Case, policy: str, weights: Weights | None) -> tuple[float, Weights, Weights]:
    """Loss, gradient of each trained variable, and the weights, of one batch in `policy`."""
    with layers_compute_in(policy):
        network = case.build(case.seed)
    if weights is not None:
        network.set_weights(weights)
    before = network.get_weights()
    with tf.GradientTape() as tape:
        loss = case.loss(network(case.inputs, training=True))
        scaled = loss * SCALE
    found = tape.gradient(scaled, [v.value for v in network.trainable_variables])
    gradients = [np.asarray(tf.convert_to_tensor(g), np.float64) / SCALE for g in found]
    return float(loss), gradients, before


def distance(found: Weights, wanted: Weights) -> float:
    """Norm of the difference of all gradients together, relative to the norm of `wanted`."""
    apart = sum(float(((a - b) ** 2).sum()) for a, b in zip(found, wanted, strict=True))
    return float(np.sqrt(apart / sum(float((b**2).sum()) for b in wanted)))


# network: precision: largest relative difference of loss, gradient of the last layer, of all.
# In networks of many ReLUs half precision moves values across 0, so that the gradient as a whole
# is noisy (scattered about the exact one) while loss and last layer stay close.
BOUNDS = {
    "sequence network, fused": {BF16: (1e-4, 5.2e-3, 5.5e-3), F16: (2e-5, 7e-4, 7.5e-4)},
    "sequence network, cell": {BF16: (1e-4, 6e-3, 5.5e-3), F16: (2e-5, 7e-4, 7.5e-4)},
    "VGGFACE-GRU-attention": {BF16: (3e-4, 5e-3, 0.06), F16: (4e-5, 6e-4, 0.02)},
    "CNN on single frames": {BF16: (1e-3, 0.025, 0.35), F16: (1e-4, 3.5e-3, 0.08)},
    "ResNet-18": {BF16: (2e-3, 0.02, 0.6), F16: (6e-4, 2e-3, 0.25)},
    "discriminator 32x32": {BF16: (5e-4, 0.013, 0.13), F16: (3e-4, 2e-3, 0.04)},
    "discriminator 96x96": {BF16: (4e-4, 0.018, 0.1), F16: (2e-4, 2e-3, 0.02)},
    "generator 32x32": {BF16: (2e-6, 8e-3, 0.11), F16: (2e-6, 5e-3, 0.06)},
    "generator 96x96": {BF16: (3e-5, 4e-3, 0.1), F16: (5e-6, 1e-3, 0.05)},
    "face features": {BF16: (7e-4, 0.018, 0.09), F16: (2e-4, 4e-3, 0.03)},
    "backbone vggface": {BF16: (4e-3, 0.08, 0.09), F16: (6e-4, 0.013, 0.022)},
    "backbone resnet18": {BF16: (0.012, 0.1, 0.6), F16: (6e-4, 0.016, 0.16)},
    "backbone small": {BF16: (2e-3, 0.016, 0.09), F16: (2e-4, 2e-3, 0.03)},
    # 52 normalisations in a row, few of them with a way around: before training each makes the
    # differences a little larger, also in float32 (2.6e-6, 2e-3, 9e-3), so that only loss and last
    # layer are held close. In half precision the first gradient as a whole is noise.
    "backbone mobilenet_v2": {
        "float32": (2e-5, 0.02, 0.1),
        BF16: (0.02, 0.8, 1.5),
        F16: (0.02, 0.4, 1.0),
    },
}
# For a network that has no line yet: what no rounding should exceed.
NEW = {BF16: (5e-3, 0.1, 0.6), F16: (1e-3, 0.02, 0.3)}
FLOAT32 = (2e-6, 2e-5, 2e-5)


@pytest.mark.parametrize("name", CASES)
def test_an_update_is_near_that_in_float64(name: str) -> None:
    case = CASES[name]()
    _, _, weights = update(case, "float32", None)
    loss, exact, _ = update(case, "float64", weights)
    for policy, bounds in {"float32": FLOAT32, **BOUNDS.get(name, NEW)}.items():
        found, gradients, _ = update(case, policy, weights)
        differences = (
            abs(found - loss) / abs(loss),
            distance(gradients[-2:], exact[-2:]),
            distance(gradients, exact),
        )
        for what, difference, bound in zip(PARTS, differences, bounds, strict=True):
            assert difference <= bound, f"{policy}: {what} {difference:.1e}, at most {bound:g}"


def layers_of(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Those of networks inside of it, too."""
    for layer in network.layers:
        yield from layers_of(layer) if isinstance(layer, keras.Model) else [layer]


@pytest.mark.parametrize("policy", [BF16, F16])
@pytest.mark.parametrize("name", CASES)
def test_losses_get_float32(name: str, policy: str) -> None:
    case = CASES[name]()
    with layers_compute_in(policy):
        network = case.build(case.seed)
    outputs = tf.nest.flatten(network(case.inputs, training=False))
    accepted = {"float32", *([policy.removeprefix("mixed_")] if case.features else [])}
    assert {value.dtype.name for value in outputs} <= accepted
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
    assert policy.removeprefix("mixed_") in {layer.compute_dtype for layer in layers_of(network)}
    assert case.loss(network(case.inputs, training=True)).dtype == tf.float32
