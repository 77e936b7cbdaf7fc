"""A part of a video with the rows that the whole video would have (`--start`, `--end`, `--every`).

Faces are followed from the beginning, since who is who and when a person's sequence started depend
on it; the network begins at each person's last reset before the part (Section IV-C.2: sequences
of 80 frames), or with a network of single pictures at the part itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from kaffect.data.video.resample import nearest_frame
from kaffect.errors import ConfigError, expected_received
from kaffect.serving.predict.people import CroppedFrame, FrameAnswer
from kaffect.serving.predict.sources import SourceFrame

_TIMECODE = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{1,6})?)")


def parse_time(text: str, flag: str) -> float:
    """Seconds of "90", "90.5", "1:30" or "0:01:30.5".

    Raises:
        ConfigError: anything else.
    """
    found = _TIMECODE.fullmatch(text.strip())
    if found:
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        if not (found[2] and seconds >= 60 or found[1] and minutes >= 60):
            return hours * 3600 + minutes * 60 + seconds
    raise ConfigError(expected_received(flag, "seconds (90.5) or [h:]mm:ss", text))


@dataclass(frozen=True)
class Segment:
    """Which frames of the source get rows.

    Attributes:
        start, end: seconds since the first frame; the frame at `end` is not among them.
        every: of the frames of the source 1, 1 + every, 1 + 2 every ... only.
    """

    start: float = 0.0
    end: float = math.inf
    every: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ConfigError(
                expected_received("--start and --end", "0 <= start < end", (self.start, self.end))
            )
        if self.every < 1:
            raise ConfigError(expected_received("--every", "1 or more", self.every))

    @property
    def whole(self) -> bool:
        return self == Segment()

    def wanted(self, number: int, time: float) -> bool:
        """Whether frame `number` (from 1) of the source, at `time` seconds, gets rows."""
        return self.start <= time < self.end and (number - 1) % self.every == 0

    def first(self, fps: int) -> int:
        """The first frame of the constant-rate video that may stand for a wanted one."""
        return int(nearest_frame(np.array([self.start]), fps, 2**62)[0])

    def of_answers(self, answers: Iterable[FrameAnswer]) -> Iterator[FrameAnswer]:
        """The answers that stand for wanted frames, without the rows of others.

        Those between them that stand for no frame of a slow source, for films, are kept.
        """
        for answer in answers:
            frame = answer.frame
            kept = tuple(each for each in frame.stands_for if self.wanted(*each))
            between = not frame.stands_for and self.every == 1
            if kept or between and self.start <= frame.time < self.end:
                yield replace(answer, frame=replace(frame, stands_for=kept))
            elif frame.stands_for and frame.stands_for[0][1] >= self.end:
                return


def only_asked(
    frames: Iterable[CroppedFrame], asked: Callable[[SourceFrame], bool]
) -> Iterator[CroppedFrame]:
    """The frames, with the faces of those that get rows alone."""
    for frame in frames:
        yield frame if asked(frame.frame) else replace(frame, faces=(), crops=())


def needed_faces(
    frames: Iterable[CroppedFrame], first: int, reset_every: int | None, longest_gap: int
) -> Iterator[CroppedFrame]:
    """The frames, before `first` only with the faces that answers from there on depend on.

    Args:
        first: number of the first frame that is answered.
        reset_every: frames after which a person's sequence starts anew; None: a network of
            single pictures.
        longest_gap: frames without the person after which it does too.
    """
    began: dict[int, int] = {}
    last: dict[int, int] = {}
    given: set[int] = set()
    for frame in frames:
        number = frame.frame.number
        for face in frame.faces:
            person = face.person
            gap = number - last.get(person, number) - 1
            if person not in began or gap > longest_gap:
                began[person] = number
            elif reset_every is not None:
                began[person] += (number - began[person]) // reset_every * reset_every
            last[person] = number
        if number >= first:
            kept = list(range(len(frame.faces)))
        else:
            kept = [
                place
                for place, face in enumerate(frame.faces)
                if reset_every is not None and began[face.person] + reset_every > first
            ]
        people = {frame.faces[place].person for place in kept}
        starts = {person: began[person] for person in people - given}
        given |= people
        if len(kept) == len(frame.faces):
            yield replace(frame, began=starts) if starts else frame
        else:
            faces = tuple(frame.faces[place] for place in kept)
            crops = tuple(frame.crops[place] for place in kept)
            yield replace(frame, faces=faces, crops=crops, began=starts)
