"""Start, keep and stop the server: two ports, loopback by default, an orderly end.

Serves the engineer: SIGTERM or Ctrl-C refuses new requests, answers those that
were admitted, and ends with exit code 0.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from aiohttp import web

from kaffect.errors import ConfigError
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.grpc_service import GrpcService
from kaffect.serving.server.http import Handler, Server
from kaffect.serving.server.rest import RestApi

LOG = logging.getLogger(__name__)


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
    """

    engine: Engine
    address: Address = field(default_factory=Address)
    handler: Handler | None = None
    before_close: Callable[[], Awaitable[None]] | None = None
    rest_port: int = 0
    grpc_port: int = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: a port is taken or may not be used.
        """
        limits, host = self.engine.limits, self.address.host
        self._http = web.ServerRunner(
            Server(self.handler or RestApi(self.engine), limits), shutdown_timeout=1.0
        )
        await self._http.setup()
        site = web.TCPSite(self._http, host, self.address.rest_port)
        try:
            await site.start()
        except OSError as error:
            await self._http.cleanup()
            raise ConfigError(
                f"Cannot listen on {host}:{self.address.rest_port} (REST): {error.strerror}"
            ) from error
        self.rest_port = self._http.addresses[0][1]
        self._grpc = grpc.aio.server(
            maximum_concurrent_rpcs=2 * limits.concurrent,
            options=[
                ("grpc.max_receive_message_length", limits.body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_metadata_size", 16384),
                ("grpc.so_reuseport", 0),
            ],
        )
        self._grpc.add_generic_rpc_handlers(GrpcService(self.engine).handlers())
        shown = f"[{host}]" if ":" in host else host
        try:
            self.grpc_port = self._grpc.add_insecure_port(f"{shown}:{self.address.grpc_port}")
        except RuntimeError as error:
            await self._http.cleanup()
            raise ConfigError(
                f"Cannot listen on {host}:{self.address.grpc_port} (gRPC): it is taken "
                "or may not be used"
            ) from error
        await self._grpc.start()

    async def stop(self, grace: float = 10.0) -> None:
        """Refuse new requests, answer the admitted ones within `grace` seconds, close."""
        await self.engine.drain(grace)
        if self.before_close is not None:
            await self.before_close()
        await self._grpc.stop(1.0)
        await self._http.cleanup()
        self.engine.close()


async def serve_until_signal(server: RunningServer, announce: str = "") -> None:
    """Run until SIGTERM or Ctrl-C; `announce` is printed with the ports once it listens."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    print(announce.format(rest=server.rest_port, grpc=server.grpc_port), flush=True)
    await stopped.wait()
    print("stopping: requests that were admitted are answered first", flush=True)
    await server.stop()
