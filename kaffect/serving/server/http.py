"""HTTP as `kaffect serve` speaks it: bounded, in time, and every error a JSON object.

Serves the engineer. aiohttp parses HTTP; this module adds what TF Serving's REST
promises and aiohttp does not: `{"error": "..."}` for malformed requests too, a
bound on what gzip may become, and a limit of open connections.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web, web_protocol
from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError

from kaffect.serving.server.limits import Limits, RequestError, invalid

LOG = logging.getLogger(__name__)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_BROKEN_OFF = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nServer: kaffect\r\n"
    b"Content-Length: 38\r\nConnection: close\r\n\r\n"
    b'{"error":"The request was broken off"}'
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Server": "kaffect"}


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


class _Protocol(web_protocol.RequestHandler):
    """aiohttp's protocol, with JSON where it would answer in text or HTML, or not at all."""

    __slots__ = ("_begun", "_body")

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        # Whether a header has begun that is not complete, and the body that is read last.
        self._begun = self._request_count == before and self._waiter is not None
        if self._messages:
            self._body = self._messages[-1][1]

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more: what it broke off is answered before the connection ends."""
        if self.transport is None or self._payload_parser is not None:
            return False
        if self._waiter is None or self._messages:
            body = getattr(self, "_body", None)
            if body is not None and not body.is_eof():
                body.set_exception(web.RequestPayloadError("broken off"))
            self._close = True  # once the answer is written
            return True
        if getattr(self, "_begun", False):
            self.transport.write(_BROKEN_OFF)
        return False

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
    """aiohttp's low-level server with our protocol, errors and limit of connections."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self._limits = limits
        super().__init__(  # type: ignore[no-untyped-call, unused-ignore]
            _guarded(handler),
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=1.0,
            access_log=None,
        )

    def __call__(self) -> web_protocol.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)

    def connection_made(
        self, handler: web_protocol.RequestHandler, transport: asyncio.Transport
    ) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > self._limits.connections:
            transport.abort()


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except RequestError as error:
            # aiohttp skips what is left of the body, or closes: it never becomes the next request.
            return error_response(error)

    return guarded


async def read_body(request: web.BaseRequest, limits: Limits) -> bytes:
    """The whole body, decompressed, never more than `limits.body_bytes`.

    Raises:
        RequestError: too long (413), too slow (408), another encoding (415), broken off.
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
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.content.iter_any():
                room = limits.body_bytes - len(body) + 1
                body += inflate.decompress(chunk, room) if inflate else chunk
                if len(body) > limits.body_bytes:
                    raise _too_long(limits)
    except TimeoutError as error:
        raise RequestError("DEADLINE_EXCEEDED", "The body came too slowly", 408) from error
    except (zlib.error, HttpProcessingError, ClientError, web.PayloadAccessError) as error:
        raise invalid("The body is broken") from error
    except web.RequestPayloadError as error:
        raise invalid("The body is broken") from error
    if inflate and not inflate.eof:
        raise invalid("The body is broken off")
    return bytes(body)


def _too_long(limits: Limits) -> RequestError:
    return RequestError(
        "INVALID_ARGUMENT", f"The body is longer than {limits.body_bytes} bytes", 413
    )
