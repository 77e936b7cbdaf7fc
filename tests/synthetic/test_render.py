"""Drawn frames: faces lie in their boxes, and a detector sees them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kaffect.synthetic import (
    SyntheticConfig,
    landmarks,
    make_plan,
    render_video,
    simulate_video,
)
from kaffect.synthetic.motion import FRONTAL


@pytest.fixture(scope="module")
def plan():
    return make_plan(SyntheticConfig(sizes=((320, 240),)))


def test_the_face_lies_inside_its_box(plan):
    """Eyes, nose and the resting mouth of turned and still faces; boxes wander, as detectors do."""
    checked = 0
    for video in plan[::4]:
        for track in simulate_video(video):
            points = landmarks(track)
            inner = ["lid_top_l", "lid_top_r", "nostril_l", "nostril_r", "lip_line"]
            xy = np.concatenate([points[name] for name in inner], axis=1)
            # A box ends at the frame's edge, and so does what is seen of a face.
            xy = np.clip(xy, 0, np.array(video.size))
            seen = track.motion.present & (np.abs(track.motion.pose[:, 0]) < 0.6)
            low, high = track.boxes[seen, None, :2], track.boxes[seen, None, 2:]
            assert ((xy[seen] >= low - 1) & (xy[seen] <= high + 1)).all()
            width = (high - low)[:, 0, 0]
            assert (np.ptp(points["face"][seen][..., 0], axis=1) > 0.5 * width).all()
            checked += int(seen.sum())
    assert checked > 2000


def test_the_cascade_finds_at_least_nine_of_ten_frontal_faces(plan):
    """Frontal: yaw, pitch and roll within `FRONTAL`, nothing before the face, one person."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    found = []
    for video in plan[::3]:
        track, *others = simulate_video(video)
        angles = np.abs(track.motion.pose) < FRONTAL
        frontal = angles.all(axis=1) & track.motion.present & ~track.covered
        for number, frame in zip(range(0, video.frames, 40), render_video(video, 40)):
            if frontal[number] and not others:
                grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
                hits = cascade.detectMultiScale(grey, 1.1, 3, minSize=(40, 40))
                found.append(any(_overlap(hit, track.boxes[number]) > 0.35 for hit in hits))
    assert len(found) >= 60
    assert np.mean(found) >= 0.90


def _overlap(hit, box):
    x, y, w, h = hit
    across = max(0, min(x + w, box[2]) - max(x, box[0]))
    down = max(0, min(y + h, box[3]) - max(y, box[1]))
    return across * down / (w * h + (box[2] - box[0]) * (box[3] - box[1]) - across * down)
