"""When each decoded frame is shown: time stamps checked, and rebuilt where they cannot be (III-A).

In some files, AVI with H.264 above all, time stamps run backwards, repeat or are missing.
Players then show the frames in their order, and so does this module.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Generic, TypeVar

from kaffect.errors import VideoError

Frame = TypeVar("Frame")
Stamped = tuple[Frame, Fraction | None]
# No codec reorders frames by more than 16.
WINDOW = 16
# A time stamp further ahead than this is damage, not a pause: it would ask for
# thousands of copies of one picture.
_LONGEST_GAP = 60.0


class DisplayTimes(Generic[Frame]):
    """Gives each frame its time in seconds; times always increase.

    Time stamps that run backwards among the first 16 are of no use: then frame n, from 0,
    is shown at n / average rate. A single one that is missing, repeats or runs backwards
    later on is put evenly between its neighbours.

    Args:
        path: of the video, for messages.
        frames: with time stamps in seconds, in the order of display.
        rate: average frames a second, or None where the file does not state it; asked after the
            first frame.
        window: how many frames may wait, from the first frame on; 16 or fewer.

    Attributes:
        rebuilt: how many time stamps were replaced; farthest: by how many seconds at most.

    Raises (while iterating):
        VideoError: a gap of more than a minute, or frames that nothing times.
    """

    def __init__(
        self,
        path: Path,
        frames: Iterator[Stamped[Frame]],
        rate: Callable[[], Fraction | None],
        window: Callable[[], int] = lambda: WINDOW,
    ) -> None:
        self._path, self._frames, self._rate, self._window = path, frames, rate, window
        self._ahead: deque[Stamped[Frame]] = deque()
        self._error: VideoError | None = None
        self.rebuilt, self.farthest = 0, 0.0

    def __iter__(self) -> Iterator[tuple[Frame, Fraction]]:
        self._look_ahead()
        known = [stamp for _, stamp in self._ahead if stamp is not None]
        ordered = len(known) > 1 and known == sorted(known) or len(self._ahead) == 1
        interval = self._interval(known)
        start = min(known, default=Fraction(0))
        number, last = 0, start
        while self._ahead:
            frame, own = self._ahead.popleft()
            self._look_ahead()
            if not ordered:
                time = start + (number * self._required(interval) if number else 0)
            elif number == 0:
                time = start
            elif own is not None and own > last:
                time = own
            else:
                time = self._between(last, interval)
            self._compare(own, time)
            if ordered and time - last > _LONGEST_GAP:
                raise VideoError(
                    f"{self._path}: frame {number + 1} comes {float(time - last):.0f} s after the "
                    f"one before it. Expected a gap of at most {_LONGEST_GAP:.0f} s"
                )
            number, last = number + 1, time
            yield frame, time
        if self._error is not None:
            raise self._error

    def _look_ahead(self) -> None:
        """Read frames ahead; an error is kept until the frames before it are shown."""
        while self._error is None and (not self._ahead or len(self._ahead) < self._window()):
            try:
                self._ahead.append(next(self._frames))
            except StopIteration:
                return
            except VideoError as error:
                self._error = error

    def _interval(self, known: list[Fraction]) -> Fraction | None:
        rate = self._rate()
        if rate is not None and 1 <= rate <= 1000:
            return 1 / rate
        different = sorted(set(known))
        if len(different) < 2:
            return None
        return (different[-1] - different[0]) / (len(different) - 1)

    def _between(self, last: Fraction, interval: Fraction | None) -> Fraction:
        """A time between `last` and the next time stamp behind it."""
        for place, (_, stamp) in enumerate(self._ahead):
            if stamp is not None and stamp > last and stamp - last <= _LONGEST_GAP:
                return last + (stamp - last) / (place + 2)
        return last + self._required(interval)

    def _required(self, interval: Fraction | None) -> Fraction:
        if interval is None:
            raise VideoError(
                f"{self._path}: cannot be timed: it has no usable time stamps, and its header "
                "no frame rate"
            )
        return interval

    def _compare(self, own: Fraction | None, time: Fraction) -> None:
        if own is None or own != time:
            self.rebuilt += 1
        if own is not None:
            self.farthest = max(self.farthest, abs(float(own - time)))
