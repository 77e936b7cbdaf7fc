"""Large JSON bodies give the same in the process of their own, and it may be lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from kaffect.serving.server import json_tensors
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.json_process import JsonProcess
from kaffect.serving.server.limits import RequestError
from kaffect.serving.server.servable import Models
from tests.serving.server import fuzz, served

BODIES = {
    **{f"good {i}": json.dumps(body).encode() for i, body in enumerate(fuzz.good_bodies())},
    "no JSON": b"{",
    "unknown signature": b'{"signature_name": "x", "inputs": 1}',
    "unknown input": b'{"inputs": {"face": 1}}',
    "another type": b'{"inputs": [["a"]]}',
    "no base64": b'{"signature_name": "serve_jpeg", "instances": [{"b64": "%"}]}',
    "empty strings": b'{"signature_name": "serve_jpeg", "instances": ["", "\\u0000", ""]}',
}


def asked(steps: Callable[[JsonProcess], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        process = JsonProcess()
        try:
            return await steps(process)
        finally:
            await process.close()

    return asyncio.run(run())


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except RequestError as error:
        return (error.code, error.reason, error.status)


def test_it_decodes_as_the_server_itself_does(tiny_models: Any) -> None:
    servable = tiny_models.get("tiny")

    async def steps(process: JsonProcess) -> list[Any]:
        found = []
        for body in BODIES.values():
            try:
                found.append(await process.decode([body], servable))
            except RequestError as error:
                found.append((error.code, error.reason, error.status))
        return found

    for body, found in zip(BODIES.values(), asked(steps), strict=True):
        expected = outcome(lambda body=body: json_tensors.decode([body], servable))
        assert found[0] == expected[0] and found[2] == expected[2]
        if isinstance(found[1], str):
            assert found == expected
            continue
        assert found[0] is servable.signature(found[0].name) and set(found[1]) == set(expected[1])
        for name, array in expected[1].items():
            assert found[1][name].dtype == array.dtype and found[1][name].shape == array.shape
            assert (found[1][name] == array).all()


def test_a_lost_process_is_told_and_started_anew(tiny_models: Any) -> None:
    servable, body = tiny_models.get("tiny"), BODIES["good 0"]

    async def steps(process: JsonProcess) -> Any:
        await process.decode([body], servable)
        running = process._process
        assert running is not None
        os.kill(running.pid, signal.SIGSTOP)
        waiting = asyncio.ensure_future(process.decode([body], servable))
        await asyncio.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)
        with pytest.raises(RequestError, match="could not be parsed"):
            await waiting
        await process.decode([body], servable)
        idle = process._process
        assert idle is not None and idle.pid != running.pid
        idle.kill()
        await idle.wait()
        return await process.decode([body], servable)

    assert asked(steps)[1]["images"].shape == (1, 1, 8, 8, 3)


def test_a_client_that_goes_away_leaves_the_process_in_order(tiny_models: Any) -> None:
    servable = tiny_models.get("tiny")
    padding = b" " * 100_000
    one = padding + json.dumps({"inputs": np.zeros((1, 1, 8, 8, 3), int).tolist()}).encode()
    two = padding + json.dumps({"inputs": np.ones((2, 1, 8, 8, 3), int).tolist()}).encode()

    async def steps() -> tuple[Any, ...]:
        engine = Engine(Models([]), served.LIMITS)
        await engine.parse([one], servable, "a")
        process = engine._json._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        gone = [asyncio.ensure_future(engine.parse([one], servable, "a")) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in gone:
            task.cancel()
        last = asyncio.ensure_future(engine.parse([two], servable, "a"))
        await asyncio.sleep(0.05)
        os.kill(process.pid, signal.SIGCONT)
        ended = await asyncio.gather(*gone, last, return_exceptions=True)
        await engine.close()
        assert all(isinstance(end, asyncio.CancelledError) for end in ended[:3])
        found: tuple[Any, ...] = ended[3]  # type: ignore[assignment]
        return found

    arrays = asyncio.run(steps())[1]
    assert arrays["images"].shape == (2, 1, 8, 8, 3) and (arrays["images"] == 1).all()
