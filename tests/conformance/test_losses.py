"""What every loss must do: exact gradients, nothing from missing labels, any batch, any precision.

Values by hand are in tests/losses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.losses import CASES, Arrays, LossCase

MASKED = [name for name, case in CASES.items() if case.masks]
STEP = 1e-6

Values = dict[str, np.ndarray]


def value_and_gradient(
    case: LossCase, labels: Arrays, predictions: Arrays
) -> tuple[np.ndarray, Values]:
    variables = {name: tf.constant(value) for name, value in predictions.items()}
    with tf.GradientTape() as tape:
        tape.watch(variables)
        value = case.loss(labels, variables)
    gradient = tape.gradient(value, variables)
    return value.numpy(), {n: tf.convert_to_tensor(g).numpy() for n, g in gradient.items()}


def in_dtype(arrays: Arrays, dtype: Any) -> dict[str, Any]:
    """The floating-point arrays in `dtype`, the others as they are."""
    return {
        n: tf.cast(v, dtype) if tf.as_dtype(v.dtype).is_floating else tf.constant(v)
        for n, v in arrays.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_gradient_against_finite_differences(name: str) -> None:
    case, rng = CASES[name], np.random.default_rng(0)
    value, gradient = value_and_gradient(case, case.labels, case.predictions)
    assert value.shape == () and value.dtype == np.float64
    for output, found in gradient.items():
        for _ in range(3):
            direction = rng.normal(size=found.shape)
            ends = []
            for sign in (1, -1):
                moved = case.predictions[output] + sign * STEP * direction
                ends.append(float(case.loss(case.labels, {**case.predictions, output: moved})))
            slope = (ends[0] - ends[1]) / (2 * STEP)
            assert (found * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-9), output


@pytest.mark.parametrize("name", MASKED)
def test_missing_labels_give_exactly_no_loss_and_no_gradient(name: str) -> None:
    """Whatever stands in the label and in the prediction of such a frame."""
    case = CASES[name]
    clean, expected = value_and_gradient(case, case.labels, case.predictions)
    labels = {n: np.array(v) for n, v in case.labels.items()}
    predictions = {n: np.array(v) for n, v in case.predictions.items()}
    for output, label in case.masks.items():
        missing = ~labels[f"{label}_mask"]
        assert missing.any() and not missing.all()
        labels[label][missing] = np.nan if labels[label].dtype.kind == "f" else -1
        predictions[output][missing] = np.nan
    value, gradient = value_and_gradient(case, labels, predictions)
    assert value == clean
    for output, found in gradient.items():
        np.testing.assert_array_equal(found, expected[output])
    for output, label in case.masks.items():
        mask = labels[f"{label}_mask"]
        assert not gradient[output][~mask].any() and gradient[output][mask].all(), output


@pytest.mark.parametrize("name", MASKED)
def test_a_batch_without_labels_gives_nothing(name: str) -> None:
    case = CASES[name]
    none = {n: v & False for n, v in case.labels.items() if n.endswith("_mask")}
    value, gradient = value_and_gradient(case, {**case.labels, **none}, case.predictions)
    assert np.isfinite(value) and (value == 0.0 or not case.only_labels)
    assert not any(gradient[output].any() for output in case.masks)


@pytest.mark.parametrize("name", MASKED)
def test_a_prediction_that_is_not_a_number_is_not_hidden(name: str) -> None:
    case = CASES[name]
    for output, label in case.masks.items():
        broken = np.array(case.predictions[output])
        broken[tuple(np.argwhere(case.labels[f"{label}_mask"])[0])] = np.nan
        assert np.isnan(case.loss(case.labels, {**case.predictions, output: broken})), output


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if not case.ordered])
def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    case = CASES[name]
    order = np.arange(len(next(iter(case.predictions.values()))))[::-1]
    labels, predictions = (
        {n: v[order] for n, v in arrays.items()} for arrays in (case.labels, case.predictions)
    )
    wanted, expected = value_and_gradient(case, case.labels, case.predictions)
    value, gradient = value_and_gradient(case, labels, predictions)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    for output, found in gradient.items():
        np.testing.assert_allclose(found, expected[output][order], rtol=1e-9, atol=1e-12)


def require_finite(case: LossCase, labels: Arrays, predictions: Arrays) -> None:
    value, gradient = value_and_gradient(case, labels, predictions)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradient.values())


@pytest.mark.parametrize("name", CASES)
def test_constant_and_extreme_inputs_stay_finite(name: str) -> None:
    case = CASES[name]
    labels = in_dtype(case.labels, tf.float32)
    same = {n: v if n.endswith("_mask") else tf.zeros_like(v) for n, v in labels.items()}
    for given in (labels, same):
        for constant in case.constants:
            predictions = {n: np.full(v.shape, constant, "f4") for n, v in case.predictions.items()}
            require_finite(case, given, predictions)
        largest = max(case.constants)
        require_finite(
            case, given, {n: np.float32(largest * v) for n, v in case.predictions.items()}
        )


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("name", [n for n, case in CASES.items() if not case.of_losses])
def test_half_precision_is_computed_in_float32(name: str, dtype: tf.DType) -> None:
    case = CASES[name]
    labels, rounded = in_dtype(case.labels, tf.float32), in_dtype(case.predictions, dtype)
    value = case.loss(labels, rounded)
    wanted = case.loss(labels, in_dtype(rounded, tf.float32))
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if not case.needs_size])
def test_unknown_batch_and_time_in_a_graph(name: str) -> None:
    case = CASES[name]

    def specification(value: np.ndarray) -> tf.TensorSpec:
        known = value.shape[-1:] if value.dtype.kind == "f" and value.ndim > 1 else ()
        free = [None] * (value.ndim - len(known))
        return tf.TensorSpec([*free, *known], value.dtype)

    signature = [
        {n: specification(v) for n, v in arrays.items()}
        for arrays in (case.labels, case.predictions)
    ]
    compiled = tf.function(case.loss, input_signature=signature)
    for count in (1, len(next(iter(case.predictions.values())))):
        labels, predictions = (
            {n: v[:count] for n, v in arrays.items()} for arrays in (case.labels, case.predictions)
        )
        found = compiled(labels, predictions)
        np.testing.assert_allclose(found, case.loss(labels, predictions), rtol=1e-9)
