"""Where the head is and what the light does: "in-the-wild" (paper Section I)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.affect import Array, smooth_noise

# A face counts as frontal (for the detector test) within these angles, in radians.
FRONTAL = (0.22, 0.16, 0.14)
_TURNED = 0.87  # yaw from which there is no face to annotate


@dataclass(frozen=True)
class Motion:
    """Head and camera of one track.

    Attributes:
        pose: [frames, 3] yaw, pitch, roll in radians.
        centre: [frames, 2] pixels of the face's origin (between the eyes).
        scale: [frames] pixels for one face unit.
        gaze: [frames, 2] of the iris in -1..1.
        present: [frames] whether there is a face to see.
    """

    pose: Array
    centre: Array
    scale: Array
    gaze: Array
    present: NDArray[np.bool_]


def head_motion(
    rng: np.random.Generator,
    times: Array,
    size: tuple[int, int],
    place: int,
    arousal: Array,
    camera: Array,
) -> Motion:
    """Simulate one head: slow turns, restlessness that grows with arousal, at times an absence.

    Args:
        times: [frames] float64, seconds, evenly spaced.
        size: (width, height) of the frames in pixels.
        place: 0 for one person alone, -1 and 1 for the person on the left and on the right.
        arousal: [frames] float64 in [-1, 1].
        camera: [frames, 2] float64, (x, y) shift of the picture in pixels.
    """
    width, height = size
    lively = np.clip(arousal, 0, None)[:, None]
    pose = smooth_noise(rng, times, 0.9, 3) * (0.18, 0.11, 0.11)
    pose = pose + smooth_noise(rng, times, 0.12, 3) * (0.035, 0.03, 0.025) * lively
    pose = pose + rng.normal(0, 1, 3) * (0.14, 0.09, 0.09)
    limits = np.array([0.62, 0.36, 0.45])
    pose = limits * np.tanh(pose / limits)
    reach = height if place == 0 else 0.85 * height
    base = float(rng.uniform(0.21, 0.29)) * min(reach, width * (0.95 if place == 0 else 0.52))
    sway = smooth_noise(rng, times, 0.8, 3)
    scale = base * (1 + 0.05 * sway[:, 2])
    home_x = width * (0.5 + 0.24 * place) + float(rng.normal(0, 0.035)) * width
    home_y = height * 0.47 + float(rng.normal(0, 0.03)) * height
    jolt = smooth_noise(rng, times, 0.10, 2) * 0.035 * lively
    centre = np.stack([home_x, home_y]) + (sway[:, :2] * (0.16, 0.09) + jolt) * base + camera
    gaze = np.clip(smooth_noise(rng, times, 0.35, 2) * 0.45, -1, 1)
    present = np.ones(len(times), bool)
    if rng.random() < 0.10 and times[-1] > 2:
        pose, centre, present = _absence(rng, times, pose, centre, base, width)
    return Motion(pose, centre, scale, gaze, present)


def _absence(
    rng: np.random.Generator, times: Array, pose: Array, centre: Array, base: float, width: int
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Someone leaves the picture or turns away for about a second and comes back."""
    middle, length = float(rng.uniform(0.8, times[-1] - 0.8)), float(rng.uniform(0.5, 0.9))
    away = np.clip(1.5 - np.abs(times - middle) / length * 1.5, 0, 1)
    away = away * away * (3 - 2 * away)
    if rng.random() < 0.5:
        side = -1.0 if centre[:, 0].mean() < width / 2 else 1.0
        gone = width / 2 + side * (width / 2 + 1.6 * base)
        centre = centre.copy()
        centre[:, 0] += away * (gone - centre[:, 0])
        # Half of the face must be inside of the picture.
        present = (centre[:, 0] > 0.35 * base) & (centre[:, 0] < width - 0.35 * base)
    else:
        side = 1.0 if rng.random() < 0.5 else -1.0
        pose = pose.copy()
        pose[:, 0] += away * (side * 3.0 - pose[:, 0])
        present = np.abs(pose[:, 0]) < _TURNED
    return pose, centre, present


@dataclass(frozen=True)
class Light:
    """Light and camera of one video.

    Attributes:
        direction: of the main light on faces, (x, y) with y negative from above.
        contrast: of light and shade on faces.
        colour: gain of red, green and blue.
        gain: [frames] brightness of the whole picture.
        gamma: of the camera.
        gradient: brightness from side to side and top to bottom, (x, y).
        blur: in pixels. noise: standard deviation in grey levels.
    """

    direction: tuple[float, float]
    contrast: float
    colour: tuple[float, float, float]
    gain: Array
    gamma: float
    gradient: tuple[float, float]
    blur: float
    noise: float


def sample_light(rng: np.random.Generator, times: Array, size: tuple[int, int]) -> Light:
    """Draw the light of a video; its brightness drifts.

    Args:
        times: [frames] float64, seconds, evenly spaced.
        size: (width, height) of the frames in pixels.
    """
    warm = float(rng.normal(0, 0.09))
    green = float(rng.normal(0, 0.03))
    drift = smooth_noise(rng, times, 1.2)[:, 0] * float(rng.uniform(0.01, 0.07))
    gain = float(np.exp(rng.normal(-0.04, 0.2))) * (1 + drift)
    if rng.random() < 0.15:
        gain = gain * (1 - 0.25 * (times > float(rng.uniform(0, times[-1]))))
    return Light(
        direction=(float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.8, 0.35))),
        contrast=float(rng.uniform(0.25, 0.85)),
        colour=(1 + warm, 1 + green, 1 - warm),
        gain=np.clip(gain, 0.55, 1.4),
        gamma=float(rng.uniform(0.82, 1.22)),
        gradient=(float(rng.uniform(-0.4, 0.4)), float(rng.uniform(-0.25, 0.25))),
        blur=float(rng.choice([0.0, 0.5, 0.8, 1.1], p=[0.4, 0.3, 0.2, 0.1])) * min(size) / 240,
        noise=float(rng.choice([1.5, 2.5, 4.0, 6.0])),
    )
