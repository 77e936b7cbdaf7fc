"""Messages of countless fields are refused before they are parsed; sound ones are not."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from kaffect.serving.server import messages
from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.servable import TensorSpec
from kaffect.serving.server.wire import MOST_FIELDS, MOST_LISTED_BYTES, check_fields

PREDICT = predict_pb2.PredictRequest.DESCRIPTOR
LIMITS = Limits(batch=100_000)


def field(number: int, content: bytes) -> bytes:
    """A field with a length (wire type 2), written by hand."""

    def varint(value: int) -> bytes:
        low = [value >> shift & 127 for shift in range(0, 70, 7) if value >> shift or not shift]
        return bytes([*(byte | 128 for byte in low[:-1]), low[-1]])

    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(content: bytes) -> bytes:
    """A predict request with an input of this content."""
    return field(2, field(1, b"images") + field(2, content))


def nested(depth: int) -> bytes:
    """A variant in a tensor in a variant ..."""
    content = b""
    for _ in range(depth):
        content = field(15, field(3, content))
    return tensor(content)


MANY = 10 * MOST_FIELDS
HOSTILE = {
    "inputs": field(2, b"") * MANY,
    "wanted outputs": field(3, b"") * MANY,
    "versions": field(1, field(2, b"") * MANY),
    "strings": tensor(field(8, b"") * MANY),
    "numbers one by one": tensor(b"\x38\0" * MANY),
    "dimensions": tensor(field(2, field(2, b"") * MANY)),
    "variants": tensor(field(15, b"") * MANY),
    "in a variant": tensor(field(15, field(3, b"") * MANY)),
    "unknown fields": field(99, b"") * MANY,
    "depth": nested(40),
    "a long list": tensor(field(7, bytes(MOST_LISTED_BYTES + 1))),
}
BROKEN = {
    "a group": b"\x0b\x0c",
    "no end of a number": b"\xff" * 20,
    "a field beyond the end": b"\x12\x7f",
    "eight bytes of two": b"\x19\0\0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_countless_fields_are_not_parsed(name: str) -> None:
    kind = mock.Mock(DESCRIPTOR=PREDICT, side_effect=AssertionError("it was parsed"))
    with pytest.raises(RequestError, match="tensor_content") as refused:
        messages.parse(kind, HOSTILE[name])
    assert refused.value.status == 400


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_message(name: str) -> None:
    with pytest.raises(RequestError, match="no message"):
        check_fields(BROKEN[name], PREDICT)


def test_other_messages_are_counted_too() -> None:
    kind = get_model_metadata_pb2.GetModelMetadataRequest
    assert messages.parse(kind, field(2, b"signature_def")).metadata_field == ["signature_def"]
    with pytest.raises(RequestError, match="fields"):
        messages.parse(kind, field(2, b"") * MANY)


def test_sound_messages_are_read_as_before() -> None:
    request = predict_pb2.PredictRequest(output_filter=["a", "b"])
    request.model_spec.version.value = 3
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(np.zeros((64, 10, 10), np.uint8)))
    request.inputs["files"].CopyFrom(tf.make_tensor_proto([b"x" * 1000] * 3000))
    data = request.SerializeToString()
    assert messages.parse(predict_pb2.PredictRequest, data) == request


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
@pytest.mark.parametrize("count", [3, 5000])
def test_lists_of_numbers_are_tensorflows(dtype: str, count: int) -> None:
    """Short ones by TensorFlow, long ones piece by piece; the last value fills what is missing."""
    values = np.random.default_rng(0).integers(0, 255, count).astype(dtype)
    name = {"float32": "float_val", "int64": "int64_val"}.get(dtype, "int_val")
    spec = TensorSpec("x", np.dtype(dtype), (None,))
    for shape in (count, count + 2):
        proto = tensor_pb2.TensorProto(dtype=tf.as_dtype(dtype).as_datatype_enum)
        proto.tensor_shape.dim.add(size=shape)
        getattr(proto, name).extend(values.tolist())
        found = messages.to_array(spec, proto, LIMITS)
        assert found.dtype == values.dtype and found.shape == (shape,)
        assert (found[:count] == values).all() and (found[count:] == values[-1]).all()


def test_a_number_beyond_its_dtype_is_refused() -> None:
    spec = TensorSpec("x", np.dtype("uint8"), (None,))
    for bad in (256, -1):
        proto = tensor_pb2.TensorProto(dtype=tf.uint8.as_datatype_enum, int_val=[0] * 4999 + [bad])
        proto.tensor_shape.dim.add(size=5000)
        with pytest.raises(RequestError, match="do not fit"):
            messages.to_array(spec, proto, LIMITS)
