"""Who holds how much of the server: bounded in total, and for each client address.

Serves the engineer: one address, over however many connections and streams, in REST,
gRPC and the demo alike, never holds more than its share, so that others are served.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from kaffect.serving.server.limits import Limits, RequestError


def client_of(peer: Any) -> str:
    """The client behind a socket's peer name: its IPv4 address, or the /64 network of IPv6.

    Whoever has one IPv6 address has 2^64 of them.

    >>> client_of(("::ffff:10.0.0.7", 5000, 0, 0)), client_of(("2001:db8::1:2", 1, 0, 0))
    ('10.0.0.7', '2001:db8::')
    """
    try:
        address = ip_address(str(peer[0]).partition("%")[0])
    except (ValueError, TypeError, IndexError):
        return ""
    if not isinstance(address, IPv6Address) or address.is_loopback:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))


class Share:
    """An amount that is bounded in total and for each client."""

    def __init__(self, most: int, part: float) -> None:
        self._most = most
        self._most_each = min(most, max(1, int(most * part)))
        self._held: Counter[str] = Counter()
        self.total = 0

    def take(self, client: str, amount: int = 1) -> bool:
        """Hold `amount` more, if there is so much left for this client."""
        if self.total + amount > self._most or self._held[client] + amount > self._most_each:
            if not self._held[client]:
                del self._held[client]
            return False
        self.total += amount
        self._held[client] += amount
        return True

    def give(self, client: str, amount: int = 1) -> None:
        """Hold `amount` less."""
        self.total -= amount
        self._held[client] -= amount
        if not self._held[client]:
            del self._held[client]


class Memory:
    """The bytes that one request holds: its body, then its tensors, then its answer."""

    def __init__(self, share: Share, client: str) -> None:
        self._share, self._client = share, client
        self._held = 0
        self._closed = False

    def close(self) -> None:
        """Hold nothing from now on."""
        self.hold(0)
        self._closed = True

    def hold(self, size: int) -> None:
        """Hold exactly `size` bytes from now on.

        Raises:
            RequestError: this client, or all of them together, hold too many.
        """
        if self._closed:
            return
        if size <= self._held:
            self._share.give(self._client, self._held - size)
        elif not self._share.take(self._client, size - self._held):
            raise RequestError(
                "RESOURCE_EXHAUSTED", "Other requests take the memory; try again later"
            )
        self._held = size


@dataclass(eq=False)
class _Upload:
    client: str
    start: float
    deadline: asyncio.Timeout
    displaced: bool = False


# An upload has so many seconds before others displace it; otherwise those who are displaced
# and come again at once would keep the server busy.
_PATIENCE = 3.0
# For that time there may be more uploads, so many times the limit at the most.
_CROWD = 4


class Uploads:
    """Requests whose message has not come in completely.

    Whoever sends nothing must not keep others out: a newcomer always finds room, if
    need be that of the oldest upload of the client with most of them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inside: list[_Upload] = []

    @property
    def count(self) -> int:
        return len(self._inside)

    @contextlib.asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Receive a message within the block.

        Raises:
            RequestError: it came too slowly, or another upload took the place.
        """
        now = asyncio.get_running_loop().time()
        if len(self._inside) >= self._limits.uploads:
            self._displace(now)
        upload = _Upload(client, now, asyncio.timeout(self._limits.body_seconds))
        self._inside.append(upload)
        try:
            async with upload.deadline:
                yield
        except TimeoutError as error:
            if upload.displaced:
                raise RequestError(
                    "RESOURCE_EXHAUSTED", "Too many requests are being sent; try again later"
                ) from error
            raise RequestError("DEADLINE_EXCEEDED", "The body came too slowly", 408) from error
        finally:
            if upload in self._inside:
                self._inside.remove(upload)

    def _displace(self, now: float) -> None:
        counts = Counter(upload.client for upload in self._inside)
        most = max(counts.values())
        oldest = next(upload for upload in self._inside if counts[upload.client] == most)
        crowded = len(self._inside) >= _CROWD * self._limits.uploads
        if not crowded and now - oldest.start < _PATIENCE:
            return
        if not oldest.deadline.expired():
            oldest.displaced = True
            oldest.deadline.reschedule(0)
        self._inside.remove(oldest)


class Turns:
    """One at a time; clients take turns, so that one with many requests delays others by one."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def of(self, client: str) -> AsyncIterator[None]:
        """Hold the turn within the block."""
        if self._taken:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(client, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()  # it was this one's turn already
                raise
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            client, turns = next(iter(self._waiting.items()))
            del self._waiting[client]
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


class Shares:
    """All that clients share."""

    def __init__(self, limits: Limits) -> None:
        part = limits.client_share
        self.requests = Share(limits.concurrent, part)
        self.bytes = Share(limits.held_bytes, part)
        self.connections = Share(limits.connections, part)
        self.uploads = Uploads(limits)

    @contextlib.contextmanager
    def memory(self, client: str) -> Iterator[Memory]:
        """The memory of one request; nothing is held after the block."""
        memory = Memory(self.bytes, client)
        try:
            yield memory
        finally:
            memory.close()
