"""FID, KID, precision/recall against hand-worked cases, scipy and plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import linalg

from kaffect.errors import DatasetError
from kaffect.metrics.generation import (
    frechet_distance,
    kernel_distance,
    pairwise_distance,
    precision_recall,
    quality,
)


def _sets(n: int = 60, m: int = 40, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(d, d))
    return generator.normal(size=(n, d)), generator.normal(0.5, 1.5, (m, d)) @ mix


def test_frechet_distance_in_one_dimension_by_hand() -> None:
    # Means 0 and 4, sample variances 2 and 8: 16 + (sqrt 2 - sqrt 8)^2 = 16 + 2.
    assert frechet_distance([[-1.0], [1.0]], [[2.0], [6.0]]) == pytest.approx(18.0)


@pytest.mark.parametrize("n", [60, 4])  # 4 samples in 5 dimensions: singular covariance
def test_frechet_distance_against_scipy(n: int) -> None:
    a, b = _sets(n)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(first @ second)
    gap = a.mean(0) - b.mean(0)
    wanted = gap @ gap + np.trace(first + second - 2 * np.real(root))
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-5)
    assert frechet_distance(b, a) == pytest.approx(wanted, rel=1e-5)


def test_frechet_distance_of_equal_sets_is_0() -> None:
    a, _ = _sets()
    assert frechet_distance(a, a[::-1]) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(a, a + 2.0) == pytest.approx(4.0 * 5)


def test_kernel_distance_by_hand_and_by_loops() -> None:
    # d = 1, kernel (xy + 1)^3. Real 0, 1: k = 1. Generated 2, 3: k = 343.
    # Across: 1, 1, 27, 64: mean 23.25. 1 + 343 - 46.5 = 297.5.
    assert kernel_distance([[0.0], [1.0]], [[2.0], [3.0]]) == (pytest.approx(297.5), 0.0)
    a, b = _sets(7, 6)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def mean(pairs) -> float:  # type: ignore[no-untyped-def]
        return float(np.mean([k(x, y) for x, y in pairs]))

    wanted = (
        mean(itertools.permutations(a, 2))
        + mean(itertools.permutations(b, 2))
        - 2 * mean(itertools.product(a, b))
    )
    assert kernel_distance(a, b)[0] == pytest.approx(wanted)


def test_kernel_distance_is_unbiased_and_seeded() -> None:
    generator = np.random.default_rng(1)
    estimates = [kernel_distance(*generator.normal(size=(2, 20, 3)))[0] for _ in range(400)]
    spread = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates)) < 4 * spread, "the diagonal must be left out"
    assert min(estimates) < 0 < max(estimates)
    a, b = _sets(60, 50)
    first, again, other = (kernel_distance(a, b, size=20, seed=s) for s in (3, 3, 4))
    assert first == again != other and first[1] > 0


def _precision_by_loops(real: np.ndarray, generated: np.ndarray, k: int) -> float:
    inside = 0
    for g in generated:
        for i, r in enumerate(real):
            others = sorted(np.linalg.norm(r - x) for j, x in enumerate(real) if j != i)
            if np.linalg.norm(g - r) <= others[k - 1]:
                inside += 1
                break
    return inside / len(generated)


def test_precision_and_recall_by_hand() -> None:
    # On a line, k = 1: real balls reach from -1 to 2 and from 9 to 12, generated ones from 0.25
    # to 0.75 and from 20 to 22. Generated 0.4, 0.6 lie in the real manifold, 21, 21.5 do not;
    # no real sample lies in the generated one.
    real, generated = ([[0.0], [1.0], [10.0], [11.0]], [[0.4], [0.6], [21.0], [21.5]])
    assert precision_recall(real, generated, neighbours=1) == (0.5, 0.0)
    assert precision_recall(real, real, neighbours=1) == (1.0, 1.0)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_against_loops(k: int) -> None:
    a, b = _sets(25, 20, 2)
    wanted = _precision_by_loops(a, b, k), _precision_by_loops(b, a, k)
    assert 0 < wanted[0] < 1 and 0 < wanted[1] < 1, "the case must be able to tell"
    assert precision_recall(a, b, k) == pytest.approx(wanted)


def test_a_collapsed_generator_has_precision_but_no_recall() -> None:
    a, _ = _sets()
    collapsed = a[:1] + 1e-3 * np.random.default_rng(0).normal(size=(40, a.shape[1]))
    precision, recall = precision_recall(a, collapsed)
    assert precision > 0.95 and recall < 0.05


def test_pairwise_distance() -> None:
    images = np.zeros((3, 2, 2, 3))
    images[1] += 1.0
    images[2] += 3.0
    assert pairwise_distance(images) == pytest.approx((1 + 3 + 2) / 3)
    assert pairwise_distance(np.full((4, 2, 2, 3), 0.3)) == pytest.approx(0.0, abs=1e-9)


def test_quality_names_everything_and_bad_features_are_refused() -> None:
    a, b = _sets()
    assert set(quality(a, b)) == {"fid", "kid", "kid_sd", "precision", "recall"}
    with pytest.raises(DatasetError, match="Expected 5. Received: 4"):
        frechet_distance(a, b[:, :4])
    with pytest.raises(DatasetError, match=r"n >= 4, dimensions\]. Received: \(3, 5\)"):
        precision_recall(a, b[:3])
    b[0, 0] = np.nan
    with pytest.raises(DatasetError, match="NaN or infinity"):
        kernel_distance(a, b)
    with pytest.raises(DatasetError, match="at least 2"):
        pairwise_distance(np.zeros((1, 2, 2, 3)))
