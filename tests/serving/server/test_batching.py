"""Requests that wait are computed together, apart by kind, and fail alone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kaffect.serving.server.batching import Batcher
from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.servable import Arrays, Signature, TensorSpec

LIMITS = Limits(batch=8, joint_bytes=1 << 20)


class Model:
    """Doubles its input; the first call waits until `go` is set, so that others gather."""

    def __init__(self, joins: bool = True) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.calls: list[tuple[int, ...]] = []
        shape = (None if joins else 1, None)
        self.signature = Signature(
            "double",
            {"x": TensorSpec("x", np.dtype("float32"), shape)},
            {"y": TensorSpec("y", np.dtype("float32"), (None, None))},
            self.call,
        )

    def call(self, arrays: Arrays) -> Arrays:
        self.calls.append(arrays["x"].shape)
        if len(self.calls) == 1:
            self.started.set()
            assert self.go.wait(10)
        if (arrays["x"] < 0).any():
            raise ValueError("/secret/path does not like it")
        return {"y": 2 * arrays["x"]}


def row(value: float, rows: int = 1, width: int = 3) -> Arrays:
    return {"x": np.full((rows, width), value, np.float32)}


async def ask(batcher: Batcher, model: Model, requests: list[Arrays], before: Any = None) -> Any:
    """One request alone, then all others while it runs."""
    first = asyncio.ensure_future(batcher.run(row(0), 12))
    await asyncio.to_thread(model.started.wait, 10)
    tasks = [asyncio.ensure_future(batcher.run(r, r["x"].nbytes)) for r in requests]
    await asyncio.sleep(0)
    if before:
        before(tasks)
    model.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    return answers


def run(requests: list[Arrays], limits: Limits = LIMITS, before: Any = None, **options: Any) -> Any:
    model = Model(**options)
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        batcher = Batcher(model.signature, pool, limits, seen.append)
        answers = asyncio.run(ask(batcher, model, requests, before))
    return answers, model.calls[1:], seen[1:]


def test_what_waits_is_computed_together() -> None:
    answers, calls, seen = run([row(1), row(2, rows=2), row(3)])
    assert calls == [(4, 3)] and seen == [4]
    assert [a["y"][0, 0] for a in answers] == [2, 4, 6]
    assert [len(a["y"]) for a in answers] == [1, 2, 1]


def test_kinds_are_kept_apart() -> None:
    answers, calls, _ = run([row(1), row(2, width=5), row(3)])
    assert calls == [(2, 3), (1, 5)]
    assert [a["y"][0, 0] for a in answers] == [2, 4, 6]


def test_the_limit_of_rows_and_bytes() -> None:
    _, calls, _ = run([row(i, rows=3) for i in range(4)])
    assert calls == [(6, 3), (6, 3)]
    _, calls, _ = run([row(i) for i in range(4)], replace(LIMITS, joint_bytes=30))
    assert calls == [(2, 3), (2, 3)]


def test_a_signature_with_fixed_rows_is_never_joined() -> None:
    answers, calls, _ = run([row(1), row(2)], joins=False)
    assert calls == [(1, 3), (1, 3)]
    assert [a["y"][0, 0] for a in answers] == [2, 4]


def test_a_bad_request_fails_alone_and_tells_nothing() -> None:
    answers, calls, _ = run([row(1), row(-1), row(3)])
    assert calls == [(3, 3), (1, 3), (1, 3), (1, 3)]
    assert answers[0]["y"][0, 0] == 2 and answers[2]["y"][0, 0] == 6
    assert isinstance(answers[1], RequestError) and answers[1].code == "INVALID_ARGUMENT"
    assert "secret" not in str(answers[1])


def test_a_cancelled_request_is_not_computed() -> None:
    answers, calls, _ = run([row(1), row(2), row(3)], before=lambda tasks: tasks[1].cancel())
    assert calls == [(2, 3)]
    assert isinstance(answers[1], asyncio.CancelledError)
    assert answers[2]["y"][0, 0] == 6


def test_nobody_waits_for_ever_when_the_pool_is_closed() -> None:
    model = Model()
    pool = ThreadPoolExecutor(1)
    pool.shutdown()

    async def asked() -> None:
        await asyncio.wait_for(Batcher(model.signature, pool, LIMITS).run(row(1), 12), 10)

    with pytest.raises(RequestError, match="Shutting down"):
        asyncio.run(asked())


class Crowd:
    """Calls that wait until they are told; they say how many run at once."""

    def __init__(self, limits: Limits) -> None:
        self.go = threading.Event()
        self.calls: list[list[float]] = []
        spec = TensorSpec("x", np.dtype("float32"), (None, None))
        signature = Signature("wait", {"x": spec}, {"y": spec}, self.call)
        self.pool = ThreadPoolExecutor(limits.threads)
        self.batcher = Batcher(signature, self.pool, limits)

    def call(self, arrays: Arrays) -> Arrays:
        self.calls.append(arrays["x"][:, 0].tolist())
        assert self.go.wait(20)
        return {"y": arrays["x"]}

    async def ask(self, client: str, value: float, rows: int = 1) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(self.batcher.run(row(value, rows), 12 * rows, client))
        await asyncio.sleep(0.05)
        return task


def answered(limits: Limits, asked: list[tuple[Any, ...]]) -> tuple[list[Any], list[Any]]:
    """Calls before and after the first of them may end."""

    async def run() -> tuple[list[Any], list[Any]]:
        crowd = Crowd(limits)
        tasks = [await crowd.ask(*each) for each in asked]
        before = list(crowd.calls)
        crowd.go.set()
        for task, (_, value, *_) in zip(tasks, asked, strict=True):
            assert (await task)["y"][0, 0] == value
        crowd.pool.shutdown()
        return before, crowd.calls[len(before) :]

    return asyncio.run(run())


def test_a_client_never_has_all_threads() -> None:
    before, after = answered(LIMITS, [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5)])
    assert before == [[1], [4]] and sorted(map(sorted, after)) in ([[2, 3, 5]], [[2, 3], [5]])
    alone, _ = answered(replace(LIMITS, client_share=1.0), [("a", 1), ("a", 2), ("a", 3)])
    assert alone == [[1], [2]]


def test_nobody_waits_for_the_large_request_of_another() -> None:
    limits = replace(LIMITS, batch=64)
    asked = [("a", 1), ("b", 2), ("a", 3, 40), ("b", 4), ("c", 5)]
    _, after = answered(limits, asked)
    assert [3] * 40 in after, "it is computed apart"
    assert all(set(call) in ({3}, {4}, {5}, {4, 5}) for call in after)
