"""Work ahead in a thread: order, bounds, errors from both sides, and no thread that stays."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from kaffect.background import in_background
from kaffect.errors import VideoError

NAME = "of this test"


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [t for t in threading.enumerate() if t.name == NAME]


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """The result of `work`; fails, instead of hanging for ever, where it does not come."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(work).result(seconds)
    finally:
        pool.shutdown(wait=False)


def test_all_items_in_their_order() -> None:
    # Arrays: comparing them with anything gives an array.
    items = [np.arange(k) for k in range(50)]
    found = within(60, lambda: list(in_background(iter(items), 3, name=NAME)))
    assert [len(item) for item in found] == list(range(50))
    assert within(60, lambda: list(in_background([], 1, name=NAME))) == []


def test_an_error_comes_behind_the_items_before_it() -> None:
    def numbers() -> Iterator[int]:
        yield from range(5)
        raise VideoError("number 5 is damaged")

    found: list[int] = []
    with pytest.raises(VideoError, match="number 5"):
        within(60, lambda: found.extend(in_background(numbers(), 2, name=NAME)))
    assert found == [0, 1, 2, 3, 4]


def test_the_size_of_an_item_may_fail() -> None:
    def size(_: int) -> int:
        raise VideoError("no size")

    with pytest.raises(VideoError, match="no size"):
        within(60, lambda: list(in_background(range(3), 2, size, name=NAME)))


def test_who_stops_early_ends_all_stages() -> None:
    closed: list[tuple[str, str]] = []

    def endless(what: str, items: Iterator[int]) -> Iterator[int]:
        try:
            yield from items
        finally:
            closed.append((what, threading.current_thread().name))

    first = in_background(endless("first", itertools.count()), 2, name=NAME)
    second = in_background(endless("second", first), 2, name=NAME)
    assert within(60, lambda: next(second)) == 0
    within(60, second.close)
    # In the thread that runs them: what they hold may belong to it.
    assert sorted(closed) == [("first", NAME), ("second", NAME)]


def test_an_error_in_the_last_stage_ends_all_of_them() -> None:
    def fails() -> Iterator[int]:
        for number in in_background(itertools.count(), 2, name=NAME):
            if number == 7:
                raise VideoError("at 7")
            yield number

    found: list[int] = []
    with pytest.raises(VideoError, match="at 7"):
        within(60, lambda: found.extend(in_background(fails(), 2, name=NAME)))
    assert found == list(range(7))


def test_how_many_wait_is_bounded() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(30):
            made.append(number)
            yield number

    for taken, number in enumerate(in_background(numbers(), 3, name=NAME)):
        # Three wait, one is held back by the thread, one is here.
        assert number == taken and len(made) <= taken + 5


def test_what_waits_is_bounded_in_bytes() -> None:
    made: list[int] = []

    def frames() -> Iterator[np.ndarray]:
        for k in range(40):
            made.append(k)
            yield np.zeros(1000, np.uint8)

    def size(frame: np.ndarray) -> int:
        return frame.nbytes

    taken = 0
    for _ in in_background(frames(), 64, size, 3000, name=NAME):
        assert len(made) <= taken + 5
        taken += 1
    assert taken == 40
    # One that is too large on its own still passes.
    large = in_background([np.zeros(9000, np.uint8)] * 2, 4, size, 3000, name=NAME)
    assert within(60, lambda: len(list(large))) == 2
