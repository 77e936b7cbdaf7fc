"""One line of JSON for each request, with an id that its sender gets too; never what was sent.

Serves the engineer who runs the server: which client asked which model, how much it
was, how long it took and how it ended.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import re
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

import orjson

LOG = logging.getLogger(__name__)
HEADER = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_WAITING = 10_000


def request_id(given: str | None) -> str:
    """The id that a client gave, where it is a plain word, else a new one."""
    return given if given is not None and _ID.fullmatch(given) else secrets.token_hex(8)


@dataclass
class Call:
    """What is known of one request."""

    id: str
    protocol: str
    client: str
    method: str
    address: str
    model: str = ""
    version: int | None = None
    signature: str = ""
    received: int = 0
    sent: int = 0
    status: int | None = None
    code: str = ""
    start: float = field(default_factory=time.monotonic)

    def line(self) -> bytes:
        """As a line of JSON; names are cut, so that no client writes long lines."""
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": self.id,
            "protocol": self.protocol,
            "client": self.client,
            "method": self.method[:32],
            "address": self.address[:200],
            "model": self.model[:64],
            "version": self.version,
            "signature": self.signature[:64],
            "received_bytes": self.received,
            "sent_bytes": self.sent,
            "seconds": round(time.monotonic() - self.start, 6),
            "code": self.code,
        }
        if self.status is not None:
            facts["status"] = self.status
        return orjson.dumps(facts)


class AccessLog:
    """Writes calls to a stream, from a thread of its own.

    A stream that nobody reads must not stop the server: beyond so many lines that wait,
    lines are dropped.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        handler = logging.StreamHandler(stream or sys.stderr)
        waiting: queue.Queue[logging.LogRecord] = queue.Queue(_MOST_WAITING)
        self._in = _Dropping(waiting)
        self._listener = _Listener(waiting, handler)
        self._listener.start()

    def write(self, call: Call) -> None:
        text = call.line().decode("utf-8", "replace")
        self._in.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))

    def close(self) -> None:
        """Write what waits."""
        self._listener.stop()


class _Listener(logging.handlers.QueueListener):
    def enqueue_sentinel(self) -> None:
        """Say that no more lines come, if need be in the place of one."""
        with contextlib.suppress(queue.Empty):
            while self.queue.full():  # type: ignore[attr-defined]
                self.queue.get_nowait()  # type: ignore[attr-defined]
        super().enqueue_sentinel()


class _Dropping(logging.handlers.QueueHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Drop the line: the queue is full."""
