"""Web pages of others, other host names and other kinds of body do not reach the models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kaffect.loopback import HostCheck
from tests.serving.server import hostile, served

GOOD = {"instances": [[hostile.FACE]]}


def ask(server: Any, method: str, path: str, body: Any = None, **headers: str | None) -> int:
    """Status of a request with these headers; None leaves one out."""
    sent = json.dumps(body).encode() if body is not None else b""
    request = hostile.http(method, path, sent)
    for name, value in headers.items():
        lines = request.split(b"\r\n")
        key = name.replace("_", "-").encode()
        lines = [line for line in lines if not line.lower().startswith(key.lower() + b":")]
        if value is not None:
            lines.insert(1, key + b": " + value.encode())
        request = b"\r\n".join(lines)
    status, head, answer = hostile.exchange(server.rest_port, request)
    assert status is not None
    if status >= 400:
        assert b"application/json" in head and set(json.loads(answer)) == {"error"}
    return status


PATHS = ("/healthz", "/metrics", "/v1/models/tiny")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "LOCALHOST:8501"}, 200),
        ({"Host": "[::1]:8501"}, 200),
        ({"Host": "127.9.9.9"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": "192.168.0.7"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),
    ],
)
def test_hosts_and_origins(server: Any, path: str, headers: dict[str, str], status: int) -> None:
    assert ask(server, "GET", path, **headers) == status


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("text/plain;application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        (None, 415),
    ],
)
def test_only_json_is_taken(server: Any, kind: str | None, status: int) -> None:
    assert ask(server, "POST", hostile.PREDICT, GOOD, Content_Type=kind) == status


def test_a_foreign_page_cannot_predict(server: Any) -> None:
    headers = {"Origin": "https://evil.example", "Content_Type": "application/json"}
    assert ask(server, "POST", hostile.PREDICT, GOOD, **headers) == 403


def test_every_address_of_the_demo_is_checked(tiny_models: Any) -> None:
    from tests.serving.demo import served_demo

    with served_demo.running(tiny_models) as (server, _):
        for path in ("/demo", "/demo/page.js", "/demo/ws", "/demo/model.json", *PATHS):
            assert ask(server, "GET", path, Host="evil.example") == 403
            assert ask(server, "GET", path, Origin="https://evil.example") == 403


def test_a_server_that_is_told_its_names(tiny_models: Any) -> None:
    check = HostCheck("127.0.0.1", ["affect.example"])
    with served.running(tiny_models, hosts=check) as server:
        assert ask(server, "GET", "/healthz", Host="affect.example") == 200
        assert ask(server, "GET", "/healthz", Host="evil.example") == 403
