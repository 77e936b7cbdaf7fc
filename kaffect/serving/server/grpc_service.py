"""TF Serving's gRPC services: PredictionService (Predict, GetModelMetadata) and ModelService.

Serves the engineer with a gRPC client. Requests are parsed here and not by the
generated stubs, so that bytes that are no message are INVALID_ARGUMENT and not
an internal error. Methods that are not offered answer UNIMPLEMENTED.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from kaffect.serving.server import messages
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.limits import RequestError, invalid

_PREDICTION = "tensorflow.serving.PredictionService"
_MODEL = "tensorflow.serving.ModelService"
_Method = Callable[[Any, int], Awaitable[Any]]


class GrpcService:
    """Answers TF Serving's messages on the models of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What a gRPC server registers."""
        metadata = get_model_metadata_pb2.GetModelMetadataRequest
        status = get_model_status_pb2.GetModelStatusRequest
        return [
            grpc.method_handlers_generic_handler(
                _PREDICTION,
                {
                    "Predict": self._method(predict_pb2.PredictRequest, self._predict),
                    "GetModelMetadata": self._method(metadata, self._metadata),
                },
            ),
            grpc.method_handlers_generic_handler(
                _MODEL, {"GetModelStatus": self._method(status, self._status)}
            ),
        ]

    def _method(self, kind: type[Any], answer: _Method) -> grpc.RpcMethodHandler:
        async def method(data: bytes, context: grpc.aio.ServicerContext) -> Any:
            try:
                request = messages.parse(kind, data)
                work = answer(request, len(data))
                return await self._engine.in_time(
                    work, request.model_spec.name, "grpc", context.time_remaining()
                )
            except RequestError as error:
                await context.abort(grpc.StatusCode[error.code], error.reason)

        return grpc.unary_unary_rpc_method_handler(
            method, response_serializer=lambda response: response.SerializeToString()
        )

    def _servable(self, spec: model_pb2.ModelSpec) -> Any:
        return self._engine.models.get(spec.name, messages.requested_version(spec))

    async def _predict(self, request: Any, size: int) -> predict_pb2.PredictResponse:
        engine = self._engine
        servable = self._servable(request.model_spec)
        signature = servable.signature(request.model_spec.signature_name)
        with engine.admitted():
            arrays = await engine.aside(
                size, lambda: messages.read_inputs(request.inputs, signature, engine.limits)
            )
            wanted = set(request.output_filter) or set(signature.outputs)
            if not wanted <= set(signature.outputs):
                raise invalid(f"output_filter takes {', '.join(sorted(signature.outputs))}")
            outputs = await engine.run(servable, signature, arrays)
            chosen = {name: value for name, value in outputs.items() if name in wanted}
            return messages.answer(servable, signature.name, chosen)

    async def _metadata(self, request: Any, size: int) -> Any:
        if set(request.metadata_field) != {"signature_def"}:
            raise invalid("metadata_field takes exactly 'signature_def'")
        return messages.metadata(self._servable(request.model_spec))

    async def _status(self, request: Any, size: int) -> Any:
        version = messages.requested_version(request.model_spec)
        models = self._engine.models
        if version is None:
            return messages.status(models.versions(request.model_spec.name))
        return messages.status([models.get(request.model_spec.name, version)])
