"""Open connections, HTTP and gRPC together: counted by client, and closed when nobody reads.

Serves the engineer: one address cannot take all connections, a client that does not read
what it asked for is let go, and a health check always finds a way in.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict

from kaffect.serving.server.limits import Limits
from kaffect.serving.server.shares import Share, client_of

# Beyond the limit so many HTTP connections may ask how the server is, and nothing else.
SPARE = 16
# What the kernel keeps of one connection for a client that does not read (Linux: twice as much).
_KERNEL_BYTES = 1 << 17
_LOOK_SECONDS = 0.25


class Connections:
    """The open connections of one server.

    Args:
        limits: how many, and how long one may leave what is written to it unread.
        share: counts them.
    """

    def __init__(self, limits: Limits, share: Share) -> None:
        self._limits, self._share = limits, share
        # Transport -> client, and since when it has not read everything.
        self._open: dict[asyncio.WriteTransport, str] = {}
        self._spare: OrderedDict[asyncio.WriteTransport, None] = OrderedDict()
        self._unread: dict[asyncio.WriteTransport, float] = {}

    @property
    def count(self) -> int:
        return len(self._open) + len(self._spare)

    def enter(self, transport: asyncio.WriteTransport, spare: bool) -> bool:
        """Count a new connection.

        Args:
            spare: whether it may stay to ask how the server is, when there is no place.

        Returns:
            Whether it may ask for everything. One that may not stay is closed.
        """
        client = client_of(transport.get_extra_info("peername"))
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        if self._share.take(client):
            self._open[transport] = client
            return True
        if not spare:
            transport.abort()
            return False
        if len(self._spare) >= SPARE:
            self._spare.popitem(last=False)[0].abort()
        self._spare[transport] = None
        return False

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Forget a connection that has ended."""
        client = self._open.pop(transport, None)
        if client is not None:
            self._share.give(client)
        self._spare.pop(transport, None)
        self._unread.pop(transport, None)

    async def watch(self) -> None:
        """Close, again and again, whoever leaves something unread for too long."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.close_unread(time.monotonic())

    def close_unread(self, now: float) -> None:
        """Close whoever has left something unread since `write_seconds` before `now`."""
        for transport in [*self._open, *self._spare]:
            if transport.get_write_buffer_size() == 0:
                self._unread.pop(transport, None)
            elif now - self._unread.setdefault(transport, now) >= self._limits.write_seconds:
                transport.abort()
