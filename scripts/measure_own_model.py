"""Scores the project's own network on real faces: 48x48 grey pictures with seven expressions.

    python scripts/measure_own_model.py FACES.npz [--split train|validation] [--model DIR]

FACES.npz has `<split>_images` [n, h, w] uint8, `<split>_labels` [n] and `classes`, the names of the
labels. Nothing is trained or chosen here. "Other" is left out of the answers, since these data do
not have it. Prints accuracy and macro F1 with 95 % intervals over pictures, and for each class
the share that is right and how often it is answered.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.labels import EXPRESSIONS_7, EXPRESSIONS_8  # noqa: E402
from kaffect.metrics import clustered_interval  # noqa: E402
from kaffect.serving.own_model import OWN_MODEL  # noqa: E402
from kaffect.serving.predictor import Predictor  # noqa: E402


def answers(predictor: Predictor, images: np.ndarray) -> np.ndarray:
    """Class [n] in `EXPRESSIONS_7` for grey pictures [n, h, w] uint8."""
    side = predictor.picture_shape[0]
    columns = [EXPRESSIONS_8.index(name) for name in EXPRESSIONS_7]
    found = []
    for start in range(0, len(images), 500):
        part = [cv2.resize(image, (side, side)) for image in images[start : start + 500]]
        pictures = np.repeat(np.stack(part)[..., None], 3, axis=-1)
        found.append(predictor.predict_frames(pictures)["expression_probabilities"][:, columns])
    return np.concatenate(found).argmax(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("--split", default="train", choices=("train", "validation"))
    parser.add_argument("--model", type=Path, default=OWN_MODEL)
    arguments = parser.parse_args()
    with np.load(arguments.faces, allow_pickle=False) as data:
        names = [str(name) for name in data["classes"]]
        labels = data[f"{arguments.split}_labels"].astype(int)
        images = data[f"{arguments.split}_images"]
    truth = np.array([EXPRESSIONS_7.index(names[label]) for label in labels])
    said = answers(Predictor.from_saved_model(arguments.model), images)
    pictures = np.arange(len(truth))
    for metric in ("accuracy", "f1_macro"):
        found = clustered_interval(truth, said, pictures, metric)
        print(f"{metric} {found.estimate:.3f} (95 %: {found.low:.3f} to {found.high:.3f})")
    print(
        f"{len(truth)} faces; most frequent class alone {np.bincount(truth).max() / len(truth):.3f}"
    )
    for number, name in enumerate(EXPRESSIONS_7):
        right = (said[truth == number] == number).mean()
        print(f"  {name:10} right {right:.3f}, answered {(said == number).mean():.3f}")


if __name__ == "__main__":
    main()
