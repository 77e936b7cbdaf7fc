"""Work that runs ahead of whoever needs it, in a thread (serves prediction, preparation, training).

Decoding, detection and rendering of batches then use one processor while the network uses the
others. Several stages are several of these around each other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def in_background(
    items: Iterable[Item],
    ahead: int,
    size: Callable[[Item], int] = lambda _: 0,
    most: int = 0,
    *,
    name: str = "background",
) -> Generator[Item, None, None]:
    """`items`, in their order, computed by a thread that is at most `ahead` of them in front.

    What is raised there is raised here, behind the items before it. Closing this iterator ends
    the thread, and closes `items` there if they are a generator.

    Args:
        size: bytes of an item; those that wait hold at most `most` together, or are one.
        name: of the thread.
    """
    queue = _Queue[Item](ahead, most)

    def work() -> None:
        error = None
        try:
            for item in items:
                if not queue.put(item, size(item)):
                    break
            if isinstance(items, Generator):
                items.close()
        except BaseException as raised:  # handed over, not swallowed
            error = raised
        queue.end(error)

    thread = threading.Thread(target=work, daemon=True, name=name)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            yield item  # type: ignore[misc]
    finally:
        queue.stop()
        thread.join()


_END = object()


class _Queue(deque[tuple[Item, int]]):
    """Items with their bytes; one thread puts, one gets."""

    def __init__(self, ahead: int, most: int) -> None:
        super().__init__()
        self._ahead, self._most, self._held = ahead, most, 0
        self._stopped = self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: Item, size: int) -> bool:
        """Wait for room; False where nobody wants more items."""

        def settled() -> bool:
            fits = not self or self._held + size <= self._most
            return self._stopped or (fits and len(self) < self._ahead)

        with self._changed:
            self._changed.wait_for(settled)
            if not self._stopped:
                self.append((item, size))
                self._held += size
                self._changed.notify()
            return not self._stopped

    def get(self) -> Item | object:
        """The next item, or `_END`; raises what the other thread raised."""
        with self._changed:
            self._changed.wait_for(lambda: self or self._ended)
            if self:
                item, size = self.popleft()
                self._held -= size
                self._changed.notify()
                return item
        if self._error is not None:
            raise self._error
        return _END

    def end(self, error: BaseException | None) -> None:
        """No more items come."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def stop(self) -> None:
        """No more items are wanted."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
