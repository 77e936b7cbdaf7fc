"""What the criteria of Section IV-D need of each video: a few sums that score any subset of them.

CCC, MSE, accuracy and F1 are functions of sums over frames. Kept per video (or person), those
sums give the score of the set without any one video at once, so that an interval over millions
of frames costs one pass over the frames (`kaffect.metrics.intervals`), and they are small
enough to be stored with a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.errors import DatasetError, expected_received

Floats = NDArray[np.float64]

# The last axis of `ClusterSums.values`.
COLUMNS = {
    "moments": ("frames", "mean_true", "mean_pred", "ss_true", "ss_pred", "sp"),
    "classes": ("hits", "labelled", "predicted"),
    "units": ("frames", "hits", "labelled", "predicted"),
}
MOST_CLASSES = 1000  # class numbers are small; a larger one is a file read as another


@dataclass(frozen=True)
class ClusterSums:
    """Sums over the frames of each cluster (a video, or all videos of a person).

    Args:
        kind: 'moments' (of valence and arousal), 'classes' (of expressions) or 'units'.
        clusters: the clusters' ids, sorted.
        values: [clusters, dimensions | classes | units, c]; c as in `COLUMNS[kind]`. Sums of
            squares and products are those of the deviations from the cluster's own means.
    """

    kind: str
    clusters: tuple[int | str, ...]
    values: Floats

    def __post_init__(self) -> None:
        shape = (len(self.clusters), "n", len(COLUMNS.get(self.kind, ())))
        if self.kind not in COLUMNS:
            raise DatasetError(expected_received("Unknown kind of sums", tuple(COLUMNS), self.kind))
        if self.values.ndim != 3 or self.values.shape[::2] != shape[::2]:
            raise DatasetError(expected_received("Sums", f"shape {shape}", self.values.shape))
        if not np.isfinite(self.values).all() or not (self.frames > 0).all():
            raise DatasetError("Sums must be finite and every cluster must have a labelled frame")

    @property
    def frames(self) -> Floats:
        """Labelled frames of each cluster, [clusters]."""
        if self.kind == "classes":
            return self.values[:, :, 1].sum(axis=1)
        return self.values[:, 0, 0]

    def column(self, index: int) -> ClusterSums:
        """One dimension (0 valence, 1 arousal) or one Action Unit alone."""
        if self.kind == "classes":
            raise DatasetError("Sums of classes are of all classes together and have no columns")
        return ClusterSums(self.kind, self.clusters, self.values[:, index : index + 1])

    def same_labels(self, other: ClusterSums) -> bool:
        """Whether both are of the same frames, as far as the sums of the labels tell."""
        if (self.kind, self.clusters) != (other.kind, other.clusters):
            return False
        own, its = self.values, other.values
        if own.shape != its.shape:
            return False
        # The columns that the predictions have no part in.
        names = ("frames", "labelled", "mean_true", "ss_true")
        chosen = [i for i, name in enumerate(COLUMNS[self.kind]) if name in names]
        return bool(np.allclose(own[..., chosen], its[..., chosen], rtol=1e-6, atol=1e-9))

    def as_json(self) -> dict[str, Any]:
        """`kind`, `clusters` and `values` as JSON can hold them; `from_json` reads them back."""
        return {"kind": self.kind, "clusters": [*self.clusters], "values": self.values.tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClusterSums:
        """The sums that `as_json` wrote.

        Raises:
            DatasetError: a key is missing, or the values are not sums of that kind.
        """
        try:
            values = np.asarray(data["values"], np.float64)
            return cls(str(data["kind"]), tuple(data["clusters"]), values)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                expected_received("Stored sums", "kind, clusters and values", str(error))
            ) from error


def cluster_sums(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    clusters: ArrayLike,
    kind: str = "moments",
    classes: int | None = None,
) -> ClusterSums:
    """The sums of each cluster's frames, in one pass over the frames.

    Args:
        y_true: labels of the labelled frames: [n] or [n, d] for 'moments', class numbers [n]
            for 'classes', 0 and 1 [n, units] for 'units'.
        y_pred: predictions of the same shape; for 'units' already thresholded.
        clusters: the cluster of each frame, [n], whole numbers or strings.
        kind: 'moments', 'classes' or 'units'.
        classes: number of classes, for 'classes'; by default the largest class number + 1.

    Raises:
        DatasetError: no frame, shapes that do not fit, a value that is not finite, or a class
            number or unit label that is none (frames without a label are left out before).
    """
    ids, index = group_clusters(clusters)
    return ClusterSums(kind, ids, sums_of(y_true, y_pred, index, len(ids), kind, classes))


def group_clusters(clusters: ArrayLike) -> tuple[tuple[int | str, ...], NDArray[np.intp]]:
    """The sorted ids of the clusters, and for each frame the position of its cluster in them.

    Args:
        clusters: [n], whole numbers or strings, the cluster of each frame.

    Returns:
        The ids, and [n] positions.

    Raises:
        DatasetError: clusters of another kind or shape, or none.
    """
    given = np.asarray(clusters)
    if given.dtype == object and all(isinstance(item, str) for item in given.ravel()):
        given = given.astype(str)
    if given.ndim != 1 or given.dtype.kind not in "iuU" or not given.size:
        received = f"{given.dtype} {given.shape}"
        raise DatasetError(
            expected_received(
                "Clusters", "a whole number or a string for each frame, [n]", received
            )
        )
    ids, index = np.unique(given, return_inverse=True)
    return tuple(ids.tolist()), index


def sums_of(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    index: NDArray[np.intp],
    count: int,
    kind: str,
    classes: int | None = None,
) -> Floats:
    """`ClusterSums.values` from the position of each frame's cluster.

    Args:
        y_true, y_pred: labels and predictions as in `cluster_sums`.
        index: [n], positions 0..count-1.
        count: number of clusters.
        kind, classes: as in `cluster_sums`.

    Raises:
        DatasetError: as in `cluster_sums`.
    """
    if kind not in COLUMNS:
        raise DatasetError(expected_received("Unknown kind of sums", tuple(COLUMNS), kind))
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if kind == "moments" and true.ndim == pred.ndim == 1:
        true, pred = true[:, np.newaxis], pred[:, np.newaxis]
    rank = 1 if kind == "classes" else 2
    if true.shape != pred.shape or true.ndim != rank or len(true) != len(index):
        raise DatasetError(
            expected_received(
                f"Labels and predictions of kind {kind!r}",
                f"one shape of {rank} axes and {len(index)} frames, as there are clusters",
                (np.shape(y_true), np.shape(y_pred)),
            )
        )
    for name, values in (("Labels", true), ("Predictions", pred)):
        _check(name, values, kind)
    if kind == "moments":
        pairs = zip(true.T.astype(np.float64), pred.T.astype(np.float64), strict=True)
        return np.stack([_moments(x, y, index, count) for x, y in pairs], axis=1)
    if kind == "units":
        columns = zip(true.T.astype(bool), pred.T.astype(bool), strict=True)
        return np.stack([_unit_counts(x, y, index, count) for x, y in columns], axis=1)
    return _class_counts(true, pred, index, count, classes)


def _check(name: str, values: NDArray, kind: str) -> None:
    if values.dtype.kind not in "biuf":
        raise DatasetError(expected_received(name, "numbers", str(values.dtype)))
    if kind == "moments":
        good, accepted = np.isfinite(values), "finite numbers"
    elif kind == "units":
        good, accepted = (values == 0) | (values == 1), "0 or 1"
    else:
        good = (values >= 0) & (values < MOST_CLASSES) & (values == np.floor(values))
        accepted = f"class numbers from 0 to {MOST_CLASSES - 1}"
    if not good.all():
        first = tuple(np.argwhere(~good)[0])
        raise DatasetError(
            expected_received(f"{name} (frame {first[0]})", accepted, values[first].item())
        )


def _moments(x: Floats, y: Floats, index: NDArray[np.intp], count: int) -> Floats:
    """[count, 6] in two passes: the means, then the deviations from them."""
    frames = np.bincount(index, minlength=count).astype(np.float64)
    means, deviations = [], []
    for values in (x, y):
        # About the first value, so that a constant has deviations of exactly 0.
        shifted = values - values[0]
        mean = np.bincount(index, shifted, count) / frames
        means.append(mean + values[0])
        deviations.append(shifted - mean[index])
    dx, dy = deviations
    products = [np.bincount(index, a * b, count) for a, b in ((dx, dx), (dy, dy), (dx, dy))]
    return np.stack([frames, *means, *products], axis=-1)


def _class_counts(
    true: NDArray, pred: NDArray, index: NDArray[np.intp], count: int, classes: int | None
) -> Floats:
    true, pred = true.astype(np.intp), pred.astype(np.intp)
    highest = int(max(true.max(), pred.max()))
    number = highest + 1 if classes is None else classes
    if highest >= number:
        raise DatasetError(expected_received("Class number", f"0 to {number - 1}", highest))
    place = index * number
    counted = (place[true == pred] + true[true == pred], place + true, place + pred)
    tables = [np.bincount(c, minlength=count * number).reshape(count, number) for c in counted]
    return np.stack(tables, axis=-1).astype(np.float64)


def _unit_counts(
    true: NDArray[np.bool_], pred: NDArray[np.bool_], index: NDArray[np.intp], count: int
) -> Floats:
    counted = (np.ones_like(true), true & pred, true, pred)
    return np.stack([np.bincount(index[c], minlength=count) for c in counted], -1).astype(float)
