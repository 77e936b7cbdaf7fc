"""Starting and stopping: taken ports are told, what was admitted is answered, the rest is not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.running import Address, RunningServer
from kaffect.serving.server.servable import Arrays, Models, Servable, Signature, TensorSpec
from tests.serving.server import hostile, served


class SlowModel:
    """Doubles its input once it is told to."""

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()
        spec = TensorSpec("x", np.dtype("float32"), (None,))
        signature = Signature("serving_default", {"x": spec}, {"y": spec}, self.call)
        self.models = Models([Servable("slow", 1, {"serving_default": signature})])

    def call(self, arrays: Arrays) -> Arrays:
        self.started.set()
        assert self.go.wait(20)
        return {"y": 2 * arrays["x"]}


def test_an_admitted_request_is_answered_while_the_server_stops() -> None:
    model = SlowModel()
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
