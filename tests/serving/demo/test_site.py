"""The demo's addresses, asked without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

import kaffect.serving.demo
from kaffect.pages import render, style_sheet
from tests.serving.demo.served_demo import talk
from tests.serving.server import hostile

ASSETS = Path(kaffect.serving.demo.__file__).parent / "assets"


def test_other_sites_are_refused(demo: Any) -> None:
    async def steps(session: Any, address: str) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(address, origin="https://evil.example")
        assert refused.value.status == 403

    talk(demo[0], steps)
    page = f"http://127.0.0.1:{demo[0].rest_port}/demo"
    answer = requests.get(page, headers={"Host": "evil.example"}, timeout=10)
    assert answer.status_code == 403 and set(answer.json()) == {"error"}


def test_pages(demo: Any) -> None:
    root = f"http://127.0.0.1:{demo[0].rest_port}"
    for path in ("/", "/demo", "/demo/"):
        answer = requests.get(root + path, timeout=10)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    files = {name: (ASSETS / name).read_bytes() for name in ("page.js", "plots.js")}
    for name, content in {**files, "style.css": style_sheet()}.items():
        answer = requests.get(f"{root}/demo/{name}", timeout=10)
        assert answer.content == content
        kind = "css" if name == "style.css" else "javascript"
        assert kind in answer.headers["Content-Type"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    facts = requests.get(f"{root}/demo/model.json", timeout=10).json()
    assert facts == {"name": "tiny", "version": 2, "warning": ""}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (hostile.http("POST", "/demo"), 405),
        (hostile.http("GET", "/demo/ws"), 426),
        (hostile.http("GET", "/demo/../../etc/passwd"), 404),
        (hostile.http("GET", "/demo/index.html"), 404),
        (hostile.http("GET", "/demo/%2e%2e/site.py"), 404),
    ],
)
def test_bad_requests_of_the_demo(demo: Any, request_: bytes, status: int) -> None:
    found, _, body = hostile.exchange(demo[0].rest_port, request_)
    assert found == status and set(json.loads(body)) == {"error"}


def test_the_models_are_served_beside_the_page(demo: Any) -> None:
    answer = requests.get(f"http://127.0.0.1:{demo[0].rest_port}/v1/models/tiny", timeout=10)
    assert answer.json()["model_version_status"][0]["state"] == "AVAILABLE"


def test_the_page_names_nothing_outside(demo: Any) -> None:
    sent = [path.read_text() for path in ASSETS.iterdir()]
    for text in (*sent, render("demo"), style_sheet().decode()):
        for outside in ("http://", "https://", "//cdn", "@import", "url(", "eval(", "innerHTML"):
            assert outside not in text
