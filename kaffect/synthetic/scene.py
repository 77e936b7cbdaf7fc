"""What is around the face, "in-the-wild" (paper Section I): rooms, clothes, hands, camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.affect import Array
from kaffect.synthetic.canvas import Colour, Image, fill, fixed, line, mixed, shaded
from kaffect.synthetic.motion import Light
from kaffect.synthetic.people import Person

MARGIN = 24  # pixels by which the camera may move


def _colour(rng: np.random.Generator) -> Colour:
    base = rng.uniform(40, 215)
    tint = rng.normal(0, 28, 3)
    r, g, b = np.clip(base + tint, 8, 247)
    return float(r), float(g), float(b)


def _rectangle(rng: np.random.Generator, image: Image, low: float, high: float) -> None:
    height, width = image.shape[:2]
    x, y = rng.uniform(-0.1, 0.9) * width, rng.uniform(-0.1, 0.9) * height
    w, h = rng.uniform(low, high) * width, rng.uniform(low, high) * height
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
    colour = _colour(rng)
    fill(image, fixed(corners), colour)
    cv2.polylines(image, [fixed(corners)], True, shaded(colour, 0.6), 2, cv2.LINE_AA, 4)


def background(rng: np.random.Generator, size: tuple[int, int]) -> Image:
    """A still picture of a place, larger than the frame by `MARGIN` on each side.

    Args:
        size: (width, height) of the frame in pixels.

    Returns:
        [height + 2 MARGIN, width + 2 MARGIN, 3] uint8 RGB.
    """
    width, height = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
    top, low = _colour(rng), _colour(rng)
    ramp = np.linspace(0, 1, height)[:, None, None]
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.clip(np.array(top) + (np.array(low) - np.array(top)) * ramp, 0, 255)
    kind = rng.choice(["room", "shelves", "lights", "leaves", "curtain", "plain"])
    if kind == "room":
        for _ in range(int(rng.integers(3, 8))):
            _rectangle(rng, image, 0.1, 0.45)
    elif kind == "shelves":
        books = int(rng.integers(24, 60))
        for _ in range(books):
            x, row = rng.uniform(0, width), int(rng.integers(0, 5))
            y = (row + 1) * height / 5
            w, h = rng.uniform(0.015, 0.04) * width, rng.uniform(0.09, 0.17) * height
            fill(
                image,
                fixed(np.array([(x, y), (x + w, y), (x + w, y - h), (x, y - h)])),
                _colour(rng),
            )
    elif kind in ("lights", "leaves"):
        for _ in range(int(rng.integers(20, 60))):
            centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
            colour = _colour(rng)
            if kind == "leaves":
                colour = mixed(colour, (70, 120, 50), 0.7)
            cv2.circle(
                image, centre, int(rng.uniform(0.02, 0.11) * height), colour, -1, cv2.LINE_AA
            )
    elif kind == "curtain":
        wave = 1 + 0.25 * np.sin(np.linspace(0, rng.uniform(15, 60), width) + rng.uniform(0, 6))
        image[:] = np.clip(image * wave[None, :, None], 0, 255)
    softness = float(rng.uniform(0.8, 5.0)) * height / 240
    return cv2.GaussianBlur(image, (0, 0), softness)


class Torso:
    """Neck and shoulders; they follow the head without turning."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        self.skin = shaded(person.skin, 0.74)
        self.cloth = _colour(rng)
        self.trim = _colour(rng)
        self.collar = float(rng.uniform(1.75, 2.1))
        self.wide = 0.62 if person.gender == "male" else 0.52
        self.shoulders = float(rng.uniform(1.9, 2.3)) * (1.08 if person.gender == "male" else 0.95)
        self.stripes = bool(rng.random() < 0.25)

    def draw(self, frame: Image, centre: Array, s: float) -> None:
        """Draw the torso.

        Args:
            frame: [height, width, 3] uint8 RGB, changed in place.
            centre: [2] float64, (x, y) in pixels of the point between the eyes.
            s: pixels for one face unit.
        """

        def at(points: list[tuple[float, float]]) -> NDArray[np.int32]:
            return fixed(np.array(points) * s + centre)

        w, k, m = self.wide, self.collar, self.shoulders
        fill(frame, at([(-w, 0.8), (w, 0.8), (w + 0.08, k + 0.3), (-w - 0.08, k + 0.3)]), self.skin)
        shade = at([(-w, 0.9), (w, 0.9), (w, 1.35), (0.25, 1.72), (-0.25, 1.72), (-w, 1.35)])
        fill(frame, shade, shaded(self.skin, 0.72))
        cloth = [(-w - 0.1, k), (-0.25, k + 0.25), (0.25, k + 0.25), (w + 0.1, k), (m, k + 0.45),
                 (m + 0.35, 4.5), (-m - 0.35, 4.5), (-m, k + 0.45)]  # fmt: skip
        fill(frame, at(cloth), self.cloth)
        if self.stripes:
            for y in (0.75, 1.05, 1.35):
                line(
                    frame,
                    at([(-m - 0.1, k + y), (0, k + y + 0.1), (m + 0.1, k + y)]),
                    self.trim,
                    0.09 * s,
                )
        line(
            frame,
            at([(-w - 0.1, k), (-0.25, k + 0.25), (0.25, k + 0.25), (w + 0.1, k)]),
            self.trim,
            0.07 * s,
        )


