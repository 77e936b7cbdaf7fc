"""Baselines of a table (Section V): constant predictors, a linear probe on 12x12 grey pixels.

A network whose scores are not clearly above these has learned nothing. Both
learn from the training split and are scored on the test split, under the same
metric names as a network; Action Unit thresholds are chosen as the networks' are.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from kaffect.data.prepared.records import FrameIndex, Scoring
from kaffect.errors import ConfigError, expected_received
from kaffect.metrics import au_scores, best_logit_thresholds, expression_scores, va_scores
from kaffect.metrics.thresholds import HALF
from kaffect.studies.pictures import read_images
from kaffect.studies.sources import Source

FITTED = "AU thresholds from validation"
FITTED_NOTE = (
    "the Action Unit thresholds of the linear probe are chosen on validation, as those of the "
    "rows that are compared with it"
)
CONSTANT_UNITS = ("none", "all")
RIDGE_PENALTIES = np.logspace(-1, 5, 7)
PROBE_FRAMES = 20_000


class Labels(Protocol):
    """Labels of n frames, as `FrameIndex` and its `scoring` hold them."""

    @property
    def valence_arousal(self) -> np.ndarray: ...  # [n, 2]

    @property
    def va_valid(self) -> np.ndarray: ...  # [n]

    @property
    def expression(self) -> np.ndarray: ...  # [n]

    @property
    def expression_valid(self) -> np.ndarray: ...  # [n]

    @property
    def action_units(self) -> np.ndarray: ...  # [n, units]

    @property
    def au_valid(self) -> np.ndarray: ...  # [n]


def _score(
    labels: Labels,
    valence_arousal: NDArray | None,
    expression: NDArray | None,
    action_units: NDArray | None,
    classes: int,
) -> dict[str, float]:
    """Metrics of what could be predicted; a task without training labels is not scored."""
    scores: dict[str, float] = {}
    if valence_arousal is not None:
        scores |= va_scores(labels.valence_arousal, valence_arousal, labels.va_valid)
    if expression is not None:
        scores |= expression_scores(labels.expression, expression, labels.expression_valid, classes)
    if action_units is not None:
        scores |= au_scores(labels.action_units, action_units, labels.au_valid)
    return scores


def constant_baseline(
    train: Labels, test: Labels, *, units: str = "none", classes: int = 7
) -> dict[str, float]:
    """Scores of the training split's mean valence and arousal and of its most frequent expression.

    Of the two constant answers for Action Units, naming none has the higher accuracy and naming
    every one the highest F1 that a constant can have; a table shows both.

    Args:
        train: labels of the training split.
        test: labels of the test split.
        units: `none` or `all`.
        classes: number of expressions.

    Returns:
        Metric name -> value, without the tasks that the training split does not label.
    """
    if units not in CONSTANT_UNITS:
        raise ConfigError(expected_received("Constant Action Units", CONSTANT_UNITS, units))
    count = len(test.va_valid)
    valid = np.asarray(train.va_valid, bool)
    va = None
    if valid.any():
        mean = np.asarray(train.valence_arousal)[valid].mean(axis=0, dtype=np.float64)
        va = np.tile(mean, (count, 1))
    valid = np.asarray(train.expression_valid, bool)
    expression = None
    if valid.any():
        numbers = np.bincount(np.asarray(train.expression)[valid], minlength=classes)
        expression = np.full(count, numbers.argmax())
    present = None
    if np.any(train.au_valid):
        present = np.full(np.shape(test.action_units), int(units == "all"))
    return _score(test, va, expression, present, classes)


def grey_pixels(images: NDArray[np.uint8], size: int = 12) -> NDArray[np.float32]:
    """RGB images [n, h, w, 3] as area-averaged grey pixels [n, size * size] in [0, 1]."""
    pixels = np.empty((len(images), size * size), np.float32)
    for place, image in enumerate(images):
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)
        pixels[place] = small.ravel() / np.float32(255)
    return pixels


def _chosen(valid: NDArray, most: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """At most `most` of the labelled frames, evenly at random."""
    frames = np.flatnonzero(valid)
    if len(frames) <= most:
        return frames
    return np.sort(generator.choice(frames, most, replace=False))


def _logistic(train: NDArray, labels: NDArray, balanced: bool) -> Pipeline | None:
    """A logistic regression; None where only one class occurs."""
    if len(np.unique(labels)) == 1:
        return None
    weights = "balanced" if balanced else None
    model: Pipeline = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=300, tol=1e-3, class_weight=weights)
    )
    with warnings.catch_warnings():
        # The last digits of a baseline do not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(train, labels)


class LinearProbe:
    """Linear models on tiny grey pictures: what brightness and pose alone give away.

    Ridge regression (penalty by leave-one-out on the training split) for valence and arousal,
    logistic regression for the expressions and, with balanced classes because F1 is scored, for
    each Action Unit.

    Args:
        pixels: of the training frames, from `grey_pixels` [n, size * size].
        labels: of those n frames; a task that they do not label is not learned.
        most: at most so many training frames are used for each task.
        seed: which frames are left out when there are more.
    """

    def __init__(self, pixels: NDArray, labels: Labels, most: int = 20_000, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self._ridge: Pipeline | None = None
        self._expression: tuple[Pipeline | None, int] | None = None
        self._units: list[tuple[Pipeline | None, int]] = []
        frames = _chosen(labels.va_valid, most, generator)
        if len(frames):
            ridge = make_pipeline(StandardScaler(), RidgeCV(RIDGE_PENALTIES, alpha_per_target=True))
            self._ridge = ridge.fit(pixels[frames], labels.valence_arousal[frames])
        frames = _chosen(labels.expression_valid, most, generator)
        if len(frames):
            classes = np.asarray(labels.expression)[frames]
            self._expression = _logistic(pixels[frames], classes, balanced=False), int(classes[0])
        frames = _chosen(labels.au_valid, most, generator)
        if len(frames):
            self._units = [
                (_logistic(pixels[frames], unit, balanced=True), int(unit[0]))
                for unit in np.asarray(labels.action_units)[frames].T
            ]

    def unit_logits(self, pixels: NDArray) -> NDArray[np.float64]:
        """[n, units]; of a unit that never changes in training, 1 or -1."""
        columns = [
            (
                np.full(len(pixels), 1.0 if only else -1.0)
                if model is None
                else np.asarray(model.decision_function(pixels), np.float64)
            )
            for model, only in self._units
        ]
        return np.stack(columns, axis=1)

    def thresholds(self, pixels: NDArray, labels: Labels) -> float | NDArray[np.float64]:
        """The thresholds (logits, [units]) with the best F1 of each unit on these frames."""
        labelled = np.asarray(labels.au_valid, bool)
        if not self._units or not labelled.any():
            return HALF
        truth = np.asarray(labels.action_units)[labelled]
        return best_logit_thresholds(truth, self.unit_logits(pixels[labelled]))

    def score(
        self,
        pixels: NDArray,
        labels: Labels,
        classes: int = 7,
        thresholds: float | NDArray[np.float64] = HALF,
    ) -> dict[str, float]:
        """Metric name -> value on other frames, without the tasks that were not learned.

        Args:
            classes: number of expressions.
            thresholds: logit above which a unit counts as present; one, or one for each.
        """
        va = None if self._ridge is None else self._ridge.predict(pixels)
        expression, units = None, None
        if self._expression is not None:
            model, only = self._expression
            expression = np.full(len(pixels), only) if model is None else model.predict(pixels)
        if self._units:
            units = (self.unit_logits(pixels) > thresholds).astype(int)
        return _score(labels, va, expression, units, classes)


def baseline_records(
    source: Source,
    units: bool = False,
    present: Collection[Any] = (),
    thresholds: Collection[str] = ("half",),
) -> Iterator[dict[str, Any]]:
    """Records of the baselines on the data of the rows: constants and the linear probe.

    Args:
        units: whether the constant that names every Action Unit is one more.
        present: names of baselines that are there already.
        thresholds: how the rows choose those of Action Units: 'half', 'validation' or both;
            there is a linear probe for each.
    """
    train, scored = source.split("train"), source.split(source.scored_split)
    labels, truth = train.scoring(), scored.scoring()
    classes = len(source.prepared.label_space.expressions)

    @functools.cache
    def probe() -> tuple[LinearProbe, NDArray]:
        pixels = baseline_pixels(train, labels)
        return LinearProbe(pixels, part_of(labels, PROBE_FRAMES)), baseline_pixels(
            scored, truth, None
        )

    def at_half() -> dict[str, float]:
        model, pixels = probe()
        return model.score(pixels, truth, classes)

    def fitted() -> dict[str, float]:
        model, pixels = probe()
        index = source.split("validation")
        validation = index.scoring()
        cuts = model.thresholds(baseline_pixels(index, validation, None), validation)
        return model.score(pixels, truth, classes, cuts)

    wanted: dict[str, tuple[str, Callable[[], dict[str, float]]]] = {
        "constant": (
            "constant predictor",
            lambda: constant_baseline(labels, truth, classes=classes),
        )
    }
    if units:
        wanted["constant_all_units"] = (
            "constant, every AU",
            lambda: constant_baseline(labels, truth, units="all", classes=classes),
        )
    if "half" in thresholds or not thresholds:
        wanted["linear_probe"] = "linear probe on 12x12 grey pixels", at_half
    if "validation" in thresholds:
        wanted["linear_probe_fitted"] = f"linear probe on 12x12 grey pixels, {FITTED}", fitted
    for name, (label, score) in wanted.items():
        if name not in present:
            notes = [FITTED_NOTE] if name == "linear_probe_fitted" else []
            record = {"row": name, "label": label, "seed": 0, "metrics": score(), "wall_time": 0.0}
            yield {**record, "notes": [*source.notes, *notes]}


def _evenly_spread(count: int, most: int | None) -> np.ndarray:
    """At most `most` of `count` frames."""
    if most is None or count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(int)


def baseline_pixels(
    index: FrameIndex, scoring: Scoring, most: int | None = PROBE_FRAMES
) -> np.ndarray:
    """12x12 grey pixels [n, 144] of the scored frames, read in blocks so that memory is bounded."""
    rows = scoring.row[_evenly_spread(len(scoring), most)]
    blocks = np.array_split(rows, max(1, len(rows) // 1024))
    return np.concatenate([grey_pixels(read_images(index, block)) for block in blocks])


def part_of(scoring: Scoring, most: int) -> Scoring:
    """At most `most` of the scored frames: those that `baseline_pixels` reads."""
    chosen = _evenly_spread(len(scoring), most)
    columns = {f.name: getattr(scoring, f.name)[chosen] for f in dataclasses.fields(scoring)}
    return dataclasses.replace(scoring, **columns)
