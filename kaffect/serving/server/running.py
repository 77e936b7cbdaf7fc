"""Start, keep and stop the server: two ports, loopback by default, an orderly end.

Serves the engineer: SIGTERM or Ctrl-C refuses new requests, answers those that
were admitted, and ends with exit code 0.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import web

from kaffect.errors import ConfigError
from kaffect.loopback import HostCheck
from kaffect.serving.server import garbage
from kaffect.serving.server.access import AccessLog
from kaffect.serving.server.connections import Connections
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.grpc_door import GrpcDoor
from kaffect.serving.server.grpc_service import GrpcService
from kaffect.serving.server.http import Handler, Server
from kaffect.serving.server.rest import RestApi

LOG = logging.getLogger(__name__)
# Beyond the grace, for closing connections.
_CLOSING = 4.0


@dataclass(frozen=True)
class Address:
    """Where to listen; port 0 takes a free one. The ports are TF Serving's."""

    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500


@dataclass
class RunningServer:
    """A server that listens; `stop` ends it.

    Args:
        engine: what it serves.
        address: where.
        handler: answers HTTP requests; TF Serving's REST API by default.
        before_close: awaited on stopping, once the admitted requests are answered.
        hosts: who may ask; by default as `HostCheck` says for the address.
        access_log: is told of every request.
        background: runs as long as it listens.
    """

    engine: Engine
    address: Address = field(default_factory=Address)
    handler: Handler | None = None
    before_close: Callable[[], Awaitable[None]] | None = None
    hosts: HostCheck | None = None
    access_log: AccessLog | None = None
    background: Coroutine[Any, Any, None] | None = None
    rest_port: int = 0
    grpc_port: int = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: a port is taken or may not be used.
        """
        limits, host = self.engine.limits, self.address.host
        self.connections = Connections(limits, self.engine.shares.connections)
        hosts = self.hosts or HostCheck(host)
        handler = self.handler or RestApi(self.engine)
        server = Server(handler, limits, self.connections, hosts, self.access_log)
        self._http = web.ServerRunner(server, shutdown_timeout=1.0)
        self._door = GrpcDoor(self.connections)
        self._grpc = self._grpc_server()
        try:
            await self._listen(host)
        except BaseException:
            await self._http.cleanup()
            await self._grpc.stop(0)
            self._door.close()
            raise
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.connections.watch())]
        if self.background is not None:
            self._tasks.append(loop.create_task(self.background))

    async def _listen(self, host: str) -> None:
        await self._http.setup()
        try:
            await web.TCPSite(self._http, host, self.address.rest_port).start()
        except OSError as error:
            raise ConfigError(
                f"Cannot listen on {host}:{self.address.rest_port} (REST): {error.strerror}"
            ) from error
        self.rest_port = self._http.addresses[0][1]
        await self._grpc.start()
        try:
            self.grpc_port = await self._door.start(host, self.address.grpc_port)
        except OSError as error:
            raise ConfigError(
                f"Cannot listen on {host}:{self.address.grpc_port} (gRPC): {error.strerror}"
            ) from error

    def _grpc_server(self) -> grpc.aio.Server:
        limits = self.engine.limits
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_metadata_size", 16384),
                ("grpc.max_concurrent_streams", limits.streams),
                ("grpc.max_connection_idle_ms", int(1000 * limits.idle_seconds)),
                ("grpc.max_connection_age_ms", int(1000 * limits.connection_seconds)),
                ("grpc.max_connection_age_grace_ms", int(1000 * limits.deadline)),
                ("grpc.server_handshake_timeout_ms", int(1000 * limits.idle_seconds)),
            ]
        )
        service = GrpcService(self.engine, self._door.client, self.access_log)
        server.add_generic_rpc_handlers(service.handlers())
        server.add_insecure_port(self._door.inside)
        return server

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new requests, answer the admitted ones within `grace` seconds, close."""
        await self.engine.drain(self.engine.limits.grace if grace is None else grace)
        if self.before_close is not None:
            await self.before_close()
        self._door.refuse_new()
        await self._grpc.stop(1.0)
        self._door.close()
        await self._http.cleanup()
        for task in self._tasks:
            task.cancel()
        await self.engine.close()
        if self.access_log is not None:
            self.access_log.close()


async def serve_until_signal(server: RunningServer, announce: str = "") -> None:
    """Run until SIGTERM or Ctrl-C; `announce` is printed with the ports once it listens.

    After the signal the process ends within the grace and `_CLOSING` seconds, whatever it is
    doing then: a model that computes for minutes cannot be interrupted otherwise.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    garbage.set_apart()
    print(announce.format(rest=server.rest_port, grpc=server.grpc_port), flush=True)
    await stopped.wait()
    print("stopping: requests that were admitted are answered first", flush=True)
    end = threading.Timer(server.engine.limits.grace + _CLOSING, os._exit, (0,))
    end.daemon = True
    end.start()
    await server.stop()
