"""Requests that wait are computed together, when they are of one kind.

Serves the engineer: while one batch is computed, the next gathers; nothing waits
when nothing is running, so that a single client pays no delay. Clients take turns, and
one of them never has all threads. A request that fails (an image that does not decode)
fails alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.servable import Arrays, Signature

LOG = logging.getLogger(__name__)
# Up to so many rows requests of several clients are computed together; nobody waits for the
# large request of another.
_SMALL = 16


@dataclass(eq=False)
class _Waiting:
    arrays: Arrays
    size: int
    rows: int
    kind: tuple[Any, ...]
    client: str
    answer: asyncio.Future[Arrays]


class Batcher:
    """Computes one signature, with several requests at once where that is allowed.

    Args:
        signature: what is called.
        pool: where it is called; the event loop stays free.
        limits: most rows and bytes of what is computed together.
        observe: told the number of rows of each computed batch.
    """

    def __init__(
        self,
        signature: Signature,
        pool: Executor,
        limits: Limits,
        observe: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._signature = signature
        self._pool = pool
        self._limits = limits
        self._observe = observe
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        # Requests that are computed now, by client, and how many of these a client may have.
        self._running: Counter[str] = Counter()
        self._most_each = max(1, int(limits.threads * limits.client_share))
        self._served: dict[str, int] = {}
        self._turn = 0

    async def run(self, arrays: Arrays, size: int, client: str = "") -> Arrays:
        """Compute checked inputs of `size` bytes; clients take turns.

        Raises:
            RequestError: the model refused them or failed.
        """
        loop = asyncio.get_running_loop()
        names = sorted(arrays)
        kind = tuple((name, arrays[name].shape[1:]) for name in names)
        rows = arrays[names[0]].shape[0] if self._signature.joins_rows else 1
        waiting = _Waiting(arrays, size, rows, kind, client, loop.create_future())
        self._waiting.append(waiting)
        if len(self._tasks) < self._limits.threads and self._may_run(waiting):
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # A client that is gone or too late cancels this future; _next then drops it.
        return await waiting.answer

    def _may_run(self, waiting: _Waiting) -> bool:
        """Whether a thread is left to this client: one client never has all of them."""
        return self._running[waiting.client] < self._most_each

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        group: list[_Waiting] = []
        try:
            while group := self._next():
                clients = Counter({waiting.client for waiting in group})
                self._running += clients
                try:
                    outcomes = await loop.run_in_executor(self._pool, self._compute, group)
                finally:
                    self._running -= clients
                for waiting, outcome in zip(group, outcomes, strict=True):
                    if waiting.answer.done():
                        continue
                    if isinstance(outcome, RequestError):
                        waiting.answer.set_exception(outcome)
                    else:
                        waiting.answer.set_result(outcome)
        except BaseException as error:  # the pool is closed: nobody may wait for ever
            for waiting in [*group, *self._waiting]:
                if not waiting.answer.done():
                    waiting.answer.set_exception(RequestError("UNAVAILABLE", "Shutting down"))
            self._waiting = []
            if not isinstance(error, RuntimeError):
                raise

    def _next(self) -> list[_Waiting]:
        """Take the request whose turn it is and those of its kind that fit beside it."""
        self._waiting = self._in_turn()
        group: list[_Waiting] = []
        rest: list[_Waiting] = []
        rows = size = 0
        for waiting in self._waiting:
            fits = not group or (
                self._signature.joins_rows
                and waiting.kind == group[0].kind
                and rows + waiting.rows <= self._limits.batch
                and size + waiting.size <= self._limits.joint_bytes
                and (waiting.client == group[0].client or max(waiting.rows, rows) <= _SMALL)
            )
            if fits and self._may_run(waiting):
                group.append(waiting)
                rows, size = rows + waiting.rows, size + waiting.size
            else:
                rest.append(waiting)
        self._turn += 1
        self._served |= {waiting.client: self._turn for waiting in group}
        self._waiting = rest
        return group

    def _in_turn(self) -> list[_Waiting]:
        """Who still waits: each client's first request, then its second; the latest served last."""
        counts: Counter[str] = Counter()
        keyed: list[tuple[int, int, int, _Waiting]] = []
        for waiting in self._waiting:
            if not waiting.answer.done():
                last = self._served.get(waiting.client, 0)
                keyed.append((counts[waiting.client], last, len(keyed), waiting))
                counts[waiting.client] += 1
        self._served = {c: turn for c, turn in self._served.items() if c in counts}
        return [waiting for *_, waiting in sorted(keyed, key=lambda key: key[:3])]

    def _compute(self, group: list[_Waiting]) -> list[Arrays | RequestError]:
        if len(group) > 1:
            try:
                return self._compute_together(group)
            except RequestError:
                LOG.info("a batch of %d requests failed; each is computed alone", len(group))
        outcomes: list[Arrays | RequestError] = []
        for waiting in group:
            try:
                self._observe(waiting.rows)
                outcomes.append(self._call(waiting.arrays))
            except RequestError as error:
                outcomes.append(error)
        return outcomes

    def _compute_together(self, group: list[_Waiting]) -> list[Arrays | RequestError]:
        joined = {
            name: np.concatenate([waiting.arrays[name] for waiting in group])
            for name in group[0].arrays
        }
        outputs = self._call(joined)
        self._observe(sum(waiting.rows for waiting in group))
        ends = np.cumsum([waiting.rows for waiting in group])
        if any(len(value) != ends[-1] for value in outputs.values()):
            raise RequestError("INTERNAL", "The model does not keep the rows apart")
        parts = {name: np.split(value, ends[:-1]) for name, value in outputs.items()}
        return [{name: parts[name][i] for name in parts} for i in range(len(group))]

    def _call(self, arrays: Arrays) -> Arrays:
        """Call the model; what it raises is logged, and only its kind is told."""
        try:
            return self._signature.call(arrays)
        except RequestError:
            raise
        except Exception as error:  # a server must outlive every fault of a model
            name = type(error).__name__
            if name in ("InvalidArgumentError", "OutOfRangeError", "ValueError"):
                LOG.info("signature %s refused its input: %s", self._signature.name, error)
                raise RequestError(
                    "INVALID_ARGUMENT",
                    "The model refused the input: an image that does not decode, "
                    "or tensors that do not fit each other",
                ) from error
            LOG.exception("signature %s failed", self._signature.name)
            if name in ("ResourceExhaustedError", "MemoryError"):
                raise RequestError(
                    "RESOURCE_EXHAUSTED", "Not enough memory for this request"
                ) from error
            raise RequestError("INTERNAL", "The model failed; the server's log says why") from error
