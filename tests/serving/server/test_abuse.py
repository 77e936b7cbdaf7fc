"""One client cannot stop the server: by silence, by not reading, by size, or by numbers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest

from tests.serving.server import hostile, served
from tests.serving.server.test_grpc_service import predict

LIMITS = replace(
    served.LIMITS, concurrent=4, uploads=2, connections=40, client_share=0.5, body_seconds=2.0
)
PREDICT = "/tensorflow.serving.PredictionService/Predict"
SLOW = "/v1/models/slow:predict"
OTHER_CLIENT = "127.0.0.2"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it becomes true in a while."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def connect(port: int, client: str = "127.0.0.1", receive: int | None = None) -> socket.socket:
    """A connection from one of this machine's addresses."""
    connection = socket.socket()
    if receive is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    connection.settimeout(10)
    connection.bind((client, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def ask(port: int, request: bytes, client: str = "127.0.0.1") -> tuple[int | None, bytes]:
    """Status and body."""
    with connect(port, client) as connection:
        connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else None), body


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it, seen without reading."""
    try:
        connection.send(b"\0")
    except (BrokenPipeError, ConnectionResetError):
        return True
    except BlockingIOError:
        pass
    return False


@pytest.fixture()
def slow() -> Iterator[Any]:
    """A server of a model that waits to be told, and the model."""
    model = served.SlowModel()
    with served.running(model.models, LIMITS) as server:
        try:
            yield server, model
        finally:
            model.go.set()


# gRPC: silence


async def grpc_answer(port: int) -> Any:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = predict(images=np.zeros((1, 1, 8, 8, 3), np.uint8)).SerializeToString()
        return await channel.unary_unary(PREDICT)(request, timeout=10)


def test_silent_grpc_calls_lock_nobody_out(tiny_models: Any) -> None:
    """Ten times as many calls as places, on two connections, none of which sends anything."""

    async def attack(port: int) -> list[str]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(2)]
        silent = [channels[i % 2].stream_unary(PREDICT)() for i in range(40)]
        async with asyncio.timeout(20):
            while sum(not call.done() for call in silent) > 4 * LIMITS.uploads:
                await asyncio.sleep(0.02)
        assert sum(not call.done() for call in silent) == 4 * LIMITS.uploads, "as many as fit"
        for _ in range(3):
            assert await grpc_answer(port)
        codes = [(await asyncio.wait_for(call.code(), 20)).name for call in silent]
        for channel in channels:
            await channel.close()
        return codes

    with served.running(tiny_models, LIMITS) as server:
        codes = asyncio.run(attack(server.grpc_port))
        assert set(codes) == {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
        assert until(lambda: server.engine.shares.uploads.count == 0)


def test_a_grpc_connection_has_few_streams_and_ends_when_idle(tiny_models: Any) -> None:
    with served.running(tiny_models, replace(LIMITS, streams=7, idle_seconds=1.0)) as server:
        with connect(server.grpc_port) as connection:
            connection.sendall(PREFACE)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    received += piece
        # SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, 6.5.2) of the first frame; the end came.
        length = int.from_bytes(received[:3], "big")
        settings = {received[i : i + 2]: received[i + 2 : i + 6] for i in range(9, 9 + length, 6)}
        assert int.from_bytes(settings[b"\0\3"], "big") == 7
        assert until(lambda: server.connections.count == 0)


def test_grpc_connections_of_one_client_leave_room_for_others(tiny_models: Any) -> None:
    with served.running(tiny_models, LIMITS) as server:
        held = [connect(server.grpc_port, OTHER_CLIENT) for _ in range(60)]
        assert until(lambda: server.connections.count == LIMITS.connections // 2)
        assert asyncio.run(grpc_answer(server.grpc_port))
        for connection in held:
            connection.close()
        assert until(lambda: server.connections.count == 0)


# HTTP: silence, and answers that nobody reads


def test_bodies_that_do_not_come_hold_no_place(tiny_models: Any) -> None:
    good = hostile.predict({"instances": [[hostile.FACE]]})
    silent = hostile.http("POST", hostile.PREDICT, Content_Length="1000")
    with served.running(tiny_models, LIMITS) as server:
        held = [connect(server.rest_port) for _ in range(12)]
        for connection in held:
            connection.sendall(silent)
        uploads = server.engine.shares.uploads
        assert until(lambda: uploads.count == 4 * LIMITS.uploads)
        assert ask(server.rest_port, good)[0] == 200
        statuses = [int(connection.recv(65536).split()[1]) for connection in held]
        assert set(statuses) == {408, 429} and uploads.count == 0
        for connection in held:
            connection.close()


@pytest.mark.parametrize("client", ["127.0.0.1", OTHER_CLIENT])
def test_a_health_check_finds_a_way_in(tiny_models: Any, client: str) -> None:
    """All connections are taken, by this client and by others."""
    with served.running(tiny_models, replace(LIMITS, idle_seconds=60.0)) as server:
        held = [connect(server.rest_port, f"127.0.0.{1 + i % 4}") for i in range(80)]
        assert until(lambda: server.connections.count >= LIMITS.connections)
        for _ in range(20):
            assert ask(server.rest_port, hostile.http("GET", "/healthz"), client)[0] == 200
        status, body = ask(server.rest_port, hostile.http("GET", "/v1/models/tiny"), client)
        assert status == 503 and b"Too many connections" in body
        for connection in held:
            connection.close()
        assert until(lambda: server.connections.count == 0)
        assert ask(server.rest_port, hostile.http("GET", "/v1/models/tiny"), client)[0] == 200


def test_who_does_not_read_is_let_go(tiny_models: Any) -> None:
    limits = replace(LIMITS, write_seconds=0.5, idle_seconds=60.0)
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served.running(tiny_models, limits) as server:
        held = [connect(server.rest_port, receive=4096) for _ in range(3)]
        for connection in held:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(2000):
                    connection.send(request)
        assert until(lambda: all(is_closed(connection) for connection in held))
        assert until(lambda: server.connections.count == 0)
        for connection in held:
            connection.close()


def test_who_reads_slowly_but_in_time_gets_everything(tiny_models: Any) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = request.replace(b"localhost\r\n", b"localhost\r\nConnection: close\r\n")
    with served.running(tiny_models, LIMITS) as server:
        with connect(server.rest_port, receive=4096) as connection:
            connection.sendall(request * 99 + last)
            answer = b""
            while piece := connection.recv(8192):
                answer += piece
    assert answer.count(b"HTTP/1.1 200 OK") == 100


# Numbers and sizes


def test_one_client_takes_its_share_of_places_and_memory(slow: Any) -> None:
    server, model = slow
    good = hostile.predict({"instances": [1.0]}, SLOW)
    with ThreadPoolExecutor(4) as clients:
        first = [clients.submit(ask, server.rest_port, good) for _ in range(2)]
        assert until(lambda: server.engine.busy == 2)
        status, body = ask(server.rest_port, good)
        assert status == 429 and set(json.loads(body)) == {"error"}
        other = clients.submit(ask, server.rest_port, good, OTHER_CLIENT)
        assert until(lambda: server.engine.busy == 3)
        model.go.set()
        assert [answer.result(20)[0] for answer in [*first, other]] == [200] * 3
    assert until(lambda: server.engine.shares.bytes.total == 0)


def test_admitted_bytes_are_bounded_over_both_protocols() -> None:
    model = served.SlowModel()
    body = b" " * 300_000 + json.dumps({"instances": [0.5] * 40_000}).encode()
    request = hostile.predict(body, SLOW)
    limits = replace(LIMITS, batch=50_000, concurrent=40, client_share=1.0, held_bytes=1_000_000)
    with served.running(model.models, limits) as server, ThreadPoolExecutor(16) as clients:
        try:
            answers = [clients.submit(ask, server.rest_port, request) for _ in range(12)]
            # Bodies of 0.5 MB become tensors of 160 KB; beside one of them is no room for 960 KB.
            assert until(lambda: sum(answer.done() for answer in answers) >= 6)
            assert server.engine.shares.bytes.total <= limits.held_bytes
            proto = predict(x=np.zeros(240_000, np.float32))
            proto.model_spec.name = "slow"
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                with pytest.raises(grpc.RpcError) as refused:
                    channel.unary_unary(PREDICT)(proto.SerializeToString(), timeout=10)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        finally:
            model.go.set()
        statuses = sorted(str(answer.result(30)[0]) for answer in answers)
        assert set(statuses) == {"200", "429"} and statuses.count("200") >= 1
        assert until(lambda: server.engine.shares.bytes.total == 0)


def test_what_was_parsed_is_dropped_before_computing(slow: Any) -> None:
    server, model = slow
    count = 40_009  # rows; no other list is as long
    with served.running(model.models, replace(LIMITS, batch=50_000)) as server:
        request = hostile.predict({"instances": [0.5] * count}, SLOW)
        with ThreadPoolExecutor(1) as clients:
            answer = clients.submit(ask, server.rest_port, request)
            assert model.started.wait(20)
            lists = [v for v in gc.get_objects() if isinstance(v, list) and len(v) == count]
            model.go.set()
            status, body = answer.result(20)
    assert status == 200 and len(json.loads(body)["predictions"]) == count
    assert not lists


def test_clients_take_turns() -> None:
    """A client with many requests delays another by one of them, not by all."""
    order: list[float] = []
    model = served.SlowModel()
    signature = next(iter(model.models)).signatures["serving_default"]
    inner = signature.call
    object.__setattr__(signature, "call", lambda a: order.append(float(a["x"][0])) or inner(a))
    limits = replace(LIMITS, concurrent=40, joint_bytes=1)
    with served.running(model.models, limits) as server, ThreadPoolExecutor(16) as clients:
        asked = []
        for number in range(8):
            request = hostile.predict({"instances": [float(number)]}, SLOW)
            asked.append(clients.submit(ask, server.rest_port, request))
            assert until(lambda n=number: server.engine.busy == n + 1)
        request = hostile.predict({"instances": [99.0]}, SLOW)
        asked.append(clients.submit(ask, server.rest_port, request, OTHER_CLIENT))
        assert until(lambda: server.engine.busy == 9)
        model.go.set()
        assert all(answer.result(20)[0] == 200 for answer in asked)
    assert order.index(99.0) <= 2, order
