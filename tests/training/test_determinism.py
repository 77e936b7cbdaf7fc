"""Seeds that are derived from a run's seed and a name."""

from __future__ import annotations

from kaffect.training import determinism


def test_derived_seeds_are_fixed_and_apart() -> None:
    names = ("order", "dropout", "weights", "orders")
    seeds = [determinism.derived_seed(5, name) for name in names]
    assert len(set(seeds)) == len(names)
    assert seeds == [determinism.derived_seed(5, name) for name in names]
    assert determinism.derived_seed(6, "order") != seeds[0]
    assert all(0 <= seed < 2**31 for seed in seeds)
