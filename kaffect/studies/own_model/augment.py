"""What happens to a rendered face on its way to the network: other crops, cameras and covers.

A network reads real faces only where it has learned not to look at resolution, compression,
brightness and contrast, and where its crops wander as a detector's do.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def augmented(rng: np.random.Generator, image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """One changed copy.

    Args:
        image: [n, n] uint8, grey.
        side: of the copy, in pixels.

    Returns:
        [side, side] uint8.
    """
    changed = _moved(rng, image)
    if rng.random() < 0.7:
        small = int(rng.integers(24, 65))
        changed = cv2.resize(changed, (small, small), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        coded = cv2.imencode(".jpg", changed, quality)[1]
        changed = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
    shrinks = len(changed) > side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _retouched(rng, cv2.resize(changed, (side, side), interpolation=how))


def _moved(rng: np.random.Generator, image: NDArray[np.uint8]) -> np.ndarray:
    """Mirrored, turned, scaled and shifted a little."""
    size = len(image)
    scale, angle = float(np.exp(rng.normal(0, 0.08))), float(rng.normal(0, 5))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale)
    matrix[0] *= float(np.exp(rng.normal(0, 0.05)))  # boxes are not always square
    shift = rng.normal(0, 0.035 * size, 2)
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + shift])
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT)


def _filtered(rng: np.random.Generator, image: np.ndarray) -> NDArray[np.uint8]:
    """A random 3x3 to 7x7 filter mixed with the picture: other textures, the same shapes.

    Xu et al., Robust and generalizable visual representation learning via random convolutions,
    ICLR 2021. The filter's answer gets the picture's mean and deviation.
    """
    size = int(rng.choice([3, 5, 7]))
    kernel = rng.normal(0, 1 / size, (size, size))
    answer = cv2.filter2D(image.astype(np.float32), -1, kernel)
    answer = (answer - answer.mean()) / max(float(answer.std()), 1e-3) * image.std() + image.mean()
    share = float(rng.uniform(0, 0.8))
    mixed = share * answer + (1 - share) * image
    filtered: NDArray[np.uint8] = np.clip(mixed, 0, 255).astype(np.uint8)
    return filtered


def _retouched(rng: np.random.Generator, image: np.ndarray) -> NDArray[np.uint8]:
    """Brightness curve, equalised histogram, noise, and a rectangle that covers something."""
    side = len(image)
    if rng.random() < 0.35:
        image = _filtered(rng, image)
    if rng.random() < 0.5:
        curve = 255 * np.linspace(0, 1, 256) ** float(np.exp(rng.normal(0, 0.35)))
        image = cv2.LUT(image, np.rint(curve).astype(np.uint8))
    if rng.random() < 0.15:
        image = cv2.equalizeHist(image)
    if rng.random() < 0.3:
        noisy = image + rng.normal(0, float(rng.uniform(2, 14)), image.shape)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        width, height = rng.integers(side // 8, side // 2, 2)
        left, top = rng.integers(0, side - width), rng.integers(0, side - height)
        image[top : top + height, left : left + width] = int(rng.integers(0, 256))
    changed: NDArray[np.uint8] = image
    return changed
