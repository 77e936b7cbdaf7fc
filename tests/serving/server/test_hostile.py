"""A server outlives what is sent to it: each bad request gets 4xx and a JSON error."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import requests

from tests.serving.server import fuzz, hostile, served


def assert_well_said(status: int | None, head: bytes, body: bytes) -> None:
    """An error is a JSON object with one reason, and tells nothing of the machine."""
    assert status is not None and 400 <= status < 500, (status, body)
    assert b"content-type: application/json" in head.lower()
    answer = json.loads(body)
    assert set(answer) == {"error"} and answer["error"]
    assert len(body) < 600
    for trace in ("Traceback", "File ", "site-packages", ".py", "/tmp", "/home", "/etc", "\\n"):
        assert trace not in answer["error"], answer
    assert b"aiohttp" not in head.lower() and b"python" not in head.lower()


def assert_healthy(server: Any) -> None:
    """It still computes the right numbers."""
    images = np.full((1, 1, 8, 8, 3), 51, np.uint8)
    url = f"http://127.0.0.1:{server.rest_port}{hostile.PREDICT}"
    answer = requests.post(url, json={"instances": images.tolist()}, timeout=20)
    found = answer.json()["predictions"][0]["valence_arousal"]
    np.testing.assert_allclose(found, [[0.4, -0.4]], atol=1e-6)


def test_there_are_enough_cases() -> None:
    assert len(hostile.CASES) >= 60


@pytest.mark.parametrize("name", hostile.CASES)
def test_hostile_request(server: Any, name: str) -> None:
    request, expected = hostile.CASES[name]
    status, head, body = hostile.exchange(server.rest_port, request)
    assert status in expected, body
    # A refused HEAD or a closed connection has no body.
    if status is not None:
        assert_well_said(status, head, body)


def test_it_is_healthy_after_all_of_them(server: Any) -> None:
    assert_healthy(server)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        hostile.http("POST", hostile.PREDICT, b'{"inputs"', Content_Length="50"),
        hostile.http("POST", hostile.PREDICT, Transfer_Encoding="chunked").replace(
            b"Content-Length: 0\r\n", b""
        )
        + b"5\r\nab",
    ],
)
def test_a_request_that_is_broken_off_is_answered(
    server: Any, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    status, head, body = hostile.exchange(server.rest_port, request_, ended=True)
    assert status == 400
    assert_well_said(status, head, body)
    assert not caplog.records, "a client's fault does not fill the log"


def test_a_good_request_of_a_client_that_ends_sending_is_answered(server: Any) -> None:
    good = hostile.predict({"instances": [[hostile.FACE]]})
    status, _, body = hostile.exchange(server.rest_port, good, ended=True)
    assert status == 200 and "predictions" in json.loads(body)
    assert hostile.exchange(server.rest_port, b"", ended=True)[0] is None


def test_head_has_no_body(server: Any) -> None:
    status, _, body = hostile.exchange(server.rest_port, hostile.http("HEAD", hostile.PREDICT))
    assert status == 405 and body == b""


def test_a_second_request_hidden_in_a_refused_body_is_not_answered(server: Any) -> None:
    hidden = hostile.http("GET", "/healthz")
    request = hostile.http("POST", "/v1/models/nobody:predict", hidden * 3)
    _, _, body = hostile.exchange(server.rest_port, request.replace(b"Connection: close\r\n", b""))
    assert body.count(b"HTTP/1.1") == 0 and b"alive" not in body


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=pytest.mark.nightly)], ids=["sample", "full"]
)
def test_fuzzed_requests(server: Any, count: int) -> None:
    seen = fuzz.run(server, count, seed=0, check=assert_well_said)
    assert sum(seen.values()) == count and not seen["closed"], seen
    # Positive evidence: the fuzz reaches past the parser, and some mutants stay good.
    assert seen["ok"] > 0 and seen["400"] > count // 4 and seen["grpc refused"] > 0, seen
    assert_healthy(server)


@pytest.fixture()
def small_server(tiny_models: Any) -> Iterator[Any]:
    limits = replace(served.LIMITS, concurrent=2, connections=6, body_seconds=5.0)
    with served.running(tiny_models, limits) as running:
        yield running


def test_one_more_request_than_places_is_429() -> None:
    """Two requests are computed; the third is told at once."""
    model = served.SlowModel()
    good = hostile.predict({"instances": [1.0]}, "/v1/models/slow:predict")
    limits = replace(served.LIMITS, concurrent=2)
    with served.running(model.models, limits) as running, ThreadPoolExecutor(2) as clients:
        held = [clients.submit(hostile.exchange, running.rest_port, good, 60) for _ in range(2)]
        deadline = time.monotonic() + 20
        while running.engine.busy < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        status, head, body = hostile.exchange(running.rest_port, good)
        model.go.set()
        assert status == 429 and b"Retry-After" in head
        assert_well_said(status, head, body)
        assert [answer.result()[0] for answer in held] == [200, 200]
        assert hostile.exchange(running.rest_port, good)[0] == 200


def test_too_many_connections_are_closed_and_the_server_lives(small_server: Any) -> None:
    address = ("127.0.0.1", small_server.rest_port)
    idle = [socket.create_connection(address, 10) for _ in range(20)]
    time.sleep(0.2)
    for connection in idle:
        connection.close()
    time.sleep(0.2)
    assert_healthy(small_server)


def test_what_is_late_is_504(tiny_models: Any) -> None:
    with served.running(tiny_models, replace(served.LIMITS, deadline=1e-4)) as late:
        request = hostile.predict({"instances": [[hostile.FACE]]})
        status, _, body = hostile.exchange(late.rest_port, request)
    assert status == 504 and json.loads(body) == {"error": "The answer was not ready in time"}


def test_a_bug_tells_nothing(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: the answer is 500 with a general reason, and the server goes on."""

    def broken(*_: Any) -> Any:
        raise KeyError("/secret/path")

    request = hostile.predict({"instances": [[hostile.FACE]]})
    with monkeypatch.context() as patch:
        patch.setattr("kaffect.serving.server.json_tensors.answer", broken)
        status, _, body = hostile.exchange(server.rest_port, request)
    assert status == 500 and b"secret" not in body and set(json.loads(body)) == {"error"}
    assert_healthy(server)


def test_many_clients_at_once_get_their_own_answers(server: Any) -> None:
    def ask(level: int) -> bool:
        images = np.full((1, 1 + level % 3, 8, 8, 3), level, np.uint8)
        request = hostile.predict({"instances": images.tolist()})
        status, _, body = hostile.exchange(server.rest_port, request)
        found = np.array(json.loads(body)["predictions"][0]["valence_arousal"])[:, 0]
        return status == 200 and np.allclose(found, level / 255 * 2, atol=1e-6)

    with ThreadPoolExecutor(32) as clients:
        assert all(clients.map(ask, range(96)))
    assert threading.active_count() < 100
