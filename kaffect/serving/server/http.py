"""HTTP as `kaffect serve` speaks it: bounded, in time, and every error a JSON object.

Serves the engineer. aiohttp parses HTTP; this module adds what TF Serving's REST
promises and aiohttp does not: `{"error": "..."}` for malformed requests too, a
bound on what gzip may become, and who may ask.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web
from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError

from kaffect.loopback import HostCheck
from kaffect.serving.server.access import HEADER, AccessLog, Call, request_id
from kaffect.serving.server.connections import Connections
from kaffect.serving.server.limits import Limits, RequestError, invalid
from kaffect.serving.server.shares import client_of

LOG = logging.getLogger(__name__)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
# What a connection beyond the limit may ask.
HEALTH = ("/healthz", "/readyz")
_HEADERS = {"X-Content-Type-Options": "nosniff", "Server": "kaffect"}
_BROKEN_OFF = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nServer: kaffect\r\n"
    b"Content-Length: 38\r\nConnection: close\r\n\r\n"
    b'{"error":"The request was broken off"}'
)
# After the end of what a client sends, for the requests that it sent to be begun.
_PAUSE = 0.05
_CALL = web.RequestKey("call", Call)


def json_response(value: Any, status: int = 200) -> web.Response:
    """A JSON answer; bytes are taken as JSON already."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    headers = {**_HEADERS, "Content-Type": "application/json"}
    return web.Response(body=body, status=status, headers=headers)


def text_response(body: bytes, content_type: str, **headers: str) -> web.Response:
    return web.Response(body=body, headers={**_HEADERS, "Content-Type": content_type, **headers})


def error_response(error: RequestError) -> web.Response:
    """A refusal as TF Serving writes it."""
    response = json_response({"error": error.reason}, error.status)
    if error.status == 429:
        response.headers["Retry-After"] = "1"
    return response


class _Protocol(web.RequestHandler):
    """One connection: aiohttp's, with JSON where it would answer in text, or not at all."""

    __slots__ = (
        "_connections", "_entered", "_ended", "_begun", "_working", "_body", "_socket", "limited",
    )  # fmt: skip

    def __init__(self, manager: web.Server, connections: Connections, limits: Limits) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            auto_decompress=False,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=1.0,
            access_log=None,  # type: ignore[arg-type]
        )
        self._connections = connections
        self._ended = self._begun = self._socket = False
        self._working = 0
        self._body: Any = None
        self.limited = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._entered = transport
        self.limited = not self._connections.enter(transport, spare=True)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._connections.leave(self._entered)

    def data_received(self, data: bytes) -> None:
        self._begun = self._begun or bool(data)
        super().data_received(data)

    def begin(self, request: web.BaseRequest) -> None:
        """A request has come in, and is worked on until `end`."""
        self._begun = False
        self._working += 1
        self._body = request.content
        self._socket = "Upgrade" in request.headers
        if self._ended:
            self._break_off()

    def end(self) -> None:
        self._working -= 1
        self._body = None
        if self._ended:
            self._close_soon()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more: what it sent is answered before the connection ends."""
        if self._socket or self.transport is None:
            return False
        self._ended = True
        self._break_off()
        self._close_soon()
        return True

    def _break_off(self) -> None:
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError("broken off"))
            self._body.feed_eof()  # aiohttp waits for no more of it

    def _close_soon(self) -> None:
        asyncio.get_running_loop().call_later(_PAUSE, self._close_idle)

    def _close_idle(self) -> None:
        if self._working or self.transport is None:
            return
        if self._begun:
            self.transport.write(_BROKEN_OFF)
        self.transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun; the connection is closed instead")
        if status >= 500:
            LOG.error("a request failed", exc_info=exc)
            response = json_response({"error": "The server failed; its log says why"}, status)
        else:
            response = json_response({"error": "Malformed HTTP request"}, status)
        response.force_close()
        return response


class Server(web.Server):
    """aiohttp's low-level server with our connections and errors.

    Args:
        handler: answers requests.
        limits, connections: of the whole server.
        hosts: who may ask.
        access_log: is told of every request.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        connections: Connections,
        hosts: HostCheck,
        access_log: AccessLog | None = None,
    ) -> None:
        self._answer, self._limits, self._hosts = handler, limits, hosts
        self._log, self._counted = access_log, connections
        super().__init__(  # type: ignore[no-untyped-call, unused-ignore]
            self._guarded, handler_cancellation=True
        )

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, self._counted, self._limits)

    async def _guarded(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        assert isinstance(protocol, _Protocol)
        given = request_id(request.headers.get(HEADER))
        client = client_of(protocol.peername)
        call = Call(given, "rest", client, request.method, request.path)
        request[_CALL] = call
        protocol.begin(request)
        try:
            return await self._checked(request, call, protocol.limited)
        finally:
            protocol.end()
            if self._log is not None:
                self._log.write(call)

    async def _checked(
        self, request: web.BaseRequest, call: Call, limited: bool
    ) -> web.StreamResponse:
        try:
            foreign = self._hosts.refusal(request.headers)
            if foreign is not None:
                raise RequestError("INVALID_ARGUMENT", foreign, 403)
            if limited and request.path not in HEALTH:
                raise RequestError("UNAVAILABLE", "Too many connections; try again later")
            response = await self._answer(request)
        except RequestError as error:
            # aiohttp skips what is left of the body, or closes: it never becomes the next request.
            response = error_response(error)
            call.code = error.code
        call.code = call.code or "OK"
        if limited:
            response.force_close()
        if not response.prepared:
            await send(request, response)
        return response


def call_of(request: web.BaseRequest) -> Call:
    """What is known of a request."""
    call: Call = request[_CALL]
    return call


async def send(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Write an answer; return when the client has taken almost all of it, or is gone."""
    call = call_of(request)
    response.headers[HEADER] = call.id
    call.status = response.status
    call.sent = response.content_length or 0
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        call.code = "CANCELLED"


def require_json(request: web.BaseRequest) -> None:
    """Refuse other bodies: web pages may send plain text and forms to other sites, JSON not.

    Raises:
        RequestError: the body is not declared as JSON.
    """
    if request.content_type != "application/json":
        raise RequestError(
            "INVALID_ARGUMENT", "This address takes a body with Content-Type: application/json", 415
        )


async def read_body(request: web.BaseRequest, limits: Limits) -> bytearray:
    """The whole body, decompressed, never more than `limits.body_bytes`.

    Raises:
        RequestError: too long (413), another encoding (415), broken off.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise RequestError("INVALID_ARGUMENT", "Content-Encoding takes gzip or identity", 415)
    if (request.content_length or 0) > limits.body_bytes:
        raise _too_long(limits)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.drain()
        if request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            room = limits.body_bytes - len(body) + 1
            body += inflate.decompress(chunk, room) if inflate else chunk
            if len(body) > limits.body_bytes:
                raise _too_long(limits)
    except (zlib.error, HttpProcessingError, ClientError, web.PayloadAccessError) as error:
        raise invalid("The body is broken") from error
    except web.RequestPayloadError as error:
        raise invalid("The body is broken") from error
    if inflate and not inflate.eof:
        raise invalid("The body is broken off")
    return body


def _too_long(limits: Limits) -> RequestError:
    return RequestError(
        "INVALID_ARGUMENT", f"The body is longer than {limits.body_bytes} bytes", 413
    )
