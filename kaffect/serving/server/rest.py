"""TF Serving's REST API: predict, metadata and status of models, and what operators ask.

Serves the engineer with an HTTP client; paths, bodies and answers are those of
https://www.tensorflow.org/tfx/serving/api_rest. Classify, regress and labels of
versions are not offered and say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from weakref import WeakKeyDictionary

import orjson
from aiohttp import web

from kaffect.serving.server import json_tensors, messages
from kaffect.serving.server.access import Call
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.http import (
    call_of,
    json_response,
    read_body,
    require_json,
    send,
    text_response,
)
from kaffect.serving.server.limits import RequestError
from kaffect.serving.server.metrics import CONTENT_TYPE
from kaffect.serving.server.servable import Servable
from kaffect.serving.server.shares import Memory

_MODEL = re.compile(
    r"/v1/models/(?P<name>[A-Za-z0-9_.-]{1,64})"
    r"(?:/versions/(?P<version>[0-9]{1,18}))?"
    r"(?P<rest>/metadata|:[a-z]{1,16})?"
)
_METRICS = ("/metrics", "/monitoring/prometheus/metrics")


class RestApi:
    """Answers requests on the models of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._metadata: WeakKeyDictionary[Servable, bytes] = WeakKeyDictionary()
        self._fixed: dict[str, Callable[[], web.Response]] = {
            "/healthz": lambda: json_response({"status": "alive"}),
            "/readyz": self._ready,
            **{path: self._metrics for path in _METRICS},
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request.

        Raises:
            RequestError: it is refused.
        """
        path = request.path
        if path in self._fixed:
            _allow(request, "GET")
            return self._fixed[path]()
        match = _MODEL.fullmatch(path)
        if match is None:
            raise RequestError(
                "NOT_FOUND",
                "No such address. Expected /v1/models/NAME[/versions/VERSION] "
                "with nothing, /metadata or :predict after it",
            )
        name = match["name"]
        version = int(match["version"]) if match["version"] else None
        if match["rest"] is None or match["rest"] == "/metadata":
            _allow(request, "GET")
            return self._describe(name, version, match["rest"] is not None)
        if match["rest"] != ":predict":
            raise RequestError("UNIMPLEMENTED", "Of the methods only :predict is offered", 404)
        _allow(request, "POST")
        call = call_of(request)
        with self._engine.shares.memory(call.client) as memory:
            work = self._predict(request, name, version, memory)
            answer = await self._engine.in_time(work, call)
            memory.hold(len(answer))
            response = json_response(answer)
            # The answer counts as held until the client has read it.
            await send(request, response)
        return response

    def _ready(self) -> web.Response:
        self._engine.require_open()
        models = self._engine.models
        if any(not models.versions(name) for name in models.names):
            raise RequestError("UNAVAILABLE", "Not every model has a version that can be served")
        return json_response({"status": "ready", "models": models.names})

    def _metrics(self) -> web.Response:
        return text_response(self._engine.metrics.page(), CONTENT_TYPE)

    def _describe(self, name: str, version: int | None, metadata: bool) -> web.Response:
        models = self._engine.models
        if metadata:
            return json_response(self._metadata_of(models.get(name, version)))
        chosen = models.versions(name) if version is None else [models.get(name, version)]
        return json_response(messages.status_json(chosen))

    def _metadata_of(self, servable: Servable) -> bytes:
        """Made once: who asks again and again must not keep the others waiting."""
        if servable not in self._metadata:
            self._metadata[servable] = orjson.dumps(messages.metadata_json(servable))
        return self._metadata[servable]

    async def _predict(
        self, request: web.BaseRequest, name: str, version: int | None, memory: Memory
    ) -> bytes:
        engine, call = self._engine, call_of(request)
        servable = engine.models.get(name, version)
        call.model, call.version = servable.name, servable.version
        require_json(request)
        engine.require_open()
        async with engine.shares.uploads.place(call.client):
            body: list[json_tensors.Body] = [await read_body(request, engine.limits)]
        call.received = len(body[0])
        memory.hold(call.received)
        with engine.admitted(call.client):
            return await self._compute(call, servable, body, memory)

    async def _compute(
        self, call: Call, servable: Servable, body: list[json_tensors.Body], memory: Memory
    ) -> bytes:
        engine, client = self._engine, call.client
        signature, arrays, rows = await engine.parse(body, servable, client)
        call.signature = signature.name
        outputs = await engine.run(servable, signature, arrays, memory, client)
        size = sum(value.nbytes for value in outputs.values())
        return await engine.aside(size, client, lambda: json_tensors.answer(outputs, rows))


def _allow(request: web.BaseRequest, method: str) -> None:
    if request.method != method:
        raise RequestError("INVALID_ARGUMENT", f"This address takes {method}", 405)
