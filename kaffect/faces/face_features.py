"""What MTCNN's last network sees in a face box: features for head pose and occlusion.

Serves `kaffect predict`: the third network of the cascade (K. Zhang et al., arXiv 1604.02878;
package mtcnn, weights inside) reads 48x48 pixels of any detector's box. Its hidden layers know
where eyes, nose and mouth are, and whether they can be seen.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kaffect.archives import Headers, read_npz, require_kinds

SIDE = 48
FEATURES = 3 * 3 * 128 + 256
_TOGETHER = 64
# Linear functions of the features, fitted by `scripts/measure_head.py`; the last row is added.
WEIGHTS = Path(__file__).parent / "head.npz"
SHAPES = {"pose": (FEATURES + 1, 3), "cover": (FEATURES + 1, 1)}


@functools.cache
def _network() -> Any:
    """[n, 48, 48, 3] pixels -> [n, FEATURES]; loaded once, by whoever needs it first."""
    import tensorflow as tf
    from mtcnn.network.onet import ONet
    from mtcnn.utils.tensorflow import load_weights

    net = ONet()
    net.build()
    net.set_weights(load_weights("onet.lz4"))

    @tf.function(reduce_retracing=True)
    def run(pixels: tf.Tensor) -> tf.Tensor:
        x = (tf.cast(pixels, tf.float32) - 127.5) / 128.0
        x = net.maxpool1(net.prelu1(net.conv1(x)))
        x = net.maxpool2(net.prelu2(net.conv2(x)))
        x = net.maxpool3(net.prelu3(net.conv3(x)))
        x = net.flatten(net.permute(net.prelu4(net.conv4(x))))
        return tf.concat([x, net.prelu5(net.fc5(x))], axis=1)

    return run


def face_features(patches: np.ndarray) -> np.ndarray:
    """Features of face pictures.

    Args:
        patches: [n, 48, 48, 3] uint8 RGB, as `face_patch` cuts them.

    Returns:
        [n, FEATURES] float32.
    """
    parts = [
        _network()(patches[start : start + _TOGETHER]).numpy()
        for start in range(0, len(patches), _TOGETHER)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, FEATURES), np.float32)


def linear_reading(name: str, features: np.ndarray) -> np.ndarray:
    """One of the fitted linear functions.

    Args:
        name: 'pose' or 'cover'; features: [n, FEATURES].

    Returns:
        [n, 3] or [n, 1] float64.
    """
    weights = _weights()[name]
    return np.asarray(features, np.float64) @ weights[:-1] + weights[-1]


@functools.cache
def _weights() -> dict[str, np.ndarray]:
    def check(headers: Headers) -> None:
        if {name: header[0] for name, header in headers.items()} != SHAPES:
            raise ValueError("arrays of another version")
        require_kinds(headers, "f")

    found = read_npz(WEIGHTS, "the weights of head pose", 2**20, check)
    return {name: values.astype(np.float64) for name, values in found.items()}


def face_patch(frame: np.ndarray, box: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The square around a face box, whatever part of it lies in the frame.

    Args:
        frame: [height, width, 3] uint8 RGB.
        box: [4] (left, top, right, bottom) in pixels; pixels outside of the frame repeat its
            border.
        side: of the result, in pixels.

    Returns:
        [side, side, 3] uint8: the square with the box's height and width in the mean
        (geometric), so that boxes of all detectors show about the same.
    """
    left, top, right, bottom = (float(edge) for edge in box)
    length = max(float(np.sqrt(max(right - left, 0.0) * max(bottom - top, 0.0))), 1.0)
    step = length / side
    x, y = (left + right - length + step - 1) / 2, (top + bottom - length + step - 1) / 2
    if step > 1.5:  # shrinking by much would skip pixels
        frame, x, y = _near(frame, x, y, length)
        width = round(step)
        frame = cv2.blur(frame, (width, width), borderType=cv2.BORDER_REPLICATE)
    matrix = np.array([[step, 0, x], [0, step, y]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)


def _near(frame: np.ndarray, x: float, y: float, length: float) -> tuple[np.ndarray, float, float]:
    """The part of the frame around a square, and the square's corner in it."""
    height, width = frame.shape[:2]
    margin = length / SIDE + 2
    left = int(np.clip(x - margin, 0, width - 1))
    top = int(np.clip(y - margin, 0, height - 1))
    right = int(np.clip(x + length + margin, left + 1, width))
    bottom = int(np.clip(y + length + margin, top + 1, height))
    return frame[top:bottom, left:right], x - left, y - top
