"""How good generated faces are, in numbers (the paper has none): FID, KID, precision and recall.

All take features of real and of generated images. The features come from a
network that the caller names; unless that is the Inception network of the
literature, the figures are comparable only among themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.errors import DatasetError, expected_received

Array = NDArray[np.float64]


def _features(name: str, values: ArrayLike, least: int) -> Array:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or len(array) < least:
        raise DatasetError(
            expected_received(f"{name} features", f"[n >= {least}, dimensions]", array.shape)
        )
    if not np.isfinite(array).all():
        raise DatasetError(f"{name} features: expected finite numbers. Received: NaN or infinity")
    return array


def _both(real: ArrayLike, generated: ArrayLike, least: int) -> tuple[Array, Array]:
    a, b = _features("real", real, least), _features("generated", generated, least)
    if a.shape[1] != b.shape[1]:
        raise DatasetError(expected_received("Feature dimensions", a.shape[1], b.shape[1]))
    return a, b


def frechet_distance(real: ArrayLike, generated: ArrayLike) -> float:
    """FID (Heusel et al. 2017): |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    Covariances are divided by n - 1. The trace of the root is the sum of the roots of the
    eigenvalues of C1^(1/2) C2 C1^(1/2), which is symmetric: no complex root can appear.
    With fewer samples than dimensions the value is biased upwards.

    Args:
        real, generated: features [n, d] and [m, d], at least two each.

    Returns:
        A number >= 0; 0 for equal moments.
    """
    a, b = _both(real, generated, 2)
    gap = a.mean(axis=0) - b.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = np.linalg.eigvalsh(root @ second @ root)
    shared = np.sqrt(np.clip(product, 0, None)).sum()
    return float(max(0.0, gap @ gap + np.trace(first) + np.trace(second) - 2 * shared))


def _polynomial(a: Array, b: Array) -> Array:
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def kernel_distance(
    real: ArrayLike,
    generated: ArrayLike,
    *,
    subsets: int = 50,
    size: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """KID (Binkowski et al. 2018): unbiased MMD^2 with the kernel (x.y / d + 1)^3.

    Args:
        real, generated: features [n, d] and [m, d], at least two each.
        subsets: how many random subsets are averaged.
        size: samples in each; where n or m is not larger, one estimate from all of them.
        seed: of the subsets.

    Returns:
        Mean, and its standard deviation over the subsets (0 for one estimate). Being
        unbiased, it is sometimes below 0.
    """
    a, b = _both(real, generated, 2)
    if len(a) <= size or len(b) <= size:
        return _squared_mmd(a, b), 0.0
    generator = np.random.default_rng(seed)
    estimates = [
        _squared_mmd(
            a[generator.choice(len(a), size, replace=False)],
            b[generator.choice(len(b), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(estimates)), float(np.std(estimates))


def _squared_mmd(a: Array, b: Array) -> float:
    n, m = len(a), len(b)
    within_a, within_b = _polynomial(a, a), _polynomial(b, b)
    first = (within_a.sum() - np.trace(within_a)) / (n * (n - 1))
    second = (within_b.sum() - np.trace(within_b)) / (m * (m - 1))
    return float(first + second - 2 * _polynomial(a, b).mean())


def _squared_distances(a: Array, b: Array) -> Array:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.maximum(squares, 0.0)


def precision_recall(
    real: ArrayLike, generated: ArrayLike, neighbours: int = 3
) -> tuple[float, float]:
    """Precision and recall of a generator (Kynkaanniemi et al. 2019), by nearest neighbours.

    A set's manifold is the union of balls around its samples, each reaching to the
    sample's k-th nearest neighbour in the same set. Precision is the share of generated
    samples in the real manifold (do they look real?), recall the share of real samples in
    the generated one (is everything generated?).

    Args:
        real, generated: features [n, d] and [m, d], more than `neighbours` each.
        neighbours: k.
    """
    # Centred: distances are then small differences of small numbers.
    a, b = _both(real, generated, neighbours + 1)
    centre = a.mean(axis=0)
    a, b = a - centre, b - centre
    across = _squared_distances(a, b)
    precision = (across <= _radii(a, neighbours)[:, None]).any(axis=0).mean()
    recall = (across <= _radii(b, neighbours)[None]).any(axis=1).mean()
    return float(precision), float(recall)


def _radii(x: Array, neighbours: int) -> Array:
    """Squared distance of each sample to its k-th nearest other one."""
    within = _squared_distances(x, x)
    np.fill_diagonal(within, 0.0)
    return np.partition(within, neighbours, axis=1)[:, neighbours]


def pairwise_distance(images: ArrayLike) -> float:
    """Mean distance (root mean square over pixels and channels) over all pairs of pictures.

    Args:
        images: [n, ...], at least two; in [-1, 1] a value of 0 means that all are equal.
    """
    array = np.asarray(images, np.float64)
    if len(array) < 2:
        raise DatasetError(expected_received("Pictures to compare", "at least 2", len(array)))
    flat = array.reshape(len(array), -1)
    flat = flat - flat.mean(axis=0)
    distances = np.sqrt(_squared_distances(flat, flat) / flat.shape[1])
    pairs = np.triu_indices(len(flat), k=1)
    return float(distances[pairs].mean())


def quality(real: ArrayLike, generated: ArrayLike, *, seed: int = 0) -> dict[str, float]:
    """All of the above for one pair of feature sets.

    Args:
        real, generated: features [n, d] and [m, d].
        seed: of the subsets of the kernel distance.

    Returns:
        `fid`, `kid`, `kid_sd`, `precision`, `recall`.
    """
    kid, spread = kernel_distance(real, generated, seed=seed)
    precision, recall = precision_recall(real, generated)
    return {
        "fid": frechet_distance(real, generated),
        "kid": kid,
        "kid_sd": spread,
        "precision": precision,
        "recall": recall,
    }
