"""One session for each open page: JPEG frames come over a WebSocket, readings go back.

Serves the person at the page, and keeps the server safe from others: few sessions,
small pictures and a time limit on silence; who may ask is checked before.
"""

from __future__ import annotations

import asyncio
import logging
import math
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import orjson
from aiohttp import WSMsgType, web

from kaffect.serving.demo.reading import DemoModel, FaceReader
from kaffect.serving.server.http import call_of
from kaffect.serving.server.limits import MEBIBYTE, Limits, RequestError, invalid
from kaffect.serving.server.metrics import Metrics
from kaffect.serving.server.pictures import read_picture
from kaffect.serving.server.shares import Share

LOG = logging.getLogger(__name__)
_TIME = struct.Struct("<d")


@dataclass(frozen=True)
class SessionLimits:
    """What pages may ask; sizes in bytes, times in seconds."""

    sessions: int = 8
    """Open at the same time; one more is answered 429."""
    client_share: float = 0.5
    """Part of the sessions that one address may hold."""
    message_bytes: int = MEBIBYTE
    """One frame as JPEG or PNG, with its time."""
    pixels: int = 1280 * 1280
    """Width times height of a frame."""
    silence: float = 30.0
    """Without a frame; then the session ends."""
    length: float = 3600.0
    """Of one session; then the page has to start again."""


class Sessions:
    """The open sessions of one server."""

    def __init__(
        self, model: DemoModel, limits: SessionLimits | None = None, metrics: Metrics | None = None
    ) -> None:
        self._model = model
        self._limits = limits or SessionLimits()
        self._metrics = metrics or Metrics()
        # Pictures are checked as those of other requests.
        self._picture_limits = Limits(
            image_bytes=self._limits.message_bytes, image_pixels=self._limits.pixels
        )
        self._pool = ThreadPoolExecutor(1, "demo")
        self._open: set[web.WebSocketResponse] = set()
        self._places = Share(self._limits.sessions, self._limits.client_share)

    @property
    def count(self) -> int:
        return self._places.total

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold one session until its page leaves, is silent too long or sends rubbish.

        Raises:
            RequestError: another origin, no WebSocket, or no place.
        """
        # No compression: a small message could become a large one.
        socket = web.WebSocketResponse(
            max_msg_size=self._limits.message_bytes, compress=False, heartbeat=20.0, timeout=1.0
        )
        if not socket.can_prepare(request).ok:
            raise RequestError("INVALID_ARGUMENT", "This address takes WebSockets", 426)
        client = call_of(request).client
        if not self._places.take(client):
            raise RequestError("RESOURCE_EXHAUSTED", "All places are taken; try again later")
        self._metrics.sessions(1)
        try:
            await socket.prepare(request)
            self._open.add(socket)
            await self._converse(socket)
        finally:
            self._open.discard(socket)
            self._places.give(client)
            self._metrics.sessions(-1)
        return socket

    async def close(self) -> None:
        """End every session, so that the server can stop."""
        reason = b"The server is shutting down"
        await asyncio.gather(
            *(socket.close(code=1001, message=reason) for socket in list(self._open)),
            return_exceptions=True,
        )
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _converse(self, socket: web.WebSocketResponse) -> None:
        loop = asyncio.get_running_loop()
        try:
            reader = await loop.run_in_executor(self._pool, self._model.reader)
            await _send(socket, {"type": "hello", "labels": list(self._model.labels)})
            async with asyncio.timeout(self._limits.length):
                while True:
                    message = await socket.receive(timeout=self._limits.silence)
                    if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                        return
                    if message.type is not WSMsgType.BINARY:
                        raise invalid("A session takes frames: 8 bytes of time, then a JPEG")
                    answer = await loop.run_in_executor(
                        self._pool, self._read, reader, message.data
                    )
                    await _send(socket, answer)
        except TimeoutError:
            await _end(socket, "The session was silent or open for too long")
        except RequestError as error:
            await _end(socket, error.reason)
        except ConnectionError:
            return
        except Exception:  # a session may fail, the server goes on
            LOG.exception("a session of the demo page failed")
            await _end(socket, "The server failed; its log says why")

    def _read(self, reader: FaceReader, data: bytes) -> dict[str, Any]:
        seconds, frame = decode_frame(data, self._picture_limits)
        height, width = frame.shape[:2]
        faces = reader.read(frame, seconds)
        return {
            "type": "reading",
            "time": seconds,
            "faces": [face.to_message(width, height) for face in faces],
        }


def decode_frame(data: bytes, limits: Limits) -> tuple[float, np.ndarray]:
    """A message of the page: seconds, and the frame as [height, width, 3] uint8 RGB.

    Raises:
        RequestError: no such message, or a picture beyond the limits.
    """
    if len(data) <= _TIME.size:
        raise invalid("A frame is 8 bytes of time, then a JPEG")
    (seconds,) = _TIME.unpack_from(data)
    if not (math.isfinite(seconds) and 0 <= seconds <= 1e7):
        raise invalid("The time of a frame must be seconds from 0 on")
    picture = data[_TIME.size :]
    plain = read_picture("frame", picture, limits).data
    image = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise invalid("The frame does not decode")
    return seconds, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


async def _send(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    await socket.send_str(orjson.dumps(message).decode())


async def _end(socket: web.WebSocketResponse, reason: str) -> None:
    """Tell the page why, then close; a page that is gone needs neither."""
    try:
        await _send(socket, {"type": "error", "error": reason})
        await socket.close(code=1008)
    except (ConnectionError, RuntimeError):
        return
