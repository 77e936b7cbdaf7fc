"""Measures head pose, blur and occlusion of faces on rendered people, and fits their numbers.

    python scripts/measure_head.py [--faces 1000] [--seed 1]
    python scripts/measure_head.py --fit 4000     # writes kaffect/faces/head.npz first
    python scripts/measure_head.py --clips DIR    # covers and blur planted on real faces, too

Each face is another person at a random pose (yaw to 45, pitch to 25, roll to 30 degrees, uniform),
with random units, light and background, in a box that wanders as a detector's does. Prints mean
errors with 95 % intervals, those of the constant that is best, and the areas under the ROC curve
for planted blur (Gaussian, 2 to 5 % of the face's side) and planted covers (15 to 50 % of the
box); half of the kinds of covers are not among those of the fit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.faces import create_detector  # noqa: E402
from kaffect.faces.face_features import WEIGHTS, face_features, face_patch  # noqa: E402
from kaffect.faces.pose import ANGLES, head_pose  # noqa: E402
from kaffect.faces.quality import blur, detail, occlusion  # noqa: E402
from kaffect.synthetic.curves import project  # noqa: E402
from kaffect.synthetic.people import sample_person  # noqa: E402
from kaffect.synthetic.portrait import Sitting, draw_person  # noqa: E402
from kaffect.synthetic.prototypes import REACTIONS, UNIT_COLUMN  # noqa: E402
from kaffect.synthetic.relief import Lamp  # noqa: E402
from kaffect.synthetic.scene import MARGIN, background  # noqa: E402

SIDE = 200
LIMITS = np.array([45.0, 25.0, 30.0])
FITTED, OTHERS = ("plain", "skin", "edge"), ("bar", "texture", "stripes")
_FIT_SEED = 1000


def rendered(seed: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame [200, 200, 3] uint8 RGB, a face box [4] in pixels, the pose [3] in degrees."""
    rng = np.random.default_rng([seed, number])
    person = sample_person(rng, str(rng.choice(["male", "female"])))
    units = np.zeros(len(UNIT_COLUMN))
    reaction = list(REACTIONS.values())[int(rng.integers(len(REACTIONS)))]
    strength = rng.uniform(0, 1)
    for name, value in reaction.always.items():
        units[UNIT_COLUMN[name]] = value * strength
    units = np.maximum(units, (rng.random(len(units)) < 0.15) * rng.uniform(0, 0.4, len(units)))
    pose = rng.uniform(-1, 1, 3) * LIMITS
    frame = background(rng, (SIDE, SIDE))[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()
    scale = float(rng.uniform(38, 46))
    centre = np.array([SIDE / 2, SIDE / 2 - 0.35 * scale]) + rng.normal(0, 4, 2)
    lids, gaze = float(np.clip(rng.normal(1, 0.15), 0.1, 1.2)), tuple(rng.uniform(-0.6, 0.6, 2))
    sitting = Sitting(np.deg2rad(pose), centre, scale, lids, gaze)
    lamp = Lamp((rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.2)), rng.uniform(0.3, 0.6))
    draw_person(frame, person, units, sitting, lamp, rng)
    noisy = frame * np.exp(rng.normal(0, 0.2))
    noisy = noisy + rng.normal(0, 1, frame.shape) * rng.choice([0.0, 2.0, 4.0])
    place = (sitting.pose[None], centre[None], np.array([scale]))
    middle = project(np.array([[[0.0, 0.43, 0.35]]]), *place)[0, 0]
    half = 1.16 * scale * (1 + rng.uniform(-0.06, 0.16))
    middle = middle + rng.uniform(-0.06, 0.06, 2) * 2 * half
    box = np.concatenate([middle - half, middle + half])
    return np.clip(noisy, 0, 255).astype(np.uint8), box, pose


