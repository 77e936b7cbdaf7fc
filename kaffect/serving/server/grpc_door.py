"""The gRPC port: takes connections, counts them by client, and passes their bytes on.

Serves the engineer. gRPC's own server can bound its connections but not those of one
client, and does not let go of one that does not read. It listens on a socket in a private
folder; this door stands before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import tempfile
from pathlib import Path

from kaffect.serving.server.connections import Connections
from kaffect.serving.server.shares import client_of

_PIECE = 1 << 16


class GrpcDoor:
    """Passes connections on to a gRPC server behind it.

    `inside` is the address for that server; `client` says who is behind one of its peers.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._folder = tempfile.TemporaryDirectory(prefix="kaffect-")
        self._socket = Path(self._folder.name) / "grpc"
        self._clients: dict[str, str] = {}
        self._numbers = itertools.count()
        self._passing: set[asyncio.Task[None]] = set()
        self.inside = f"unix:{self._socket}"

    async def start(self, host: str, port: int) -> int:
        """Listen; give the port. Raises `OSError` where it cannot."""
        self._server = await asyncio.start_server(self._accepted, host, port, limit=_PIECE)
        return int(self._server.sockets[0].getsockname()[1])

    def refuse_new(self) -> None:
        """Take no more connections."""
        self._server.close()

    def close(self) -> None:
        """End every connection."""
        for task in self._passing:
            task.cancel()
        self._folder.cleanup()

    def client(self, peer: str) -> str | None:
        """The client behind a peer of the gRPC server; None for one that did not come by here."""
        return self._clients.get(peer)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._pass(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        if not self._connections.enter(transport, spare=False):
            return
        name = f"{self._socket}-{next(self._numbers)}"
        self._clients[f"unix:{name}"] = client_of(transport.get_extra_info("peername"))
        try:
            inner_reader, inner_writer = await _connect(name, str(self._socket))
            both = [_copy(reader, inner_writer), _copy(inner_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in both]
            try:
                # When one side ends, so does the other: HTTP/2 has no half connections.
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                inner_writer.close()
            writer.close()
            await writer.wait_closed()  # what was answered is still sent
        except OSError:
            pass  # one side is gone
        finally:
            transport.abort()
            self._connections.leave(transport)
            self._clients.pop(f"unix:{name}", None)


async def _connect(name: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a socket under a name of one's own, which gRPC then says of its peer."""
    inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    inner.setblocking(False)
    try:
        inner.bind(name)
        Path(name).unlink()
        await asyncio.get_running_loop().sock_connect(inner, path)
        return await asyncio.open_unix_connection(sock=inner, limit=_PIECE)
    except BaseException:
        inner.close()
        raise


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
