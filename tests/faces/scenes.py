"""Drawn scenes whose people have known boxes, and a detector that knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from kaffect.faces import Detection, FaceDetector

WIDTH, HEIGHT = 240, 160
_CELL = 4  # side of a square of the bar code
Box = tuple[float, float, float, float]
COLOURS = {
    "red": ((205, 150, 130), (180, 30, 30)),
    "blue": ((150, 110, 90), (30, 50, 190)),
    "green": ((225, 190, 170), (30, 150, 40)),
}


@dataclass
class Actor:
    """Somebody with a face of 36x44 pixels.

    Attributes:
        path: frame number -> (x, y) of the centre of the face, or None: not there.
        colours: one of `COLOURS`: skin and clothes.
    """

    colours: str
    path: Callable[[int], tuple[float, float] | None]
    texture: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(sum(map(ord, self.colours)))
        coarse = rng.normal(0, 28, (11, 9)).astype(np.float32)
        self.texture = cv2.resize(coarse, (36, 44), interpolation=cv2.INTER_CUBIC)

    def box(self, number: int) -> Box | None:
        place = self.path(number)
        if place is None:
            return None
        x, y = round(place[0]), round(place[1])
        return (x - 18, y - 22, x + 18, y + 22)


@dataclass
class Scene:
    """People before a wall, drawn in their order: the last one hides the others."""

    actors: Sequence[Actor]
    frames: int
    wall: int = 0

    def image(self, number: int) -> np.ndarray:
        rng = np.random.default_rng(self.wall)
        coarse = rng.uniform(90, 150, (HEIGHT // 10, WIDTH // 10)).astype(np.float32)
        grey = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        image = np.repeat(grey[..., None], 3, axis=2)
        for actor in self.actors:
            box = actor.box(number)
            if box is None:
                continue
            skin, clothes = COLOURS[actor.colours]
            left, top, right, bottom = map(int, box)
            _fill(image, (left - 18, bottom + 8, right + 18, bottom + 80), np.array(clothes))
            _fill(image, (left, top, right, bottom), actor.texture[..., None] + np.array(skin))
        image = np.clip(image, 0, 255).astype(np.uint8)
        for bit in range(12):
            left = bit * _CELL
            image[:_CELL, left : left + _CELL] = 255 if number >> bit & 1 else 0
        return image

    def images(self) -> list[np.ndarray]:
        return [self.image(number) for number in range(self.frames)]

    def visible(self, number: int) -> list[Box]:
        """Boxes of the faces that nobody else hides."""
        boxes = [actor.box(number) for actor in self.actors]
        return [
            box
            for place, box in enumerate(boxes)
            if box is not None
            and 0 <= box[0] and box[2] <= WIDTH
            and not any(other is not None and _touch(box, other) for other in boxes[place + 1 :])
        ]  # fmt: skip


def _fill(image: np.ndarray, box: tuple[int, int, int, int], colour: np.ndarray) -> None:
    left, top, right, bottom = box
    low_x, low_y = max(left, 0), max(top, 0)
    high_x, high_y = min(right, WIDTH), min(bottom, HEIGHT)
    if high_x <= low_x or high_y <= low_y:
        return
    if colour.ndim == 3:
        colour = colour[low_y - top : high_y - top, low_x - left : high_x - left]
    image[low_y:high_y, low_x:high_x] = colour


def _touch(first: Box, second: Box) -> bool:
    return abs(first[0] - second[0]) < 30 and abs(first[1] - second[1]) < 38


class Knowing(FaceDetector):
    """Reads the number in the picture and answers with the scene's boxes.

    Attributes:
        asked: the numbers of the frames that it was shown.
    """

    name = "knowing"
    sure = 0.95

    def __init__(
        self, answer: Callable[[int], Sequence[Box]], score: float = 0.9, batch: int = 1
    ) -> None:
        self._answer, self._score, self.batch = answer, score, batch
        self.asked: list[int] = []

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        numbers = [frame_number(frame) for frame in frames]
        self.asked += numbers
        return [[Detection(box, self._score) for box in self._answer(n)] for n in numbers]

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "version": "1"}


def frame_number(image: np.ndarray) -> int:
    middles = [image[1 : _CELL - 1, bit * _CELL + 1 : (bit + 1) * _CELL - 1] for bit in range(12)]
    return sum(int(cell.mean() > 127) << bit for bit, cell in enumerate(middles))
