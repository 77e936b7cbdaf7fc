"""The demo's sessions, without a browser: frames, limits, ends."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import aiohttp
import numpy as np
import pytest

from kaffect.serving.demo.reading import FaceReading
from kaffect.serving.demo.sessions import SessionLimits, decode_frame
from kaffect.serving.server.limits import Limits, RequestError
from tests.serving.demo import served_demo
from tests.serving.demo.served_demo import talk
from tests.serving.server import hostile, served


def frame(seconds: float, level: int, size: int = 60) -> bytes:
    return struct.pack("<d", seconds) + served.picture(level, size, "JPEG")


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
            await socket.send_bytes(b"x" * ((1 << 16) + 1))
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
