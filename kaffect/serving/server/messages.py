"""TensorFlow Serving's protocol messages to arrays and back, and what they say of a model.

Serves the engineer with a gRPC client. A `TensorProto` can claim a shape of any
size with a few bytes; shape and dtype are checked against the signature before
memory for them is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2, json_format, message
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from kaffect.serving.server.checks import check_names, check_shape
from kaffect.serving.server.limits import Limits, invalid
from kaffect.serving.server.servable import Arrays, Servable, Signature, TensorSpec
from kaffect.serving.server.wire import check_fields


def parse(kind: type[Any], data: bytes) -> Any:
    """The bytes of a request as a message.

    Raises:
        RequestError: they are no such message.
    """
    check_fields(data, kind.DESCRIPTOR)
    request = kind()
    try:
        request.ParseFromString(data)
    except message.DecodeError as error:
        raise invalid(f"The bytes are no {kind.__name__}") from error
    return request


def requested_version(spec: model_pb2.ModelSpec) -> int | None:
    """The version that a `ModelSpec` names, None for the newest.

    Raises:
        RequestError: it asks by label, which is not offered.
    """
    choice = spec.WhichOneof("version_choice")
    if choice == "version_label":
        raise invalid("Versions have numbers here, no labels")
    return spec.version.value if choice == "version" else None


def read_inputs(
    inputs: Mapping[str, tensor_pb2.TensorProto], signature: Signature, limits: Limits
) -> Arrays:
    """The tensors of a request by input name.

    Raises:
        RequestError: names, dtype, shape or content are not what the signature takes.
    """
    check_names(signature, set(inputs))
    return {name: to_array(signature.inputs[name], proto, limits) for name, proto in inputs.items()}


def to_array(spec: TensorSpec, proto: tensor_pb2.TensorProto, limits: Limits) -> np.ndarray:
    """One `TensorProto` as an array.

    Raises:
        RequestError: it is not what `spec` says, or is beyond the limits.
    """
    wanted = tf.string if spec.is_string else tf.as_dtype(spec.dtype)
    if proto.dtype != wanted.as_datatype_enum:
        raise invalid(f"Input {spec.name!r} is {spec}. Received: another dtype")
    if proto.tensor_shape.unknown_rank:
        raise invalid(f"Input {spec.name!r} is {spec}. Received: a shape of unknown rank")
    shape = [dim.size for dim in proto.tensor_shape.dim]
    check_shape(spec, shape, limits)
    count = math.prod(shape)
    held = len(proto.tensor_content)
    if held and (spec.is_string or held != count * spec.dtype.itemsize):
        raise invalid(f"Input {spec.name!r}: content and shape do not fit each other")
    try:
        array = _listed(spec, proto, count)
        array = tf.make_ndarray(proto) if array is None else array.reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid(f"Input {spec.name!r}: content and shape do not fit each other") from error
    if array.size != count:
        raise invalid(f"Input {spec.name!r}: content and shape do not fit each other")
    return array


# Lists of this dtype's numbers, where they are no content.
_LISTS = {"float32": "float_val", "uint8": "int_val", "int32": "int_val", "int64": "int64_val"}
_PIECE = 4096


def _listed(spec: TensorSpec, proto: tensor_pb2.TensorProto, count: int) -> np.ndarray | None:
    """A long list of numbers piece by piece, so that other threads are not kept waiting."""
    values = getattr(proto, _LISTS.get(spec.dtype.name, ""), ())
    if len(values) != count or count <= _PIECE or proto.tensor_content:
        return None
    array = np.empty(count, spec.dtype)
    for start in range(0, count, _PIECE):
        array[start : start + _PIECE] = np.array(values[start : start + _PIECE], spec.dtype)
    return array


def answer(servable: Servable, signature: str, outputs: Arrays) -> predict_pb2.PredictResponse:
    """Outputs as the message that answers a predict request."""
    response = predict_pb2.PredictResponse()
    _fill_spec(response.model_spec, servable, signature)
    for name, value in outputs.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    return response


def request(
    model: str, signature: str, inputs: Mapping[str, np.ndarray]
) -> predict_pb2.PredictRequest:
    """A predict request, as a client makes it (for warm-up files)."""
    made = predict_pb2.PredictRequest()
    made.model_spec.name = model
    made.model_spec.signature_name = signature
    for name, value in inputs.items():
        made.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return made


def metadata(servable: Servable) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Every signature of a model with names, dtypes and shapes."""
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    _fill_spec(response.model_spec, servable, "")
    packed = any_pb2.Any()
    packed.Pack(_definitions(servable))
    response.metadata["signature_def"].CopyFrom(packed)
    return response


def metadata_json(servable: Servable) -> dict[str, Any]:
    """The same as TensorFlow Serving's REST answer."""
    definitions = json_format.MessageToDict(
        _definitions(servable),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    return {
        "model_spec": {
            "name": servable.name,
            "signature_name": "",
            "version": str(servable.version),
        },
        "metadata": {"signature_def": definitions},
    }


def status(servables: list[Servable]) -> get_model_status_pb2.GetModelStatusResponse:
    """State of some versions of a model; what is served here is available."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for servable in reversed(servables):
        response.model_version_status.add(
            version=servable.version,
            state=get_model_status_pb2.ModelVersionStatus.AVAILABLE,
        ).status.error_code = 0
    return response


def status_json(servables: list[Servable]) -> dict[str, Any]:
    """The same as TensorFlow Serving's REST answer."""
    return json_format.MessageToDict(
        status(servables),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _fill_spec(spec: model_pb2.ModelSpec, servable: Servable, signature: str) -> None:
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def _definitions(servable: Servable) -> get_model_metadata_pb2.SignatureDefMap:
    definitions = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in servable.definitions.items():
        definitions.signature_def[name].CopyFrom(definition)
    return definitions
