"""JSON to arrays and back, value by value."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kaffect.serving.server import json_tensors
from kaffect.serving.server.limits import RequestError
from kaffect.serving.server.servable import Signature, TensorSpec


def spec(dtype: Any, *shape: int | None) -> TensorSpec:
    return TensorSpec("x", np.dtype(dtype), shape)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint8", [[0, 255], [1, 2]]),
        ("int32", [-(2**31), 2**31 - 1]),
        ("float32", [1, 2.5, -0.0]),
        ("bool", [True, False]),
        ("float32", 3.5),
    ],
)
def test_numbers(dtype: str, value: Any) -> None:
    found = json_tensors.to_array(spec(dtype), value)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, np.array(value, dtype))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint8", [256]),
        ("uint8", [-1]),
        ("uint8", [1.0]),
        ("uint8", [True]),
        ("uint8", ["1"]),
        ("uint8", [None]),
        ("uint8", [{"b64": "AA=="}]),
        ("uint8", [2**70]),
        ("float32", ["nan"]),
        ("float32", [True]),
        ("float32", [[1, 2], [3]]),
        ("float32", [[1, 2], 3]),
        ("float32", []),
        ("float32", [[], []]),
        ("bool", [0, 1]),
        (object, [1]),
        (object, [{"b64": "A"}]),
        (object, [{"b64": "äö"}]),
        (object, [{"b64": 1}]),
        (object, [{"b64": "AA==", "more": 1}]),
    ],
)
def test_what_is_refused(dtype: Any, value: Any) -> None:
    with pytest.raises(RequestError) as raised:
        json_tensors.to_array(spec(dtype), value)
    assert raised.value.status == 400


def test_a_number_beyond_float32_is_not_finite_and_refused_later() -> None:
    assert np.isinf(json_tensors.to_array(spec("float32"), [1e300])).all()


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(1000):
        value = [value]
    with pytest.raises(RequestError):
        json_tensors.to_array(spec("uint8"), value)


def test_strings() -> None:
    found = json_tensors.to_array(spec(object), [["aé", {"b64": "/9g="}], ["", "b"]])
    assert found.tolist() == [["aé".encode(), b"\xff\xd8"], [b"", b"b"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b'"inputs"',
        b'{"inputs": NaN}',
        b'{"inputs": Infinity}',
        b'{"instances": [1], "inputs": 1}',
        b"{}",
        b'{"instances": [1], "signature_name": 1}',
        b'{"instances": [1], "more": 1}',
        b"[" * 100_000,
        b'{"inputs":' * 100_000,
        b'\xff{"inputs": 1}',
    ],
)
def test_bodies_that_are_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        json_tensors.parse(body)


def one_output(name: str, value: np.ndarray, rows: int | None) -> Any:
    return json.loads(json_tensors.answer({name: value}, rows))


def test_answers() -> None:
    half = np.float32([[0.1, 0.2]])
    assert one_output("y", half, None) == {"outputs": [[0.1, 0.2]]}
    assert one_output("y", half.astype(np.float16), 1)["predictions"][0][0] == pytest.approx(
        0.1, abs=1e-4
    )
    both = {"a": np.array([1, 2]), "b": np.array([[3.0], [4.0]])}
    assert json.loads(json_tensors.answer(both, 2)) == {
        "predictions": [{"a": 1, "b": [3.0]}, {"a": 2, "b": [4.0]}]
    }
    assert json.loads(json_tensors.answer(both, None)) == {
        "outputs": {"a": [1, 2], "b": [[3], [4]]}
    }


def test_strings_in_answers() -> None:
    raw = np.array([b"\xff\xd8", b"a"], object)
    assert one_output("images_bytes", raw, 2) == {"predictions": [{"b64": "/9g="}, {"b64": "YQ=="}]}
    assert one_output("names", np.array([b"a", b"b"], object), None) == {"outputs": ["a", "b"]}


def test_transposed_outputs_are_written_in_order() -> None:
    value = np.arange(6.0).reshape(2, 3).T
    assert one_output("y", value, None) == {"outputs": [[0, 3], [1, 4], [2, 5]]}


def test_rows_need_outputs_of_as_many_rows() -> None:
    with pytest.raises(RequestError, match="row by row"):
        json_tensors.answer({"y": np.zeros(3)}, 2)


def test_the_name_of_an_input_may_be_b64() -> None:
    only = {"x": spec(object, None)}
    signature = Signature("s", only, only, lambda arrays: arrays)
    request = {"instances": [{"b64": "YQ=="}]}
    assert json_tensors.read_inputs(request, signature)["x"].tolist() == [b"a"]
