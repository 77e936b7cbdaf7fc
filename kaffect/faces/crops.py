"""Face crops of 96x96 pixels: the box as it is, as in the paper, square or aligned (Section III-E).

The rule is data: it is written into the manifest of a prepared data set and goes
with a model wherever that is used, because a network reads faces well only in the
crop that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kaffect.data.annotations.numbers import MAX_LINES, NUMBER, header_of, read_text, shown
from kaffect.errors import AnnotationError, ConfigError, VideoError, expected_received

BOX_COLUMNS = ("frame", "left", "top", "right", "bottom")
MODES = ("paper", "square", "5-point")
# Where the five landmarks of an aligned face lie, as shares of the side of the crop: eyes, nose
# tip, corners of the mouth. A frontal face then fills the crop from brow to chin.
ALIGNED = np.array([(0.33, 0.36), (0.67, 0.36), (0.5, 0.56), (0.36, 0.76), (0.64, 0.76)])
# 0 after (x - 128) / 128: a picture without information.
NO_FACE_VALUE = 128


@dataclass(frozen=True)
class CropRule:
    """How a face picture is cut out of a frame.

    Attributes:
        mode: 'paper': the box as it is, without alignment or margin, stretched to a
            square. Without any box: the largest centred square of the whole frame.
            'square': the box made a square around its middle, as long as its longer side, so that
            nothing is stretched; pixels outside of the frame repeat its border.
            '5-point': turned, scaled and shifted so that eyes, nose and mouth lie at `ALIGNED`
            (least squares); pixels outside of the frame repeat its border.
        image_size: side of the crop in pixels.
        colour: order of the channels.
        no_face: value of every pixel where a frame has no face.
    """

    mode: str = "paper"
    image_size: int = 96
    colour: str = "RGB"
    no_face: int = NO_FACE_VALUE

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(expected_received("Unknown crop mode", MODES, self.mode))
        if self.colour != "RGB":
            raise ConfigError(expected_received("Unknown colour order", ("RGB",), self.colour))
        if not 8 <= self.image_size <= 1024:
            raise ConfigError(expected_received("image_size", "8 to 1024", self.image_size))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CropRule:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: unknown or missing settings, or a value that is not accepted.
        """
        if set(values) != set(cls.__dataclass_fields__):
            raise ConfigError(
                expected_received("Crop rule", set(cls.__dataclass_fields__), sorted(values))
            )
        return cls(**values)

    def apply(
        self, image: np.ndarray, box: np.ndarray | None, landmarks: np.ndarray | None = None
    ) -> np.ndarray:
        """The crop of `image` at `box`, or by `landmarks` in mode '5-point'.

        Args:
            image: [height, width, 3] uint8 RGB.
            box: [4] float (left, top, right, bottom) in pixels; it may reach over the border of
                the frame. None: the centre square.
            landmarks: [5, 2] float (x, y) in pixels as `Detection.landmarks`; mode '5-point' only.

        Returns:
            [image_size, image_size, 3] uint8 RGB.

        Raises:
            VideoError: the box lies outside the frame.
            ConfigError: mode '5-point' without landmarks.
        """
        if self.mode == "5-point":
            return self._aligned(image, landmarks)
        height, width = image.shape[:2]
        if box is None:
            side = min(height, width)
            left, top = (width - side) // 2, (height - side) // 2
            right, bottom = left + side, top + side
        else:
            # Whole pixels: the same crop, whatever the decimals of a detector.
            left, top, right, bottom = (int(round(float(edge))) for edge in box)
            left, top = max(left, 0), max(top, 0)
            right, bottom = min(right, width), min(bottom, height)
            if right - left < 1 or bottom - top < 1:
                raise VideoError(
                    f"a face box lies outside the frame. Expected pixels within {width}x{height}. "
                    f"Received: {','.join(f'{edge:g}' for edge in box)}"
                )
        crop = image[top:bottom, left:right]
        if self.mode == "square" and box is not None:
            crop = _square(image, box)
        smaller = self.image_size < max(crop.shape[:2])
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return cv2.resize(crop, (self.image_size, self.image_size), interpolation=how)

    def _aligned(self, image: np.ndarray, landmarks: np.ndarray | None) -> np.ndarray:
        if landmarks is None or not np.isfinite(landmarks).all():
            raise ConfigError(
                "5-point alignment needs the landmarks of a face. Expected a detector that gives "
                "them: 'mtcnn'. Received: none"
            )
        # A pixel's centre is at its whole number.
        target = ALIGNED * self.image_size - 0.5
        matrix = similarity(np.asarray(landmarks, np.float64), target)
        # Shrinking by much would skip pixels: shrink by averaging first.
        shrink = int(1 / max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-3))
        if shrink > 1:
            small = (max(1, image.shape[1] // shrink), max(1, image.shape[0] // shrink))
            ratio = np.array(small) / image.shape[1::-1]
            image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            points = (np.asarray(landmarks, np.float64) + 0.5) * ratio - 0.5
            matrix = similarity(points, target)
        size = (self.image_size, self.image_size)
        return cv2.warpAffine(
            image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def blank(self) -> np.ndarray:
        """[image_size, image_size, 3] uint8: the picture that stands for "no face"."""
        return np.full((self.image_size, self.image_size, 3), self.no_face, np.uint8)


def _square(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The square around the middle of `box` with its longer side, in whole pixels."""
    left, top, right, bottom = (float(edge) for edge in box)
    side = max(1, int(round(max(right - left, bottom - top))))
    x, y = int(round((left + right - side) / 2)), int(round((top + bottom - side) / 2))
    height, width = image.shape[:2]
    before = max(0, -y), max(0, -x)
    after = max(0, y + side - height), max(0, x + side - width)
    inside = image[max(y, 0) : y + side, max(x, 0) : x + side]
    if not any((*before, *after)):
        return inside
    edges = (before[0], after[0], before[1], after[1])
    return cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring points nearest to others (least squares).

    Args:
        source, target: [n, 2] float (x, y), both in pixels, n at least 2.

    Returns:
        [2, 3] float64: [x', y'] = matrix @ [x, y, 1].
    """
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    # As complex numbers a turn with a scale is one factor.
    old = (source - middle) @ np.array([1, 1j])
    new = (target - goal) @ np.array([1, 1j])
    factor = (np.conj(old) @ new) / max(float((np.conj(old) @ old).real), 1e-12)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([turn, (goal - turn @ middle)[:, None]], axis=1)


def read_boxes(path: str | Path) -> dict[int, np.ndarray]:
    """Read a box file.

    Returns:
        Frame number (1-based, in the source video) -> [4] float64 (left, top, right, bottom) in
        pixels. A frame without a row has no face; a header alone means no face anywhere.

    Raises:
        AnnotationError: with path and line: a wrong header or number of fields, not a
            number, a frame number below 1 or given twice, or an empty box.
    """
    path = Path(path)
    header, *lines = read_text(path).removesuffix(b"\n").split(b"\n")
    if header_of(header) != ",".join(BOX_COLUMNS).encode():
        raise AnnotationError(
            path, 1, f"wrong header. Expected: {','.join(BOX_COLUMNS)}. Received: {shown(header)}"
        )
    boxes: dict[int, np.ndarray] = {}
    for line, text in enumerate(lines, 2):
        frame, box = _box(path, line, text)
        if frame in boxes:
            raise AnnotationError(path, line, f"a second box for frame {frame}")
        boxes[frame] = box
    return boxes


def boxes_text(boxes: Iterable[tuple[int, Sequence[float]]]) -> str:
    """The text of a box file, which `read_boxes` reads; edges to a tenth of a pixel.

    Args:
        boxes: (1-based frame, (left, top, right, bottom) in pixels), one for each frame with a
            face.
    """
    rows = (",".join([str(frame), *(f"{edge:.1f}" for edge in box)]) for frame, box in boxes)
    return "\n".join([",".join(BOX_COLUMNS), *rows]) + "\n"


def _box(path: Path, line: int, text: bytes) -> tuple[int, np.ndarray]:
    fields = [field.strip() for field in text.decode("ascii", "replace").split(",")]
    if len(fields) != len(BOX_COLUMNS):
        raise AnnotationError(
            path, line, f"wrong number of fields. Expected {','.join(BOX_COLUMNS)}. "
            f"Received: {shown(text)}"
        )  # fmt: skip
    for name, value in zip(BOX_COLUMNS, fields):
        if not NUMBER.fullmatch(value) or not np.isfinite(float(value)):
            raise AnnotationError(
                path, line, f"{name}: not a number. Received: {shown(value.encode())}"
            )
    frame = float(fields[0])
    if not (1 <= frame <= MAX_LINES and frame.is_integer()):
        raise AnnotationError(
            path, line, f"frame must be a whole number from 1. Received: {shown(text)}"
        )
    box = np.array([float(value) for value in fields[1:]])
    if not (box[2] > box[0] and box[3] > box[1]):
        raise AnnotationError(
            path, line, f"an empty box. Expected left < right and top < bottom. "
            f"Received: {shown(text)}"
        )  # fmt: skip
    return int(frame), box
