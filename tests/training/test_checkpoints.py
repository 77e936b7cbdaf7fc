"""Checkpoints: complete or refused, and never of another configuration."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kaffect import files
from kaffect.errors import ArtifactError
from kaffect.training.checkpoints import CheckpointFolder


def _objects(units: int = 3, seed: int = 0) -> dict[str, object]:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dropout(0.5)]
    )
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    return {"network": model, "optimizer": optimizer}


def _values(objects: dict[str, object]) -> list[np.ndarray]:
    return [v.numpy() for thing in objects.values() for v in thing.variables]  # type: ignore


def test_every_variable_comes_back(tmp_path: Path) -> None:
    saved = _objects(seed=1)
    for thing in saved.values():
        for number, variable in enumerate(thing.variables):  # type: ignore[attr-defined]
            variable.assign(np.full(variable.shape, number + 1))
    folder = CheckpointFolder(tmp_path)
    folder.save(5, saved, {"step": 5})
    fresh = _objects(seed=2)
    names = [v.path for v in fresh["network"].variables]  # type: ignore[attr-defined]
    assert any("seed" in name for name in names), "dropout's seed must be part of a checkpoint"
    assert folder.restore(5, fresh) == {"step": 5}
    for before, after in zip(_values(saved), _values(fresh), strict=True):
        np.testing.assert_array_equal(before, after)


def test_another_configuration_is_refused_with_both_shapes(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(1, _objects(units=3), {})
    with pytest.raises(ArtifactError, match=r"\[4, 2\].*\[4, 3\]"):
        folder.restore(1, _objects(units=2))


def test_bit_rot_is_refused(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.save(1, _objects(), {})
    data = next(path.glob("variables.data*"))
    intact = data.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(25):
        damaged = bytearray(intact)
        damaged[generator.integers(len(damaged))] ^= 1 << int(generator.integers(8))
        data.write_bytes(bytes(damaged))
        with pytest.raises(ArtifactError, match="damaged"):
            folder.restore(1, _objects())
    data.write_bytes(intact)
    folder.restore(1, _objects())


def test_a_failed_save_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(1, _objects(), {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            folder.save(2, _objects(), {"step": 2})
    assert folder.last() == 1
    assert folder.restore(1, _objects()) == {"step": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["LAST.json", "step-00000001"]


def test_keeps_the_two_newest_and_the_best(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    objects = _objects()
    for step in range(1, 6):
        folder.save(step, objects, {}, best=step == 2)
    assert (folder.last(), folder.best()) == (5, 2)
    assert [p.name for p in sorted(tmp_path.glob("step-*"))] == [
        f"step-{step:08d}" for step in (2, 4, 5)
    ]
