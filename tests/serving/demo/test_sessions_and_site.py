"""The demo's addresses and sessions, asked without a browser."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import requests

import kaffect.serving.demo
from kaffect.loopback import is_loopback
from kaffect.pages import render, style_sheet
from kaffect.serving.demo.reading import FaceReading
from kaffect.serving.demo.sessions import SessionLimits, decode_frame
from kaffect.serving.server.limits import Limits, RequestError
from tests.serving.demo import served_demo
from tests.serving.server import hostile, served

LIMITS = SessionLimits(
    sessions=2, client_share=1.0, message_bytes=1 << 16, pixels=100 * 100, silence=2.0
)
ASSETS = Path(kaffect.serving.demo.__file__).parent / "assets"


@pytest.fixture(scope="module")
def demo(tiny_models: Any) -> Any:
    with served_demo.running(tiny_models, LIMITS) as (server, sessions):
        yield server, sessions


def frame(seconds: float, level: int, size: int = 60) -> bytes:
    return struct.pack("<d", seconds) + served.picture(level, size, "JPEG")


def talk(server: Any, steps: Callable[[Any, str], Awaitable[Any]]) -> Any:
    """Run `steps` with an HTTP session and the address of the WebSocket."""

    async def run() -> Any:
        async with aiohttp.ClientSession() as session:
            return await steps(session, f"http://127.0.0.1:{server.rest_port}/demo/ws")

    return asyncio.run(run())


def test_a_session_keeps_its_state(demo: Any) -> None:
    async def steps(session: Any, address: str) -> None:
        async with session.ws_connect(address) as one, session.ws_connect(address) as two:
            hello = {"type": "hello", "labels": list(served_demo.LABELS)}
            assert await one.receive_json() == await two.receive_json() == hello
            for number in (1, 2, 3):
                await one.send_bytes(frame(number / 10, 255))
                answer = await one.receive_json()
                assert answer["time"] == number / 10
                assert answer["faces"][0]["arousal"] == number / 100
            await two.send_bytes(frame(0, 255))
            face = (await two.receive_json())["faces"][0]
        assert face["arousal"] == 0.01, "the state of another session"
        assert face["box"] == [0.3, 0.2, 0.7, 0.8] and face["label"] == "Happiness"
        assert sum(face["probabilities"]) == pytest.approx(1, abs=1e-3)

    talk(demo[0], steps)


def test_a_frame_without_a_face(demo: Any) -> None:
    async def steps(session: Any, address: str) -> None:
        async with session.ws_connect(address) as socket:
            await socket.receive_json()
            await socket.send_bytes(frame(0, 0))
            assert await socket.receive_json() == {"type": "reading", "time": 0.0, "faces": []}

    talk(demo[0], steps)


BAD_FRAMES = {
    "text": "hello",
    "empty": b"",
    "time alone": struct.pack("<d", 0),
    "time that is not finite": struct.pack("<d", float("nan")) + served.picture(1),
    "negative time": frame(-1, 5),
    "no picture": struct.pack("<d", 0) + b"rubbish",
    "GIF": struct.pack("<d", 0) + served.picture(1, kind="GIF"),
    "too many pixels": frame(0, 5, size=101),
    "bomb": struct.pack("<d", 0) + hostile.png_claiming(60_000, 60_000),
    "picture without data": struct.pack("<d", 0) + hostile.png_claiming(0, 0),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_ends_the_session_with_a_reason(demo: Any, name: str) -> None:
    async def steps(session: Any, address: str) -> None:
        async with session.ws_connect(address) as socket:
            await socket.receive_json()
            bad = BAD_FRAMES[name]
            await (socket.send_str(bad) if isinstance(bad, str) else socket.send_bytes(bad))
            answer = await socket.receive_json(timeout=10)
            assert answer["type"] == "error" and "/" not in answer["error"]
            assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 1008

    talk(demo[0], steps)
    assert served_demo.nobody_left(demo[1])


def test_a_message_beyond_the_limit_ends_the_session(demo: Any) -> None:
    async def steps(session: Any, address: str) -> int:
        async with session.ws_connect(address) as socket:
            await socket.receive_json()
            await socket.send_bytes(b"x" * (LIMITS.message_bytes + 1))
            await socket.receive(timeout=10)
            return int(socket.close_code)

    assert talk(demo[0], steps) == 1009


def test_silence_ends_a_session_and_places_are_few(demo: Any) -> None:
    assert served_demo.nobody_left(demo[1])

    async def steps(session: Any, address: str) -> None:
        async with session.ws_connect(address) as one, session.ws_connect(address) as two:
            await one.receive_json(), await two.receive_json()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(address)
            assert refused.value.status == 429
            assert (await one.receive_json(timeout=10))["error"].startswith("The session was sil")

    talk(demo[0], steps)

    assert served_demo.nobody_left(demo[1])

    async def again(session: Any, address: str) -> None:
        async with session.ws_connect(address) as socket:
            assert (await socket.receive_json())["type"] == "hello"

    talk(demo[0], again)


def test_one_address_leaves_places_to_others(tiny_models: Any) -> None:
    limits = SessionLimits(sessions=4, client_share=0.5)

    async def steps(session: Any, address: str) -> None:
        async with session.ws_connect(address) as one, session.ws_connect(address) as two:
            await one.receive_json(), await two.receive_json()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(address)
            assert refused.value.status == 429
            other = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
            async with aiohttp.ClientSession(connector=other) as elsewhere:
                async with elsewhere.ws_connect(address) as three:
                    assert (await three.receive_json())["type"] == "hello"

    with served_demo.running(tiny_models, limits) as (server, _):
        talk(server, steps)


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


def test_stopping_ends_open_sessions(tiny_models: Any) -> None:
    async def steps(session: Any, address: str) -> int:
        async with session.ws_connect(address) as socket:
            await socket.receive_json()
            closing = asyncio.create_task(asyncio.to_thread(context.__exit__, None, None, None))
            message = await socket.receive(timeout=10)
            await closing
            assert message.type is aiohttp.WSMsgType.CLOSE
            return int(socket.close_code)

    context = served_demo.running(tiny_models)
    server, _ = context.__enter__()
    assert talk(server, steps) == 1001


def test_a_failing_reader_tells_nothing(tiny_models: Any) -> None:
    class Broken:
        def read(self, frame: np.ndarray, seconds: float) -> list[FaceReading]:
            raise KeyError("/secret/path")

    async def steps(session: Any, address: str) -> dict[str, Any]:
        async with session.ws_connect(address) as socket:
            await socket.receive_json()
            await socket.send_bytes(frame(0, 9))
            answer: dict[str, Any] = await socket.receive_json(timeout=10)
            return answer

    with served_demo.running(tiny_models, demo=served_demo.model(Broken)) as (server, _):
        answer = talk(server, steps)
    assert answer == {"type": "error", "error": "The server failed; its log says why"}


def test_frames_are_decoded_as_rgb() -> None:
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (20, 10), (200, 100, 0)).save(out, "PNG")
    seconds, found = decode_frame(struct.pack("<d", 1.5) + out.getvalue(), Limits())
    assert seconds == 1.5 and found.shape == (10, 20, 3)
    assert (found == (200, 100, 0)).all()
    with pytest.raises(RequestError):
        decode_frame(struct.pack("<d", 1.5), Limits())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.0.5", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