class Occluder:
    """A hand for a while, or a microphone for the whole video; mostly nothing.

    `[frames]` array `level`: 0 = away, 1 = in place.
    """

    def __init__(self, rng: np.random.Generator, times: Array, person: Person) -> None:
        self.skin = shaded(person.skin, 0.93)
        self.kind = str(rng.choice(["none", "hand", "microphone"], p=[0.76, 0.15, 0.09]))
        side = 1.0 if rng.random() < 0.5 else -1.0
        self.side = side
        self.level = np.zeros(len(times))
        if self.kind == "hand":
            begin, length = float(rng.uniform(0, times[-1])), float(rng.uniform(0.8, 2.0))
            t = np.clip(np.minimum(times - begin, begin + length - times) / 0.3, 0, 1)
            self.level = t * t * (3 - 2 * t)
            places = [(0.95, 0.75), (0.75, 1.45), (0.85, -0.45)]
            self.place = np.array(places[int(rng.integers(3))]) * (side, 1)
            self.turn = float(rng.uniform(-0.4, 0.4)) - 0.5 * side
        elif self.kind == "microphone":
            self.level = np.ones(len(times))
            self.place = np.array(
                [0.25 * side + float(rng.normal(0, 0.15)), float(rng.uniform(1.5, 1.75))]
            )
            self.turn = float(rng.uniform(0.1, 0.5)) * side

    def draw(self, frame: Image, number: int, centre: Array, s: float) -> bool:
        """Draw for frame `number`; other arguments as in `Torso.draw`.

        Returns:
            Whether anything covers the face.
        """
        level = float(self.level[number])
        if level < 0.02:
            return False
        away = np.array([self.side * 1.2, 2.2]) * (1 - level)
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        rotation = np.array([(cos, sin), (-sin, cos)])

        def at(points: list[tuple[float, float]]) -> NDArray[np.int32]:
            return fixed((np.array(points) @ rotation + self.place + away) * s + centre)

        if self.kind == "microphone":
            line(frame, at([(0.0, 0.1), (0.0, 2.2)]), (46, 46, 50), 0.16 * s)
            angle = np.linspace(0, 6.28, 18, endpoint=False)
            fill(frame, at([(0.24 * np.cos(a), 0.3 * np.sin(a)) for a in angle]), (34, 34, 38))
            line(frame, at([(-0.1, -0.15), (0.02, -0.2)]), (96, 96, 102), 0.05 * s)
            return level > 0.5
        fill(
            frame,
            at([(-0.32, -0.1), (0.32, -0.1), (0.36, 0.5), (0.26, 2.4), (-0.26, 2.4), (-0.36, 0.5)]),
            self.skin,
        )
        for x, length in ((-0.24, -0.52), (-0.08, -0.64), (0.08, -0.6), (0.24, -0.44)):
            line(frame, at([(x, 0.1), (x * 1.15, length)]), self.skin, 0.155 * s)
            line(
                frame,
                at([(x + 0.08, -0.02), (x * 1.15 + 0.085, length * 0.8)]),
                shaded(self.skin, 0.7),
                0.02 * s,
            )
        line(frame, at([(-0.3, 0.3), (-0.5, -0.12)]), self.skin, 0.16 * s)
        return True


class Camera:
    """Light on the whole picture, blur and noise of one video's camera."""

    def __init__(self, rng: np.random.Generator, light: Light, size: tuple[int, int]) -> None:
        self.light = light
        width, height = size
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        gain = 1 + light.gradient[0] * x + light.gradient[1] * y - 0.10 * (x**2 + y**2)
        grey = np.clip(128 * gain, 40, 230).astype(np.uint8)
        self.gradient = cv2.merge((grey, grey, grey))
        grain = rng.standard_normal((height + 32, width + 32, 3)) * light.noise
        grain = 0.75 * cv2.blur(grain, (2, 2)) * 1.6 + 0.25 * grain
        self.grain = np.clip(np.rint(grain), -40, 40).astype(np.int16)
        self.offsets = rng.integers(0, 32, (997, 2))
        self._tables: dict[int, Image] = {}

    def expose(self, frame: Image, number: int) -> Image:
        """Frame `number` as the camera records it: light, blur and noise.

        Args:
            frame: [height, width, 3] uint8 RGB.

        Returns:
            The same shape and type.
        """
        frame = cv2.multiply(frame, self.gradient, scale=1 / 128)
        frame = cv2.LUT(frame, self._table(float(self.light.gain[number])))
        if self.light.blur > 0:
            frame = cv2.GaussianBlur(frame, (5, 5), self.light.blur)
        height, width = frame.shape[:2]
        dx, dy = self.offsets[number % len(self.offsets)]
        return cv2.add(frame, self.grain[dy : dy + height, dx : dx + width], dtype=cv2.CV_8U)

    def _table(self, gain: float) -> Image:
        """Lookup table [1, 256, 3] for a brightness, in steps of 1/64."""
        step = round(gain * 64)
        if step not in self._tables:
            level = np.linspace(0, 1, 256)[None, :, None] ** self.light.gamma
            table = 255 * level * np.array(self.light.colour) * step / 64
            # Soft shoulder: highlights do not clip to a flat white.
            table = np.where(table > 200, 200 + 55 * np.tanh((table - 200) / 75), table)
            self._tables[step] = np.clip(table, 0, 255).astype(np.uint8)
        return self._tables[step]
