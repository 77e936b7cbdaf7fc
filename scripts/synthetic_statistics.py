"""Prints the shares of synthetic Aff-Wild beside Table III, and what cheap methods see in it.

    python scripts/synthetic_statistics.py [--seed 0] [--step 6]

Label shares need no drawing. The Haar cascade's rate on frontal frames and the linear
probe on 12x12 grey pixels come from every `--step`-th frame of every video.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import Ridge

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.labels import SPLITS  # noqa: E402
from kaffect.synthetic import (  # noqa: E402
    SyntheticConfig,
    Track,
    make_plan,
    render_video,
    simulate_tracks,
    simulate_video,
)
from kaffect.synthetic.canvas import Image  # noqa: E402
from kaffect.synthetic.motion import FRONTAL  # noqa: E402
from kaffect.synthetic.prototypes import (  # noqa: E402
    ANY_UNIT_SHARE,
    EXPRESSION_SHARES,
    UNIT_SHARES,
)

_MISSED = 0.35  # overlap (intersection over union) below which a detection is not this face


def print_shares(tracks: list[Track]) -> None:
    """Two Markdown tables: units beside Table III, expressions by split."""
    units = np.concatenate([t.labels.action_units for t in tracks if t.video.task == "au"])
    units = units[units[:, 0] >= 0]
    print(f"{sum(len(t.times) for t in tracks)} frames in all tracks\n")
    print("| | " + " | ".join([*UNIT_SHARES, "any"]) + " |")
    print("|---" * (len(UNIT_SHARES) + 2) + "|")
    print(
        "| Table III | "
        + " | ".join(f"{100 * s:.0f}" for s in [*UNIT_SHARES.values(), ANY_UNIT_SHARE])
        + " |"
    )
    measured = [*units.mean(axis=0), units.any(axis=1).mean()]
    print("| synthetic | " + " | ".join(f"{100 * s:.1f}" for s in measured) + " |\n")
    names = [*EXPRESSION_SHARES]
    print("| | " + " | ".join(names) + " | frames |")
    print("|---" * (len(names) + 2) + "|")
    print("| chosen | " + " | ".join(f"{100 * s:.0f}" for s in EXPRESSION_SHARES.values()) + " | |")
    classes = tracks[0].video.config.space.expressions
    for split in (None, *SPLITS):
        chosen = [
            t for t in tracks if t.video.task == "expression" and split in (None, t.video.split)
        ]
        label = np.concatenate([t.labels.expression for t in chosen])
        label = label[label >= 0]
        shares = [100 * (label == classes.index(name)).mean() for name in names]
        row = " | ".join(f"{share:.1f}" for share in shares)
        print(f"| {split or 'all'} | {row} | {len(label)} |")


def overlap(hit: Sequence[int], box: np.ndarray) -> float:
    x, y, w, h = hit
    across = max(0.0, min(x + w, box[2]) - max(x, box[0]))
    down = max(0.0, min(y + h, box[3]) - max(y, box[1]))
    return across * down / (w * h + (box[2] - box[0]) * (box[3] - box[1]) - across * down)


def frontal(track: Track, number: int) -> bool:
    angles = np.abs(track.motion.pose[number]) < FRONTAL
    return bool(angles.all() and track.motion.present[number] and not track.covered[number])


def small_grey(frame: Image, box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = np.rint(box).astype(int)
    crop = cv2.resize(frame[top:bottom, left:right], (96, 96), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (12, 12), interpolation=cv2.INTER_AREA).ravel() / 255


def ccc(a: np.ndarray, b: np.ndarray) -> float:
    return float(
        2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    )


def print_cheap_methods(config: SyntheticConfig, step: int) -> None:
    """The cascade's rate and the linear probe's CCC (best of three penalties) on test people."""
    cascade = cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml")
    )
    found, rows = [], []
    for video in make_plan(config):
        tracks = simulate_video(video)
        for number, frame in zip(range(0, video.frames, step), render_video(video, step)):
            if len(tracks) == 1 and frontal(tracks[0], number):
                grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
                hits = cascade.detectMultiScale(grey, 1.1, 3, minSize=(40, 40))
                found.append(any(overlap(h, tracks[0].boxes[number]) > _MISSED for h in hits))
            for track in tracks:
                label = track.labels.valence_arousal[number]
                if not np.isnan(track.boxes[number, 0]) and label[0] >= -1:
                    rows.append((small_grey(frame, track.boxes[number]), label, video.split))
    print(f"\nHaar cascade: {100 * np.mean(found):.1f} % of {len(found)} frontal frames")
    x, y, split = (np.array(column) for column in zip(*rows))
    train, test = split == "train", split == "test"
    guesses = [Ridge(p).fit(x[train], y[train]).predict(x[test]) for p in (1.0, 10.0, 100.0)]
    best = [max(ccc(g[:, k], y[test, k]) for g in guesses) for k in range(2)]
    print(f"Linear probe, test people: CCC valence {best[0]:.2f}, arousal {best[1]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--step", type=int, default=6)
    arguments = parser.parse_args()
    config = SyntheticConfig(seed=arguments.seed)
    print_shares(list(simulate_tracks(config)))
    print_cheap_methods(config, arguments.step)


if __name__ == "__main__":
    main()
