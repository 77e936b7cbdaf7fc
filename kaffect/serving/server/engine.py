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

from kaffect.serving.server.batching import Batcher
from kaffect.serving.server.checks import check_inputs
from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.metrics import Metrics
from kaffect.serving.server.servable import Arrays, Models, Servable, Signature

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
# A body of this size is decoded beside the event loop, so that the others' answers do not wait.
_LARGE = 1 << 16


class Engine:
    """Models, limits and counters of one server."""

    def __init__(self, models: Models, limits: Limits | None = None) -> None:
        self.models = models
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.draining = False
        self._busy = 0
        self._compute = ThreadPoolExecutor(self.limits.threads, "compute")
        self._decode = ThreadPoolExecutor(self.limits.threads, "decode")
        self._batchers = {
            (servable.name, servable.version, name): Batcher(
                signature,
                self._compute,
                self.limits,
                self.metrics.rows_observer(servable.name, name),
            )
            for servable in models
            for name, signature in servable.signatures.items()
        }

    @property
    def busy(self) -> int:
        """Requests that are admitted and not answered."""
        return self._busy

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold one of the places for requests.

        Raises:
            RequestError: all are taken, or the server is about to stop.
        """
        if self.draining:
            raise RequestError("UNAVAILABLE", "The server is shutting down")
        if self._busy >= self.limits.concurrent:
            raise RequestError(
                "RESOURCE_EXHAUSTED", f"{self._busy} requests are waiting already; try again later"
            )
        self._busy += 1
        self.metrics.busy(1)
        try:
            yield
        finally:
            self._busy -= 1
            self.metrics.busy(-1)

    async def in_time(
        self, work: Awaitable[Result], model: str, protocol: str, deadline: float | None = None
    ) -> Result:
        """Await `work` at most until the deadline; count how it went.

        Raises:
            RequestError: as `work` does; DEADLINE_EXCEEDED; INTERNAL for a bug, which is logged.
        """
        start = time.monotonic()
        code = "OK"
        label = model if model in self.models.names else ""
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
            LOG.exception("a request failed")
            raise RequestError(code, "The server failed; its log says why") from error
        finally:
            self.metrics.answered(label, protocol, code, time.monotonic() - start)

    async def aside(self, size: int, function: Callable[[], Result]) -> Result:
        """Run pure Python work on `size` bytes; large work leaves the event loop free."""
        if size < _LARGE:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._decode, function)

    async def run(self, servable: Servable, signature: Signature, arrays: Arrays) -> Arrays:
        """Check and compute decoded inputs.

        Raises:
            RequestError: they are refused, or the model failed.
        """
        size = check_inputs(signature, arrays, self.limits)
        batcher = self._batchers[servable.name, servable.version, signature.name]
        return await batcher.run(arrays, size)

    async def drain(self, seconds: float) -> None:
        """Refuse what is new and wait, at most `seconds`, for what was admitted."""
        self.draining = True
        end = time.monotonic() + seconds
        while self._busy and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def close(self) -> None:
        self._compute.shutdown(wait=False, cancel_futures=True)
        self._decode.shutdown(wait=False, cancel_futures=True)
