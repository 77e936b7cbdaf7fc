"""One line of JSON for each request, with an id that the client gets too, and no picture."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import grpc
import numpy as np
import pytest

from kaffect.serving.server.access import AccessLog, Call, request_id
from tests.serving.server import hostile, served
from tests.serving.server.test_abuse import PREDICT, until
from tests.serving.server.test_grpc_service import predict


def lines(stream: io.StringIO, count: int) -> list[dict[str, Any]]:
    assert until(lambda: stream.getvalue().count("\n") >= count)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture()
def logged(tiny_models: Any) -> Any:
    stream = io.StringIO()
    with served.running(tiny_models, access_log=AccessLog(stream)) as server:
        yield server, stream


def test_rest(logged: Any) -> None:
    server, stream = logged
    secret = b"secret picture"
    good = hostile.predict({"instances": [[hostile.FACE]]}, X_Request_Id="mine-1")
    _, head, _ = hostile.exchange(server.rest_port, good)
    assert b"x-request-id: mine-1" in head.lower()
    _, head, _ = hostile.exchange(server.rest_port, hostile.image(secret))
    hostile.exchange(server.rest_port, hostile.http("GET", "/healthz", Host2="x"))
    hostile.exchange(server.rest_port, hostile.http("GET", "/" + "a" * 2000))
    found = lines(stream, 4)
    first, second, third, fourth = found
    assert (
        first["id"] == "mine-1" and first["protocol"] == "rest" and first["client"] == "127.0.0.1"
    )
    assert (first["model"], first["version"], first["signature"]) == ("tiny", 2, "serving_default")
    assert (first["code"], first["status"], first["method"]) == ("OK", 200, "POST")
    assert first["received_bytes"] == len(good.partition(b"\r\n\r\n")[2])
    assert first["sent_bytes"] > 50 and first["seconds"] >= 0
    assert (second["code"], second["status"]) == ("INVALID_ARGUMENT", 400)
    assert second["id"].encode() in head
    assert third["address"] == "/healthz" and fourth["status"] == 404
    assert len(fourth["address"]) == 200
    assert "secret" not in stream.getvalue() and "c2VjcmV0" not in stream.getvalue()


def test_grpc(logged: Any) -> None:
    server, stream = logged
    good = predict(images=np.zeros((1, 1, 8, 8, 3), np.uint8)).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.unary_unary(PREDICT)
        _, answered = call.with_call(good, timeout=10, metadata=(("x-request-id", "mine-2"),))
        assert dict(answered.trailing_metadata())["x-request-id"] == "mine-2"
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff no message", timeout=10)
    first, second = lines(stream, 2)
    assert first["id"] == "mine-2" and first["protocol"] == "grpc" and first["address"] == "Predict"
    assert (first["client"], first["code"]) == ("127.0.0.1", "OK")
    assert (first["model"], first["version"], first["signature"]) == ("tiny", 2, "serving_default")
    assert first["received_bytes"] == len(good)
    assert second["code"] == "INVALID_ARGUMENT"
    assert dict(refused.value.trailing_metadata())["x-request-id"] == second["id"]


@pytest.mark.parametrize("given", [None, "", "a b", "a\nb", '"', "x" * 65, "é"])
def test_ids_of_clients_are_plain_words(given: str | None) -> None:
    made = request_id(given)
    assert made != given and made.isalnum() and request_id("A-b_c.1") == "A-b_c.1"
    assert request_id(given) != made


def test_a_stream_that_nobody_reads_does_not_stop_the_server() -> None:
    """Lines beyond the queue are dropped, and the caller does not wait."""
    go = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            go.wait(60)
            return super().write(text)

    stream = Stuck()
    log = AccessLog(stream)
    for _ in range(12_000):
        log.write(Call("id", "rest", "127.0.0.1", "GET", "/"))
    go.set()
    log.close()
    assert 10_000 <= stream.getvalue().count("\n") < 12_000
