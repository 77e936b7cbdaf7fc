"""Pictures for people: boxes with labels, the valence/arousal plane, a running plot."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from kaffect.serving.predict.people import FaceAnswer, FrameAnswer
from kaffect.serving.predictor import Predictor

# Colours that stay apart for most kinds of colour vision (Okabe and Ito), RGB.
PEOPLE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0),
          (204, 121, 167))  # fmt: skip
VALENCE, AROUSAL = (0, 114, 178), (213, 94, 0)
_PAPER, _INK, _GRID = (250, 250, 248), (40, 40, 40), (205, 205, 200)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SECONDS = 10.0  # of the running plot


def colour_of(person: int) -> tuple[int, int, int]:
    """The same colour for the same person everywhere."""
    return PEOPLE[person % len(PEOPLE)]


class Overlay:
    """Draws answers beside and into their frames, all of one size.

    Args:
        predictor: whose answers.
        size: (width, height) of the first frame; later frames are fitted into it.
    """

    def __init__(self, predictor: Predictor, size: tuple[int, int]) -> None:
        self.predictor = predictor
        width, height = size
        scale = min(max(480 / height, 1.0), 720 / height)
        # libx264 wants even numbers.
        self.height = round(height * scale / 2) * 2
        self.width = round(width * scale / 2) * 2
        self.panel = round(self.height * 0.3) * 2
        self._past: dict[int, deque[tuple[float, float, float]]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what `draw` gives."""
        return self.width + self.panel, self.height

    def draw(self, answer: FrameAnswer) -> np.ndarray:
        """[height, width, 3] uint8 RGB."""
        frame = answer.frame.image
        factor = min(self.width / frame.shape[1], self.height / frame.shape[0])
        shown = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        canvas = np.full((self.height, self.width + self.panel, 3), _PAPER, np.uint8)
        canvas[:, : self.width] = 0
        h, w = min(shown.shape[0], self.height), min(shown.shape[1], self.width)
        canvas[:h, :w] = shown[:h, :w]
        picture = canvas[:, : self.width]
        named = {a.face.person: self.predictor.named(a.outputs) for a in answer.faces}
        for found in answer.faces:
            _box(picture, found, named[found.face.person], factor)
        if not answer.faces:
            _text(picture, "no face", (10, 24), 0.6, (255, 255, 255), (90, 90, 90))
        self._remember(answer, named)
        self._draw_panel(canvas[:, self.width :], answer, named)
        return canvas

    def _remember(self, answer: FrameAnswer, named: dict[int, dict[str, float | str]]) -> None:
        now = answer.frame.time
        for person, values in named.items():
            if "valence" in values:
                past = self._past.setdefault(person, deque())
                past.append((now, float(values["valence"]), float(values["arousal"])))
        for person, past in list(self._past.items()):
            while past and past[0][0] < now - _SECONDS:
                past.popleft()
            if not past:
                del self._past[person]

    def _draw_panel(
        self, panel: np.ndarray, answer: FrameAnswer, named: dict[int, dict[str, float | str]]
    ) -> None:
        height, width = panel.shape[:2]
        plane = round(height * 0.5)
        main = max(answer.faces, key=_area, default=None)
        person = main.face.person if main else max(self._past, default=None)
        self._plane(panel[:plane], named)
        bars = round(height * 0.24)
        if main is not None:
            self._bars(panel[plane : plane + bars], main)
        self._running(panel[plane + bars :], person, answer.frame.time)
        cv2.line(panel, (0, 0), (0, height), _GRID, 1)

    def _plane(self, panel: np.ndarray, named: dict[int, dict[str, float | str]]) -> None:
        height, width = panel.shape[:2]
        side = min(width, height) - 44
        left, top = (width - side) // 2, 24
        middle, radius = (left + side // 2, top + side // 2), side // 2
        cv2.circle(panel, middle, radius, _GRID, 1, cv2.LINE_AA)
        cv2.line(panel, (left, middle[1]), (left + side, middle[1]), _GRID, 1)
        cv2.line(panel, (middle[0], top), (middle[0], top + side), _GRID, 1)
        _text(panel, "arousal", (middle[0] - 26, 15), 0.42, _INK)
        _text(panel, "valence", (left + side - 44, middle[1] - 6), 0.42, _INK)

        def place(valence: float, arousal: float) -> tuple[int, int]:
            v, a = (float(np.clip(x, -1.1, 1.1)) for x in (valence, arousal))
            return round(middle[0] + v * radius), round(middle[1] - a * radius)

        for person, past in self._past.items():
            points = [place(v, a) for _, v, a in past][-60:]
            if len(points) > 1:
                track = np.array(points, np.int32)
                cv2.polylines(panel, [track], False, colour_of(person), 1, cv2.LINE_AA)
            if person in named:
                cv2.circle(panel, points[-1], 7, colour_of(person), -1, cv2.LINE_AA)
                cv2.circle(panel, points[-1], 7, _INK, 1, cv2.LINE_AA)

    def _bars(self, panel: np.ndarray, found: FaceAnswer) -> None:
        probabilities = found.outputs.get("expression_probabilities")
        if probabilities is None:
            return
        names = self.predictor.export.manifest["columns"]["expression_probabilities"]
        height, width = panel.shape[:2]
        step = height / len(names)
        for i, (name, p) in enumerate(zip(names, probabilities)):
            y = round(i * step)
            _text(panel, name, (14, y + round(step * 0.72)), 0.38, _INK)
            start, end = 96, 96 + round((width - 112) * float(p))
            cv2.rectangle(
                panel, (start, y + 2), (end, y + round(step) - 3), colour_of(found.face.person), -1
            )

    def _running(self, panel: np.ndarray, person: int | None, now: float) -> None:
        height, width = panel.shape[:2]
        left, right, top, bottom = 14, width - 14, 24, height - 12
        middle = (top + bottom) // 2
        cv2.line(panel, (left, middle), (right, middle), _GRID, 1)
        _text(panel, "valence", (left, 15), 0.42, VALENCE)
        _text(panel, "arousal", (left + 66, 15), 0.42, AROUSAL)
        _text(panel, f"last {_SECONDS:.0f} s", (right - 64, 15), 0.38, _INK)
        past = self._past.get(person) if person is not None else None
        if not past:
            return
        for column, colour in ((1, VALENCE), (2, AROUSAL)):
            line: list[tuple[int, int]] = []
            before = None
            for point in past:
                if before is not None and point[0] - before > 0.5:
                    _polyline(panel, line, colour)
                    line = []
                share = 1 - (now - point[0]) / _SECONDS
                value = float(np.clip(point[column], -1, 1))
                x, y = left + share * (right - left), middle - value * (bottom - top) / 2
                line.append((round(x), round(y)))
                before = point[0]
            _polyline(panel, line, colour)


def _polyline(panel: np.ndarray, line: list[tuple[int, int]], colour: tuple[int, ...]) -> None:
    if len(line) > 1:
        cv2.polylines(panel, [np.array(line, np.int32)], False, colour, 2, cv2.LINE_AA)


def _area(found: FaceAnswer) -> float:
    left, top, right, bottom = found.face.box
    return (right - left) * (bottom - top)


def _box(
    picture: np.ndarray, found: FaceAnswer, named: dict[str, float | str], factor: float
) -> None:
    left, top, right, bottom = (round(edge * factor) for edge in found.face.box)
    colour = colour_of(found.face.person)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)
    parts = [f"{found.face.person}"]
    if "expression" in named:
        parts.append(str(named["expression"]))
    if "valence" in named:
        parts.append(f"V {float(named['valence']):+.2f} A {float(named['arousal']):+.2f}")
    units = [n for n, v in named.items() if n.startswith("AU") and float(v) >= 0.5]
    lines = [" ".join(parts)] + ([" ".join(units)] if units else [])
    for i, line in enumerate(lines):
        # Above the box, or inside it where it touches the upper border.
        y = top - 8 - 20 * (len(lines) - 1 - i)
        y = y if top > 20 * len(lines) else top + 18 + 20 * i
        x = min(max(left, 2), max(2, picture.shape[1] - 10 * len(line)))
        _text(picture, line, (x, y), 0.5, (20, 20, 20), colour)


def _text(
    picture: np.ndarray,
    text: str,
    place: tuple[int, int],
    size: float,
    colour: tuple[int, ...],
    ground: tuple[int, ...] | None = None,
) -> None:
    if ground is not None:
        (width, height), base = cv2.getTextSize(text, _FONT, size, 1)
        x, y = place
        cv2.rectangle(picture, (x - 3, y - height - 4), (x + width + 3, y + base), ground, -1)
    cv2.putText(picture, text, place, _FONT, size, colour, 1, cv2.LINE_AA)
