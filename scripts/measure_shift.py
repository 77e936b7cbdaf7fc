"""What lies between rendered and real faces: one thing changed at a time, on either side.

    python scripts/measure_shift.py FACES.npz [--split train] [--rendered 1000] [--skip-rendered]

FACES.npz as for measure_own_model.py. The project's own network reads the real pictures and
rendered people that it was not trained on (the same seed, behind its test people), as they are and
each with one change. Seven expressions: "Other" is left out of answers and of rendered people.
Nothing is trained, but for two rows that say so: statistics of normalisation taken anew without
labels, and a linear classifier on the network's features (five folds), which use real pictures and
say how much of the gap is in these parts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.config.start import Start  # noqa: E402
from kaffect.labels import EXPRESSIONS_7, EXPRESSIONS_8  # noqa: E402
from kaffect.metrics import clustered_interval  # noqa: E402
from kaffect.serving.own_model import OWN_MODEL  # noqa: E402
from kaffect.studies.own_model.train import (  # noqa: E402
    OwnModelSettings,
    build_network,
    plain_pictures,
)
from kaffect.studies.starting import content_of, read_start  # noqa: E402
from kaffect.synthetic import random_faces  # noqa: E402
from kaffect.synthetic.plan import derived_seed  # noqa: E402

Images = np.ndarray  # [n, h, w] uint8, grey
Change = Callable[[Images], Images]
SETTINGS = OwnModelSettings()
COLUMNS = [EXPRESSIONS_8.index(name) for name in EXPRESSIONS_7]


def each(function: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda images: np.stack([function(image) for image in images])


def resized(side: int) -> Change:
    """Shrunk to `side` and back: that resolution."""

    def change(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)

    return each(change)


def jpeg(quality: int) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))

    return each(change)


def box(scale: float = 1.0, right: float = 0.0, down: float = 0.0) -> Change:
    """Another box: larger by `scale`, moved by shares of its side; the border is mirrored."""

    def change(image: np.ndarray) -> np.ndarray:
        side = len(image)
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), 0, 1 / scale)
        matrix[:, 2] -= np.array([right, down]) * side
        flags = {"borderMode": cv2.BORDER_REFLECT}
        return cv2.warpAffine(image, matrix, (side, side), **flags)

    return each(change)


def gamma(value: float) -> Change:
    curve = np.rint(255 * np.linspace(0, 1, 256) ** value).astype(np.uint8)
    return each(lambda image: cv2.LUT(image, curve))


def noise(deviation: float) -> Change:
    rng = np.random.default_rng(0)

    def change(images: Images) -> Images:
        return np.clip(images + rng.normal(0, deviation, images.shape), 0, 255).astype(np.uint8)

    return change


# Group -> change -> what it does; on both sides.
CHANGES: dict[str, dict[str, Change]] = {
    "resolution": {"32 pixels": resized(32), "24 pixels": resized(24), "16 pixels": resized(16)},
    "compression": {"JPEG 30": jpeg(30), "JPEG 10": jpeg(10)},
    "box": {
        "10 % larger": box(1.1),
        "20 % larger": box(1.2),
        "10 % smaller": box(1 / 1.1),
        "20 % smaller": box(1 / 1.2),
        "5 % higher": box(down=-0.05),
        "5 % lower": box(down=0.05),
        "5 % to the right": box(right=0.05),
    },
    "contrast": {
        "gamma 0.7 (brighter)": gamma(0.7),
        "gamma 1.4 (darker)": gamma(1.4),
        "histogram equalised": each(cv2.equalizeHist),
    },
    "texture": {
        "smoothed, edges kept": each(lambda image: cv2.bilateralFilter(image, 5, 30, 2)),
        "noise of 8 levels": noise(8),
    },
    "side": {"mirrored": lambda images: images[:, :, ::-1]},
}


def network() -> keras.Model:
    """The project's own network, with its published weights."""
    built = build_network(SETTINGS)
    filled = read_start(Start(str(OWN_MODEL), content_of(OWN_MODEL))).fill(built)
    assert not filled.left, filled.left
    return built


def logits_of(built: keras.Model, images: Images) -> np.ndarray:
    """[n, 7] of the seven expressions."""
    found = []
    for start in range(0, len(images), 500):
        pictures = plain_pictures(images[start : start + 500], SETTINGS.image_size)
        answers = built(pictures, training=False)["expression_logits"]
        found.append(np.asarray(answers)[:, COLUMNS])
    return np.concatenate(found)


def shown(truth: np.ndarray, said: np.ndarray) -> str:
    cells = []
    for metric in ("accuracy", "f1_macro"):
        found = clustered_interval(truth, said, np.arange(len(truth)), metric)
        cells.append(f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]")
    return " | ".join(cells)


