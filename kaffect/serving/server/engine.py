"""The way of one request, the same for REST and gRPC: admit, check, compute, count.

Serves the engineer: what is refused, counted and computed does not depend on the
protocol that a client speaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from kaffect.serving.server import json_tensors
from kaffect.serving.server.access import Call
from kaffect.serving.server.batching import Batcher
from kaffect.serving.server.checks import check_inputs
from kaffect.serving.server.json_process import JsonProcess
from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.metrics import Metrics
from kaffect.serving.server.servable import Arrays, Models, Servable, Signature
from kaffect.serving.server.shares import Memory, Shares, Turns

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
# A body of this size is decoded beside the event loop, so that the others' answers do not wait.
_LARGE = 1 << 16


class Engine:
    """Models, limits and counters of one server.

    Args:
        models: what is served; versions may come and go while it runs.
        limits: what clients may ask.
    """

    def __init__(self, models: Models, limits: Limits | None = None) -> None:
        self.models = models
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.shares = Shares(self.limits)
        self.draining = False
        self._compute = ThreadPoolExecutor(self.limits.threads, "compute")
        # One large thing at a time: a JSON body takes twenty times its size while it is parsed.
        self._decode = ThreadPoolExecutor(1, "decode")
        self._turns = Turns()
        self._json = JsonProcess()
        # A version that is replaced answers what it was asked, then is forgotten.
        self._batchers: WeakKeyDictionary[Servable, dict[str, Batcher]] = WeakKeyDictionary()

    @property
    def busy(self) -> int:
        """Requests that are admitted and not answered."""
        return self.shares.requests.total

    def require_open(self) -> None:
        """Raise `RequestError` once the server is about to stop."""
        if self.draining:
            raise RequestError("UNAVAILABLE", "The server is shutting down")

    @contextlib.contextmanager
    def admitted(self, client: str) -> Iterator[None]:
        """Hold one of the places for requests.

        Raises:
            RequestError: all are taken, or those of this client, or the server is about to stop.
        """
        self.require_open()
        if not self.shares.requests.take(client):
            raise RequestError(
                "RESOURCE_EXHAUSTED", "Too many requests are waiting already; try again later"
            )
        self.metrics.busy(1)
        try:
            yield
        finally:
            self.shares.requests.give(client)
            self.metrics.busy(-1)

    async def in_time(
        self, work: Awaitable[Result], call: Call, deadline: float | None = None
    ) -> Result:
        """Await `work` at most until the deadline; count how it went.

        Raises:
            RequestError: as `work` does; DEADLINE_EXCEEDED; INTERNAL for a bug, which is logged.
        """
        start = time.monotonic()
        code = "OK"
        try:
            # A client's 0 is a deadline that has passed, not none.
            own = self.limits.deadline
            async with asyncio.timeout(own if deadline is None else min(deadline, own)):
                return await work
        except RequestError as error:
            code = error.code
            raise
        except TimeoutError as error:
            code = "DEADLINE_EXCEEDED"
            raise RequestError(code, "The answer was not ready in time") from error
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except Exception as error:
            code = "INTERNAL"
            LOG.exception("request %s failed", call.id)
            raise RequestError(code, "The server failed; its log says why") from error
        finally:
            call.code = code
            label = call.model if call.model in self.models.names else ""
            self.metrics.answered(label, call.protocol, code, time.monotonic() - start)

    async def aside(self, size: int, client: str, function: Callable[[], Result]) -> Result:
        """Run pure Python work on `size` bytes; large work leaves the event loop free."""
        if size < _LARGE:
            return function()
        async with self._turns.of(client):
            return await asyncio.get_running_loop().run_in_executor(self._decode, function)

    async def parse(
        self, body: list[json_tensors.Body], servable: Servable, client: str
    ) -> tuple[Signature, Arrays, int | None]:
        """A JSON body as `json_tensors.decode` reads it; large ones in another process.

        Raises:
            RequestError: it is refused.
        """
        if len(body[0]) < _LARGE:
            return json_tensors.decode(body, servable)
        async with self._turns.of(client):
            task = asyncio.ensure_future(self._json.decode(body, servable))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                # The client has gone; the next body can be sent when this one has come back.
                await asyncio.wait({task})
                task.exception()
                raise

    async def run(
        self, servable: Servable, signature: Signature, arrays: Arrays, memory: Memory, client: str
    ) -> Arrays:
        """Check and compute decoded inputs; `memory` then holds the outputs.

        Raises:
            RequestError: they are refused, or the model failed.
        """
        held = sum(
            sum(map(len, a.flat)) if a.dtype == object else a.nbytes for a in arrays.values()
        )
        memory.hold(held)
        size = await self.aside(held, client, lambda: check_inputs(signature, arrays, self.limits))
        outputs = await self._batcher(servable, signature).run(arrays, size, client)
        memory.hold(sum(value.nbytes for value in outputs.values()))
        return outputs

    def _batcher(self, servable: Servable, signature: Signature) -> Batcher:
        of_version = self._batchers.setdefault(servable, {})
        if signature.name not in of_version:
            observe = self.metrics.rows_observer(servable.name, signature.name)
            of_version[signature.name] = Batcher(signature, self._compute, self.limits, observe)
        return of_version[signature.name]

    async def drain(self, seconds: float) -> None:
        """Refuse what is new and wait, at most `seconds`, for what was admitted."""
        self.draining = True
        end = time.monotonic() + seconds
        while self.busy and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self._json.close()
        self._compute.shutdown(wait=False, cancel_futures=True)
        self._decode.shutdown(wait=False, cancel_futures=True)
