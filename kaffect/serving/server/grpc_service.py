"""TF Serving's gRPC services: PredictionService (Predict, GetModelMetadata) and ModelService.

Serves the engineer with a gRPC client. Requests are read and parsed here and not by the
generated stubs: a call that sends nothing ends in time and holds no place, and bytes that
are no message are INVALID_ARGUMENT, not an internal error. Methods that are not offered
answer UNIMPLEMENTED.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from kaffect.serving.server import messages
from kaffect.serving.server.access import HEADER, AccessLog, Call, request_id
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.limits import RequestError, invalid
from kaffect.serving.server.shares import Memory

_PREDICTION = "tensorflow.serving.PredictionService"
_MODEL = "tensorflow.serving.ModelService"
_Method = Callable[[Any, Call, Memory], Awaitable[Any]]
_REQUEST_ID = HEADER.lower()


class GrpcService:
    """Answers TF Serving's messages on the models of an engine.

    Args:
        client: says who is behind a peer, None for a peer that may not ask.
        access_log: is told of every call.
    """

    def __init__(
        self,
        engine: Engine,
        client: Callable[[str], str | None],
        access_log: AccessLog | None = None,
    ) -> None:
        self._engine, self._client, self._log = engine, client, access_log

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What a gRPC server registers."""
        metadata = get_model_metadata_pb2.GetModelMetadataRequest
        status = get_model_status_pb2.GetModelStatusRequest
        return [
            grpc.method_handlers_generic_handler(
                _PREDICTION,
                {
                    "Predict": self._method("Predict", predict_pb2.PredictRequest, self._predict),
                    "GetModelMetadata": self._method("GetModelMetadata", metadata, self._metadata),
                },
            ),
            grpc.method_handlers_generic_handler(
                _MODEL, {"GetModelStatus": self._method("GetModelStatus", status, self._status)}
            ),
        ]

    def _method(self, name: str, kind: type[Any], answer: _Method) -> grpc.RpcMethodHandler:
        # A method that takes a stream gets its message from our hands: unary clients see no
        # difference, and the time and number of calls that only wait can be bounded.
        async def method(incoming: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> Any:
            client = self._client(context.peer())
            if client is None:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, "Unknown connection")
            metadata = dict(context.invocation_metadata() or ())
            given = request_id(_text(metadata.get(_REQUEST_ID)))
            call = Call(given, "grpc", str(client), "RPC", name)
            memory = Memory(self._engine.shares.bytes, call.client)
            # The answer counts as held until the client has read it.
            context.add_done_callback(lambda _: memory.close())
            context.set_trailing_metadata(((_REQUEST_ID, call.id),))
            try:
                work = self._answer(incoming, kind, answer, call, memory)
                return await self._engine.in_time(work, call, context.time_remaining())
            except RequestError as error:
                # Not by `abort`: what that raises holds, in a cycle, all that the call held.
                context.set_code(grpc.StatusCode[error.code])
                context.set_details(error.reason)
                return b""
            finally:
                if self._log is not None:
                    self._log.write(call)

        return grpc.stream_unary_rpc_method_handler(method)

    async def _answer(
        self,
        incoming: AsyncIterator[bytes],
        kind: type[Any],
        answer: _Method,
        call: Call,
        memory: Memory,
    ) -> bytes:
        async with self._engine.shares.uploads.place(call.client):
            data = await anext(incoming, None)
        if data is None:
            raise invalid("The call has no message")
        call.received = len(data)
        memory.hold(len(data))
        request = messages.parse(kind, data)
        call.model = request.model_spec.name
        answered: bytes = (await answer(request, call, memory)).SerializeToString()
        call.sent = len(answered)
        memory.hold(len(answered))
        return answered

    def _servable(self, spec: model_pb2.ModelSpec) -> Any:
        return self._engine.models.get(spec.name, messages.requested_version(spec))

    async def _predict(
        self, request: Any, call: Call, memory: Memory
    ) -> predict_pb2.PredictResponse:
        engine, client = self._engine, call.client
        servable = self._servable(request.model_spec)
        signature = servable.signature(request.model_spec.signature_name)
        call.version, call.signature = servable.version, signature.name
        with engine.admitted(client):
            arrays = await engine.aside(
                call.received,
                client,
                lambda: messages.read_inputs(request.inputs, signature, engine.limits),
            )
            wanted = set(request.output_filter) or set(signature.outputs)
            if not wanted <= set(signature.outputs):
                raise invalid(f"output_filter takes {', '.join(sorted(signature.outputs))}")
            outputs = await engine.run(servable, signature, arrays, memory, client)
            chosen = {name: value for name, value in outputs.items() if name in wanted}
            return messages.answer(servable, signature.name, chosen)

    async def _metadata(self, request: Any, call: Call, memory: Memory) -> Any:
        if set(request.metadata_field) != {"signature_def"}:
            raise invalid("metadata_field takes exactly 'signature_def'")
        return messages.metadata(self._servable(request.model_spec))

    async def _status(self, request: Any, call: Call, memory: Memory) -> Any:
        version = messages.requested_version(request.model_spec)
        models = self._engine.models
        if version is None:
            return messages.status(models.versions(request.model_spec.name))
        return messages.status([models.get(request.model_spec.name, version)])


def _text(value: str | bytes | None) -> str | None:
    return value if isinstance(value, str) else None
