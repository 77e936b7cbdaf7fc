"""When each decoded frame is shown: time stamps checked, and rebuilt where they cannot be (III-A).

In some files, AVI with H.264 above all, time stamps run backwards, repeat or are missing.
Players then show the frames in their order, and so does this module.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar

from kaffect.errors import VideoError

Frame = TypeVar("Frame")
Stamped = tuple[Frame, Fraction | None]
# No codec reorders frames by more than 16.
WINDOW = 16
# A time stamp further ahead than this is damage, not a pause: shown so long, one picture
# would be copied thousands of times.
_LONGEST_GAP = 60.0


class DisplayTimes(Generic[Frame]):
    """Gives each frame its time in seconds; times always increase.

    Time stamps that run backwards among the first 16 are of no use: then frame n, from 0,
    is shown at n / average rate. A single one that is missing, repeats or runs backwards
    later on is put evenly between its neighbours. A jump ahead of more than a minute is closed:
    the next frame follows at the average rate, and those behind it keep their distance to it.

    Args:
        path: of the video, for messages.
        frames: with time stamps in seconds, in the order of display.
        rate: average frames a second, or None where the file does not state it; asked after the
            first frame.
        window: how many frames may wait, from the first frame on; 16 or fewer.

    Attributes:
        rebuilt: how many time stamps were replaced; farthest: by how many seconds at most.

    Raises (while iterating):
        VideoError: frames that nothing times.
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
        number, last, ahead = 0, start, Fraction(0)
        while self._ahead:
            frame, own = self._ahead.popleft()
            self._look_ahead()
            stamp = None if own is None else own - ahead
            if own is not None and stamp is not None and stamp <= last < own <= last + _LONGEST_GAP:
                stamp, ahead = own, Fraction(0)  # only the stamps before this one had jumped
            if not ordered:
                time = start + (number * self._required(interval) if number else 0)
            elif number == 0:
                time = start
            elif stamp is not None and stamp > last:
                time = stamp
            else:
                time = self._between(last, ahead, interval)
            if ordered and time - last > _LONGEST_GAP:
                step = self._required(interval)
                ahead, time = ahead + time - last - step, last + step
            if frame is not None:  # one that cannot be decoded is told as such
                self._compare(own, time)
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

    def _between(self, last: Fraction, ahead: Fraction, interval: Fraction | None) -> Fraction:
        """A time between `last` and the next time stamp behind it.

        Args:
            ahead: by how much time stamps have jumped.
        """
        for place, (_, own) in enumerate(self._ahead):
            if own is not None and 0 < own - ahead - last <= _LONGEST_GAP:
                return last + (own - ahead - last) / (place + 2)
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


def in_order(
    packets: Iterable[tuple[Sequence[Any], Fraction | None, bool]],
) -> Iterator[tuple[Any, Fraction | None]]:
    """Each decoded frame with its time stamp, and (None, time stamp) where one is missing.

    A decoder gives frames in the order of display; packets come in the order of decoding. From
    the first damaged packet on, one whose time a frame has passed has given none: decoders leave
    out frames that depend on a damaged one, without an error. Where time stamps run backwards
    they say nothing of that.

    Args:
        packets: the frames (`av.VideoFrame`) that a packet gives, its time stamp in seconds, and
            whether it is damaged.
    """
    expected: dict[Fraction, bool] = {}
    unknown, any_damaged, ascending = 0, False, True
    last: Fraction | None = None

    def missing(before: Fraction | None) -> Iterator[tuple[None, Fraction]]:
        for place in sorted(s for s in expected if before is None or s <= before):
            damaged = expected.pop(place)
            if (damaged or any_damaged and ascending) and place != before:
                yield None, place

    for frames, own, damaged in packets:
        any_damaged |= damaged
        if own is not None:
            expected[own] = damaged
        elif damaged:
            unknown += 1
        for frame in frames:
            ticks = frame.pts if frame.pts is not None else frame.dts
            known = ticks is not None and frame.time_base is not None
            stamp = ticks * frame.time_base if known else None
            if stamp is not None:
                ascending &= last is None or stamp > last
                last = stamp
                yield from missing(stamp)
            yield from ((None, None) for _ in range(unknown))
            unknown = 0
            yield frame, stamp
    yield from missing(None)
    yield from ((None, None) for _ in range(unknown))