def blurred(rng: np.random.Generator, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The frame out of focus."""
    side = float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
    return cv2.GaussianBlur(frame, (0, 0), float(rng.uniform(0.02, 0.05)) * side)


def covered(
    rng: np.random.Generator, frame: np.ndarray, box: np.ndarray, kinds: tuple[str, ...]
) -> np.ndarray:
    """The frame with something before 15 to 50 % of the box."""
    frame, kind = frame.copy(), str(rng.choice(kinds))
    width, height = box[2] - box[0], box[3] - box[1]
    share = float(rng.uniform(0.15, 0.5))
    mask = np.zeros(frame.shape[:2], np.uint8)
    if kind in ("bar", "stripes", "edge"):
        at = float(rng.uniform(0.2, 0.8 - share)) if share < 0.6 else 0.2
        if kind == "edge":  # from a side or from below
            angle = float(rng.choice([0.0, np.pi / 2, np.pi])) + float(rng.normal(0, 0.3))
            normal = np.array([np.cos(angle), np.sin(angle)])
            middle = (box[:2] + box[2:]) / 2 + normal * (0.5 - share) * np.array([width, height])
            y, x = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
            mask[(x - middle[0]) * normal[0] + (y - middle[1]) * normal[1] > 0] = 1
        else:
            top, bottom = box[1] + at * height, box[1] + (at + share) * height
            corners = np.array([[box[0], top], [box[2], bottom]]).astype(int)
            cv2.rectangle(mask, corners[0].tolist(), corners[1].tolist(), 1, -1)
    else:
        aspect = float(np.exp(rng.normal(0, 0.3)))
        w, h = np.sqrt(share) * width * aspect, np.sqrt(share) * height / aspect
        x, y = box[:2] + rng.uniform(0.1, 0.9, 2) * (width - min(w, width), height - min(h, height))
        centre, half = (int(x + w / 2), int(y + h / 2)), (max(1, int(w / 2)), max(1, int(h / 2)))
        if kind == "skin":
            cv2.ellipse(mask, centre, half, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        else:
            corner = (centre[0] + half[0], centre[1] + half[1])
            cv2.rectangle(mask, (centre[0] - half[0], centre[1] - half[1]), corner, 1, -1)
    frame[mask > 0] = _paint(rng, frame, box, kind)[mask > 0]
    return frame


def _paint(rng: np.random.Generator, frame: np.ndarray, box: np.ndarray, kind: str) -> np.ndarray:
    """What a cover of a kind looks like, as large as the frame."""
    height, width = frame.shape[:2]
    if kind == "texture":
        big = background(rng, (width, height))
        return big[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    colour = rng.uniform(0, 255, 3)
    if kind == "skin":
        x, y = ((box[:2] + box[2:]) / 2).astype(int)
        near = frame[max(0, y - 15) : y + 15, max(0, x - 15) : x + 15].reshape(-1, 3)
        colour = np.median(near, axis=0) * rng.uniform(0.8, 1.1)
    painted = np.full(frame.shape, colour)
    if kind == "stripes":
        period = float(rng.uniform(6, 24))
        painted[np.arange(height) % period < period / 2] = rng.uniform(0, 255, 3)
    grain = rng.normal(0, 3, (height, width, 1))
    ramp = np.linspace(-1, 1, width)[None, :, None] * rng.uniform(-25, 25)
    return np.clip(painted + grain + ramp, 0, 255).astype(np.uint8)


def features_of(faces: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Of (frame, box) pairs: [n, FEATURES]."""
    return face_features(np.stack([face_patch(frame, box) for frame, box in faces]))


def fit(count: int) -> None:
    """Fit the linear functions to `count` rendered faces and write them."""
    rng, poses, open_, hidden = np.random.default_rng(_FIT_SEED), [], [], []
    for start in range(0, count, 100):
        faces = [rendered(_FIT_SEED, number) for number in range(start, min(start + 100, count))]
        poses += [pose for _, _, pose in faces]
        open_.append(features_of([(frame, box) for frame, box, _ in faces]))
        planted = [(covered(rng, frame, box, FITTED), box) for frame, box, _ in faces]
        hidden.append(features_of(planted))
        print(f"\r{start + len(faces)} of {count} faces", end="", flush=True)
    print()
    clear, dark = np.concatenate(open_).astype(float), np.concatenate(hidden).astype(float)
    mean, deviation = clear.mean(axis=0), clear.std(axis=0) + 1e-3
    scaled = (clear - mean) / deviation
    ridge = RidgeCV(np.logspace(0, 4, 9)).fit(scaled, np.array(poses))
    print(f"ridge penalty {ridge.alpha_:g}")
    both = np.concatenate([scaled, (dark - mean) / deviation])
    truth = np.repeat([0, 1], [len(clear), len(dark)])
    cover = LogisticRegression(C=3e-4, max_iter=2000).fit(both, truth)
    arrays = {
        name: _unscaled(found.coef_.T.reshape(len(mean), -1), found.intercept_, mean, deviation)
        for name, found in (("pose", ridge), ("cover", cover))
    }
    np.savez(WEIGHTS, **arrays)
    print(f"written: {WEIGHTS}")


def _unscaled(
    weights: np.ndarray, added: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> np.ndarray:
    """Of features as they are: [features + 1, outputs] float32, the last row added."""
    direct = weights / deviation[:, None]
    return np.concatenate([direct, [added - mean @ direct]]).astype(np.float32)


def report_pose(faces: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Print mean errors in degrees."""
    found = head_pose(features_of([(frame, box) for frame, box, _ in faces]))
    truth = np.array([pose for _, _, pose in faces])
    errors, constant = np.abs(found - truth), np.abs(truth - np.median(truth, axis=0)).mean(axis=0)
    for k, name in enumerate(ANGLES):
        half = 1.96 * errors[:, k].std(ddof=1) / np.sqrt(len(errors))
        line = f"{name:5} mean error {errors[:, k].mean():.2f} +- {half:.2f} degrees"
        share = errors[:, k].mean() / constant[k]
        print(f"{line}, best constant {constant[k]:.2f} (share {share:.2f})")


def report_quality(faces: list[tuple[np.ndarray, np.ndarray]], seed: int) -> None:
    """Print areas under the ROC curve of planted blur and covers."""
    rng = np.random.default_rng([seed, 77])
    truth = np.repeat([0, 1], len(faces))
    soft = [(blurred(rng, frame, box), box) for frame, box in faces]
    details = np.array([detail(frame, box) for frame, box in [*faces, *soft]])
    found = np.array([blur(frame, box) for frame, box in [*faces, *soft]])
    line = LogisticRegression(C=1e4).fit(-details[:, None], truth)
    slope, middle = line.coef_[0, 0], line.intercept_[0] / line.coef_[0, 0]
    print(f"blur: AUC {roc_auc_score(truth, found):.3f} (logistic: {middle:.2f}, {slope:.2f})")
    clear = occlusion(features_of(faces))
    for kind in FITTED + OTHERS:
        planted = [(covered(rng, frame, box, (kind,)), box) for frame, box in faces]
        found = np.concatenate([clear, occlusion(features_of(planted))])
        new = "" if kind in FITTED else ", not in the fit"
        print(f"cover {kind:8}: AUC {roc_auc_score(truth, found):.3f}{new}")
    mixed = [(covered(rng, frame, box, FITTED + OTHERS), box) for frame, box in faces]
    found = np.concatenate([clear, occlusion(features_of(mixed))])
    print(f"all covers    : AUC {roc_auc_score(truth, found):.3f}")


def real_faces(folder: Path, of_each: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames and boxes of the faces that the detector is sure of, spread over the clips."""
    detector, found = create_detector("haar"), []
    for path in sorted(folder.iterdir()):
        video = cv2.VideoCapture(str(path))
        frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        for number in range(0, frames, max(1, frames // of_each)):
            video.set(cv2.CAP_PROP_POS_FRAMES, number)
            read, image = video.read()
            if read:
                frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                sure = [d for d in detector.detect([frame])[0] if d.score >= detector.sure]
                found += [(frame, np.array(d.box)) for d in sure]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fit", type=int, metavar="N", help="fit to N other faces first")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="videos of real faces")
    arguments = parser.parse_args()
    if arguments.fit:
        fit(arguments.fit)
    faces = [rendered(arguments.seed, number) for number in range(arguments.faces)]
    print(f"{len(faces)} rendered people, seed {arguments.seed}:")
    report_pose(faces)
    report_quality([(frame, box) for frame, box, _ in faces], arguments.seed)
    if arguments.clips:
        found = real_faces(arguments.clips)
        print(f"{len(found)} real faces in {arguments.clips}:")
        report_quality(found, arguments.seed)


if __name__ == "__main__":
    main()
