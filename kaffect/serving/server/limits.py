"""What one client may ask of `kaffect serve`, and how a refusal is said.

Serves the engineer who puts the server where others reach it: every limit is a
named setting, and a request beyond one gets an answer with a reason, never a
traceback, a path or a server that stands still.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from kaffect.errors import ConfigError, KaffectError

MEBIBYTE = 1 << 20

# One word for both protocols (the names of gRPC's status codes) and HTTP's number for it.
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class RequestError(KaffectError):
    """A request that is refused, with the reason that its sender may read.

    Args:
        code: a key of `HTTP_STATUS`.
        reason: what is wrong, what is accepted. It must not hold what the sender
            wrote (but see `shown`), nor anything of this machine.
        status: the HTTP status where it is more exact than that of `code`.
    """

    def __init__(self, code: str, reason: str, status: int | None = None) -> None:
        self.code = code
        self.reason = reason
        self.status = status or HTTP_STATUS[code]
        super().__init__(reason)


def invalid(reason: str) -> RequestError:
    """The commonest refusal: the request itself is wrong."""
    return RequestError("INVALID_ARGUMENT", reason)


def shown(text: object) -> str:
    """A sender's word as an answer may repeat it: plain names only, at most 64 letters.

    >>> shown("serving_default"), shown("../../etc/passwd")
    ("'serving_default'", 'something that is not a name')
    """
    if isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        return repr(text)
    return "something that is not a name"


@dataclass(frozen=True)
class Limits:
    """The limits of one server; sizes in bytes, times in seconds."""

    body_bytes: int = 16 * MEBIBYTE
    """Longest request body, after decompression; longest gRPC message."""
    tensor_bytes: int = 64 * MEBIBYTE
    """All numbers of one request together, as tensors."""
    held_bytes: int = 256 * MEBIBYTE
    """Bodies, tensors and answers of all requests together; beyond it requests get 429."""
    batch: int = 64
    """Rows (axis 0) of one request, and of what is computed together."""
    time: int = 512
    """Length of every other axis that the signature leaves open."""
    image_bytes: int = 4 * MEBIBYTE
    """One encoded image."""
    image_pixels: int = 4_000_000
    """Width times height of one encoded image, by its header, before it is decoded."""
    request_pixels: int = 8_000_000
    """The same for all encoded images of one request together."""
    concurrent: int = 128
    """Requests that are worked on or wait; one more is answered 429 at once."""
    uploads: int = 32
    """Requests whose message is still coming in; beyond it a newer one displaces the oldest."""
    connections: int = 512
    """Open connections, HTTP and gRPC together; one more is closed or answered 503."""
    streams: int = 64
    """Calls at a time on one gRPC connection; the client queues what is beyond."""
    client_share: float = 0.5
    """Part of the places (requests, bytes, connections) that one address may hold."""
    deadline: float = 30.0
    """From the first byte of a request to its answer."""
    body_seconds: float = 10.0
    """For a client to send the whole body."""
    idle_seconds: float = 30.0
    """For a client to send a whole header, or the next request of a connection."""
    write_seconds: float = 30.0
    """For a client to read what is written to it; then its connection is closed."""
    connection_seconds: float = 600.0
    """A gRPC connection is asked to reconnect after this time."""
    grace: float = 10.0
    """For the admitted requests when the server is told to stop."""
    joint_bytes: int = 8 * MEBIBYTE
    """Inputs of several requests that are computed together; a longer one runs alone."""
    threads: int = 2
    """Batches that are computed at the same time."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ConfigError(
                    f"Limit {field.name} of the server. Expected a number above 0. "
                    f"Received: {value!r}"
                )