def rows(built: keras.Model, images: Images, truth: np.ndarray) -> Iterator[tuple[str, str]]:
    """Name and scores of each row, the unchanged pictures first."""
    yield "as they are", shown(truth, logits_of(built, images).argmax(axis=1))
    for group, changes in CHANGES.items():
        for name, change in changes.items():
            said = logits_of(built, change(images)).argmax(axis=1)
            yield f"{group}: {name}", shown(truth, said)


def parts(built: keras.Model, images: Images, truth: np.ndarray) -> Iterator[tuple[str, str]]:
    """Rows that say where in the network the gap is."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logits = logits_of(built, images)
    shares = np.bincount(truth, minlength=7) / len(truth)
    offset = np.zeros(7)
    for _ in range(200):  # until the answers are as frequent as the labels
        answered = np.bincount((logits + offset).argmax(axis=1), minlength=7) / len(truth)
        offset += 0.3 * np.log((shares + 1e-3) / (answered + 1e-3))
    yield "answers as frequent as the labels", shown(truth, (logits + offset).argmax(axis=1))
    encoder = built.get_layer("encoder")
    pictures = plain_pictures(images, SETTINGS.image_size)
    blocks = [pictures[k : k + 500] for k in range(0, len(pictures), 500)]
    features = np.concatenate([np.asarray(encoder(block, training=False)) for block in blocks])
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.1))
    said = cross_val_predict(linear, features, truth, cv=5)
    yield "a linear classifier on its features, labels used", shown(truth, said)
    for block in blocks * 3:
        encoder(block, training=True)  # moves the statistics of normalisation, no weight
    said = logits_of(built, images).argmax(axis=1)
    yield "statistics of normalisation of these pictures", shown(truth, said)


def rendered(count: int, **changes: object) -> tuple[Images, np.ndarray]:
    """People behind those of the network's test; changed ones are the same people and poses.

    Args:
        changes: `strength`, a factor on what the face does; `person`, attributes of all people.
    """
    first = SETTINGS.pictures + 2 * SETTINGS.held_out
    images, labels = [], []
    for number in range(first, first + count):
        rng = np.random.default_rng(derived_seed(SETTINGS.seed, "random face", number))
        kind = int(rng.choice(len(EXPRESSIONS_8), p=list(random_faces._SHARES.values())))
        units, felt = random_faces._random_units(rng, EXPRESSIONS_8[kind])
        person = random_faces._random_person(rng)
        person = replace(person, **changes.get("person", {}))  # type: ignore[arg-type]
        units = units * float(changes.get("strength", 1.0))  # type: ignore[arg-type]
        if EXPRESSIONS_8[kind] in EXPRESSIONS_7:
            image = random_faces._draw(rng, person, units, float(felt[1]), 96)
            images.append(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
            labels.append(EXPRESSIONS_7.index(EXPRESSIONS_8[kind]))
    return np.stack(images), np.array(labels)


PEOPLE: dict[str, dict[str, object]] = {
    "expressions at 0.7 of their strength": {"strength": 0.7},
    "expressions at 0.5 of their strength": {"strength": 0.5},
    "nobody with glasses or fringe": {"person": {"glasses": "none", "fringe": False}},
    "everybody with glasses": {"person": {"glasses": "thin"}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("--split", default="train", choices=("train", "validation"))
    parser.add_argument("--rendered", type=int, default=1000, metavar="N", help="rendered people")
    parser.add_argument("--skip-rendered", action="store_true")
    arguments = parser.parse_args()
    with np.load(arguments.faces, allow_pickle=False) as data:
        names = [str(name) for name in data["classes"]]
        labels = data[f"{arguments.split}_labels"].astype(int)
        real = data[f"{arguments.split}_images"]
    truth = np.array([EXPRESSIONS_7.index(names[label]) for label in labels])
    built = network()
    print(f"| {len(real)} real faces | accuracy | macro F1 |\n|---|---|---|")
    for name, scores in rows(built, real, truth):
        print(f"| {name} | {scores} |", flush=True)
    if not arguments.skip_rendered:
        images, drawn = rendered(arguments.rendered)
        print(f"\n| {len(drawn)} rendered people | accuracy | macro F1 |\n|---|---|---|")
        for name, scores in rows(built, images, drawn):
            print(f"| {name} | {scores} |", flush=True)
        for name, changes in PEOPLE.items():
            images, drawn = rendered(arguments.rendered, **changes)
            print(f"| {name} | {shown(drawn, logits_of(built, images).argmax(axis=1))} |")
    print(
        f"\n| {len(real)} real faces, parts of the network | accuracy | macro F1 |\n|---|---|---|"
    )
    for name, scores in parts(built, real, truth):
        print(f"| {name} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
