"""How large, how sharp and how uncovered a face is: whether its reading can be trusted.

Serves `kaffect predict`, whose rows have these columns. `scripts/measure_head.py` measures how
well planted blur and planted covers are told from none, and fits the numbers that are used here.
"""

from __future__ import annotations

import cv2
import numpy as np

from kaffect.faces.face_features import face_patch, linear_reading

_BLUR_SIDE = 96
# Band energies of a face: fine details against coarse ones, in pixels of the picture above.
_FINE, _MIDDLE, _COARSE = 0.8, 1.6, 5.0
# Where the ratio below is as often that of a blurred face as of a sharp one: -2.5 for rendered,
# -3.1 for real ones (scripts/measure_head.py prints both). Less steep than these two are apart, so
# that what lies between them can be seen.
BLUR_MIDDLE, BLUR_SLOPE = -2.8, 6.0


def face_size(box: np.ndarray) -> float:
    """Side of a face in pixels of its frame: the root of its box's area.

    Args:
        box: [4] (left, top, right, bottom) in pixels.
    """
    left, top, right, bottom = (float(edge) for edge in box)
    return float(np.sqrt(max(right - left, 0.0) * max(bottom - top, 0.0)))


def detail(frame: np.ndarray, box: np.ndarray) -> float:
    """Logarithm of the fine details of a face, relative to its coarse ones; low where blurred.

    Args:
        frame: [height, width, 3] uint8 RGB; box: [4] in pixels.
    """
    patch = face_patch(frame, box, _BLUR_SIDE)
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, middle, coarse = (cv2.GaussianBlur(grey, (0, 0), s) for s in (_FINE, _MIDDLE, _COARSE))
    inner = slice(_BLUR_SIDE // 8, -_BLUR_SIDE // 8)
    small = float(((fine - middle)[inner, inner] ** 2).mean())
    large = float(((middle - coarse)[inner, inner] ** 2).mean())
    return float(np.log((small + 0.05) / (large + 1.0)))


def blur(frame: np.ndarray, box: np.ndarray) -> float:
    """0 (sharp) to 1 (blurred, or so small that nothing fine is left).

    Args:
        frame: [height, width, 3] uint8 RGB; box: [4] in pixels.
    """
    return float(1 / (1 + np.exp(BLUR_SLOPE * (detail(frame, box) - BLUR_MIDDLE))))


def occlusion(features: np.ndarray) -> np.ndarray:
    """How likely something is before each face, 0 to 1.

    Args:
        features: [n, FEATURES], as `face_features` gives them.

    Returns:
        [n] float64.
    """
    logits = np.clip(linear_reading("cover", features)[:, 0], -30, 30)
    return np.asarray(1 / (1 + np.exp(-logits)))
