"""Starting and stopping: taken ports are told, what was admitted is answered, the rest is not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kaffect.errors import ConfigError
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.running import Address, RunningServer
from kaffect.serving.server.servable import Models
from tests.serving.server import hostile, served

ROOT = Path(__file__).parents[3]


def test_an_admitted_request_is_answered_while_the_server_stops() -> None:
    model = served.SlowModel()
    request = hostile.predict({"instances": [1.5]}, "/v1/models/slow:predict")
    with ThreadPoolExecutor(2) as clients:
        context = served.running(model.models)
        server = context.__enter__()
        first = clients.submit(hostile.exchange, server.rest_port, request)
        assert model.started.wait(10)
        stopping = clients.submit(context.__exit__, None, None, None)
        while not server.engine.draining:
            threading.Event().wait(0.005)
        status, _, body = hostile.exchange(server.rest_port, request)
        assert status == 503 and set(json.loads(body)) == {"error"}
        status, _, body = hostile.exchange(server.rest_port, hostile.http("GET", "/readyz"))
        assert status == 503
        model.go.set()
        status, _, body = first.result(10)
        assert status == 200 and json.loads(body) == {"predictions": [3.0]}
        stopping.result(20)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.rest_port), 5)


@pytest.fixture()
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("which", ["rest_port", "grpc_port"])
def test_a_taken_port_is_told(taken: int, which: str) -> None:
    ports: dict[str, Any] = {"rest_port": 0, "grpc_port": 0, which: taken}

    async def start() -> None:
        await RunningServer(Engine(Models([])), Address(**ports)).start()

    with pytest.raises(ConfigError, match=f"127.0.0.1:{taken}"):
        asyncio.run(start())


ENDLESS = """
import asyncio, gc, time
import numpy as np
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.limits import Limits
from kaffect.serving.server.running import Address, RunningServer, serve_until_signal
from kaffect.serving.server.servable import Models, Servable, Signature, TensorSpec

def endless(arrays):
    print("computing", gc.get_freeze_count() > 10_000, flush=True)
    time.sleep(600)

spec = TensorSpec("x", np.dtype("float32"), (None,))
signature = Signature("serving_default", {"x": spec}, {"x": spec}, endless)
models = Models([Servable("slow", 1, {"serving_default": signature})])
server = RunningServer(Engine(models, Limits(grace=0.5)), Address(rest_port=0, grpc_port=0))
asyncio.run(serve_until_signal(server, "port {rest}"))
"""


def test_it_ends_after_the_grace_whatever_is_computed(tmp_path: Path) -> None:
    """A thread that computes cannot be stopped, and Python waits for it at its end."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "endless.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[1])
        request = hostile.predict({"instances": [1.5]}, "/v1/models/slow:predict")
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(request)
            assert process.stdout.readline() == "computing True\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
