"""gRPC with the stubs of the official package tensorflow-serving-api as the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from kaffect.serving.server.access import Call
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.limits import RequestError
from kaffect.serving.server.servable import Models
from tests.serving.server import served


@pytest.fixture(scope="module")
def channel(server: Any) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    shape = (2, 3, served.SIZE, served.SIZE, 3)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def predict(signature: str = "", version: int | None = None, **inputs: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "tiny"
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_predict(stub: Any, faces: np.ndarray) -> None:
    answer = stub.Predict(predict(images=faces), timeout=20)
    assert answer.model_spec.name == "tiny" and answer.model_spec.version.value == 2
    assert answer.model_spec.signature_name == "serving_default"
    found = {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}
    assert set(found) == {"valence_arousal", "expression_probabilities"}
    assert found["valence_arousal"].dtype == np.float32
    np.testing.assert_allclose(
        found["valence_arousal"][..., 0], served.valence(faces, 2.0), atol=1e-6
    )
    np.testing.assert_allclose(found["expression_probabilities"].sum(-1), 1.0, rtol=1e-6)


def test_version_and_output_filter(stub: Any, faces: np.ndarray) -> None:
    request = predict(version=1, images=faces)
    request.output_filter.append("valence_arousal")
    answer = stub.Predict(request, timeout=20)
    assert list(answer.outputs) == ["valence_arousal"]
    found = tf.make_ndarray(answer.outputs["valence_arousal"])[..., 0]
    np.testing.assert_allclose(found, served.valence(faces, 1.0), atol=1e-6)


def test_encoded_images(stub: Any) -> None:
    images = np.array([served.picture(0), served.picture(255)], object)
    answer = stub.Predict(predict("serve_jpeg", images=images), timeout=20)
    found = tf.make_ndarray(answer.outputs["valence_arousal"])[:, 0]
    np.testing.assert_allclose(found, [0, 2], atol=1e-6)


def test_a_stream(stub: Any, faces: np.ndarray) -> None:
    state = np.zeros((2, served.STATE), np.float32)
    for step in range(faces.shape[1]):
        answer = stub.Predict(predict("serve_stream", images=faces[:, step], state=state))
        state = tf.make_ndarray(answer.outputs["state"])
    np.testing.assert_allclose(state[:, 0], served.valence(faces, 2.0).sum(1), rtol=1e-5)


def test_metadata(stub: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "tiny"
    request.metadata_field.append("signature_def")
    answer = stub.GetModelMetadata(request, timeout=20)
    assert answer.model_spec.version.value == 2
    definitions = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(definitions)
    signature = definitions.signature_def["serve_stream"]
    assert set(signature.inputs) == {"images", "state"}
    assert signature.inputs["state"].dtype == tf.float32.as_datatype_enum


def test_status(channel: grpc.Channel) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "tiny"
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    answer = stub.GetModelStatus(request, timeout=20)
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    states = [(s.version, s.state, s.status.error_code) for s in answer.model_version_status]
    assert states == [(2, available, 0), (1, available, 0)]


def huge_claim(request: Any) -> None:
    """A few bytes that say they are 10^12 pixels."""
    request.inputs["images"].ClearField("tensor_content")
    request.inputs["images"].tensor_shape.dim[1].size = 10**12


def short_content(request: Any) -> None:
    request.inputs["images"].tensor_content = b"abc"


def content_for_strings(request: Any) -> None:
    request.model_spec.signature_name = "serve_jpeg"
    proto = tensor_pb2.TensorProto(dtype=7, tensor_content=b"x" * 50)
    proto.tensor_shape.dim.add(size=2)
    request.inputs["images"].CopyFrom(proto)


def spec_set(**values: Any) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        for name, value in values.items():
            setattr(request.model_spec, name, value)

    return change


def tensor(value: Any, name: str = "images") -> Callable[[Any], None]:
    return lambda request: request.inputs[name].CopyFrom(tf.make_tensor_proto(value))


def stream_with_nan(request: Any) -> None:
    request.model_spec.signature_name = "serve_stream"
    tensor(np.zeros((1, 8, 8, 3), np.uint8))(request)
    tensor(np.full((1, 4), np.nan, np.float32), "state")(request)


def rows_differ(request: Any) -> None:
    stream_with_nan(request)
    tensor(np.zeros((2, 4), np.float32), "state")(request)


BAD = {
    "unknown model": (spec_set(name="nobody"), "NOT_FOUND"),
    "empty model": (spec_set(name=""), "NOT_FOUND"),
    "path as model": (spec_set(name="../../etc"), "NOT_FOUND"),
    "unknown version": (lambda r: r.model_spec.version.__setattr__("value", 9), "NOT_FOUND"),
    "version label": (spec_set(version_label="stable"), "INVALID_ARGUMENT"),
    "unknown signature": (spec_set(signature_name="x"), "INVALID_ARGUMENT"),
    "no inputs": (lambda r: r.inputs.clear(), "INVALID_ARGUMENT"),
    "one input too many": (tensor(1.0, "more"), "INVALID_ARGUMENT"),
    "wrong dtype": (tensor(np.zeros((1, 1, 8, 8, 3), np.float32)), "INVALID_ARGUMENT"),
    "wrong rank": (tensor(np.zeros((1, 8, 8, 3), np.uint8)), "INVALID_ARGUMENT"),
    "wrong size": (tensor(np.zeros((1, 1, 9, 8, 3), np.uint8)), "INVALID_ARGUMENT"),
    "no rows": (tensor(np.zeros((0, 1, 8, 8, 3), np.uint8)), "INVALID_ARGUMENT"),
    "too many rows": (tensor(np.zeros((17, 1, 8, 8, 3), np.uint8)), "INVALID_ARGUMENT"),
    "too long": (tensor(np.zeros((1, 41, 8, 8, 3), np.uint8)), "INVALID_ARGUMENT"),
    "huge claim": (huge_claim, "INVALID_ARGUMENT"),
    "short content": (short_content, "INVALID_ARGUMENT"),
    "content for strings": (content_for_strings, "INVALID_ARGUMENT"),
    "unknown rank": (
        lambda r: r.inputs["images"].tensor_shape.__setattr__("unknown_rank", True),
        "INVALID_ARGUMENT",
    ),
    "negative size": (
        lambda r: r.inputs["images"].tensor_shape.dim[0].__setattr__("size", -1),
        "INVALID_ARGUMENT",
    ),
    "not finite": (stream_with_nan, "INVALID_ARGUMENT"),
    "rows differ": (rows_differ, "INVALID_ARGUMENT"),
    "unknown output": (lambda r: r.output_filter.append("x"), "INVALID_ARGUMENT"),
    "body beyond the limit": (
        tensor(np.zeros((16, 400, 8, 8, 3), np.uint8)),
        "RESOURCE_EXHAUSTED",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_refused(stub: Any, faces: np.ndarray, case: str) -> None:
    change, code = BAD[case]
    request = predict(images=faces)
    change(request)
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(request, timeout=20)
    assert raised.value.code().name == code
    assert "/" not in raised.value.details() and "Traceback" not in raised.value.details()


def test_bytes_that_are_no_message(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"\xff\xff\xff not a message", timeout=20)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_methods_that_are_not_offered(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Classify(classification_pb2.ClassificationRequest(), timeout=20)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_that_has_passed_is_told(stub: Any, faces: np.ndarray) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(predict(images=faces), timeout=-1)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("deadline", [0.01, 0.0])
def test_a_deadline_ends_work_that_never_ends(deadline: float) -> None:
    """Zero seconds left are a deadline too."""
    engine = Engine(Models([]), replace(served.LIMITS, deadline=600.0))

    async def wait() -> None:
        call = Call("id", "grpc", "127.0.0.1", "RPC", "Predict")
        await engine.in_time(asyncio.Event().wait(), call, deadline)

    with pytest.raises(RequestError) as raised:
        asyncio.run(asyncio.wait_for(wait(), 60))
    assert raised.value.code == "DEADLINE_EXCEEDED"
