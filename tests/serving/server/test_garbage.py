"""Garbage collections do not look at what lives as long as the server; calls leave none."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from kaffect.serving.server import garbage
from kaffect.serving.server.servable import Models
from kaffect.serving.server.versions import watch
from tests.serving.server import served
from tests.serving.server.test_abuse import PREDICT
from tests.serving.server.test_versions import Shelf


class Node:
    """Something in a cycle: reference counts alone do not free it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    gc.disable()  # none but those of the test
    yield
    gc.unfreeze()
    gc.enable()


def test_what_is_alive_is_set_apart_and_what_was_is_freed() -> None:
    kept, former = Node(), Node()
    seen = [weakref.ref(kept), weakref.ref(former)]
    garbage.set_apart()
    assert not any(item is kept for item in gc.get_objects())
    del kept, former
    gc.collect()
    assert all(ref() is not None for ref in seen), "set apart: not looked at"
    garbage.set_apart()
    assert all(ref() is None for ref in seen)


def test_it_is_done_at_the_look_after_a_change(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add("1")
    models, looks, settled = Models([]), [], []
    look = shelf.versions.look
    shelf.versions.look = lambda: looks.append(len(settled)) or look()  # type: ignore

    async def run() -> None:
        task = asyncio.create_task(
            watch(models, [shelf.versions], 0.005, lambda: settled.append(len(looks)))
        )
        async with asyncio.timeout(20):
            while len(looks) < 4:
                await asyncio.sleep(0.005)
        task.cancel()

    asyncio.run(run())
    assert settled == [1] and looks[:4] == [0, 1, 1, 1]


def test_refused_grpc_calls_leave_little_behind(tiny_models: Any) -> None:
    """With tracebacks in cycles it was 80 objects a call, and 0.1 s to collect those of 8 s."""

    async def silent(port: int) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            calls = [channel.stream_unary(PREDICT)() for _ in range(20)]
            codes = {(await call.code()).name for call in calls}
            assert codes == {"DEADLINE_EXCEEDED"}

    limits = replace(served.LIMITS, body_seconds=0.1)
    with served.running(tiny_models, limits) as server:
        asyncio.run(silent(server.grpc_port))
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            asyncio.run(silent(server.grpc_port))
            gc.collect()
        finally:
            gc.set_debug(0)
        left = [item for item in gc.garbage if type(item).__name__ in ("frame", "traceback")]
        gc.garbage.clear()
    assert len(left) < 20, len(left)
