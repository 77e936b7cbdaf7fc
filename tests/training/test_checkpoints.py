"""Checkpoints: complete or refused, and never of another configuration."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kaffect import files
from kaffect.errors import ArtifactError, ConfigError
from kaffect.training.checkpoints import IDENTITY, CheckpointFolder


def _objects(units: int = 3, seed: int = 0) -> dict[str, object]:
    start = keras.initializers.GlorotUniform(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, kernel_initializer=start),
            keras.layers.Dropout(0.5, seed=seed),
        ]
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


# --- what the run is -----------------------------------------------------------------------------

RUN = {"train": {"epochs": 3, "rate": 1e-3}, "loss": {"tasks": ("va",)}, "prepared data": "ab12"}


def _started(root: Path, identity: dict) -> CheckpointFolder:
    """A run that has one checkpoint, at step 4."""
    folder = CheckpointFolder(root)
    assert folder.begin(identity, resume=False) is None
    folder.save(4, _objects(), {}, best=True)
    return folder


def test_the_same_run_goes_on(tmp_path: Path) -> None:
    folder = _started(tmp_path, RUN)
    assert folder.begin(RUN, resume=True) == 4
    # 1 and 1.0 are one number; a setting of a newer version has nothing to be compared with.
    newer = {**RUN, "train": {"epochs": 3.0, "rate": 1e-3, "warmup": 5}}
    assert folder.begin(newer, resume=True) == 4


def test_another_run_does_not_go_on_and_says_what_differs(tmp_path: Path) -> None:
    folder = _started(tmp_path, RUN)
    other = {"train": {"epochs": 5, "rate": 1e-3}, "loss": {"tasks": ["au"]}, "prepared data": "c"}
    with pytest.raises(ConfigError) as error:
        folder.begin(other, resume=True)
    for text in (
        str(tmp_path),
        "train.epochs: expected 3, received 5",
        "loss.tasks: expected ['va'], received ['au']",
        "prepared data: expected 'ab12', received 'c'",
        "another --out or without --resume",
    ):
        assert text in str(error.value)
    assert "rate" not in str(error.value)
    assert folder.begin(RUN, resume=True) == 4, "a refusal must leave what is stated"


def test_what_may_change_is_stated_anew(tmp_path: Path) -> None:
    folder = _started(tmp_path, RUN)
    longer = {**RUN, "train": {"epochs": 9, "rate": 1e-3}}
    assert folder.begin(longer, resume=True, free=("train.epochs",)) == 4
    assert json.loads((tmp_path / IDENTITY).read_text())["train"]["epochs"] == 9


def test_a_folder_that_states_nothing_goes_on(tmp_path: Path) -> None:
    folder = _started(tmp_path, {})
    assert not (tmp_path / IDENTITY).exists()
    assert folder.begin(RUN, resume=True) == 4


def test_it_is_stated_before_the_first_checkpoint_and_binds_from_then_on(tmp_path: Path) -> None:
    other = {**RUN, "prepared data": "cd34"}
    folder = CheckpointFolder(tmp_path)
    assert folder.begin(RUN, resume=True) is None
    assert json.loads((tmp_path / IDENTITY).read_text())["prepared data"] == "ab12"
    assert folder.begin(other, resume=True) is None, "nothing is trained yet"
    folder.save(4, _objects(), {})
    with pytest.raises(ConfigError, match="'cd34', received 'ab12'"):
        folder.begin(RUN, resume=True)


def test_a_run_that_starts_over_leaves_nothing_of_the_earlier_one(tmp_path: Path) -> None:
    folder = _started(tmp_path, RUN)
    folder.save(8, _objects(), {})
    (tmp_path / "samples").mkdir()
    for name in ("frames.json", "samples/step-00000008.png", "samples/mine.png", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert folder.begin(RUN, resume=False) is None
    assert (folder.last(), folder.best()) == (None, None)
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == [IDENTITY, "notes.txt", "samples/mine.png"]
    # A shorter run: its checkpoint stays, although its number is the smaller one.
    folder.save(2, _objects(), {"step": 2})
    assert folder.restore(2, _objects()) == {"step": 2}


def test_a_checkpoint_that_was_never_pointed_to_is_not_kept(tmp_path: Path) -> None:
    """Killed behind the folder of step 8 and before LAST.json; then other looks: 5, 6."""
    folder = _started(tmp_path, RUN)
    pointer = (tmp_path / "LAST.json").read_text()
    folder.save(8, _objects(), {})
    (tmp_path / "LAST.json").write_text(pointer)
    for step in (5, 6):
        folder.save(step, _objects(), {})
    assert [p.name[-1] for p in sorted(tmp_path.glob("step-*"))] == ["4", "5", "6"]


# --- best and last -------------------------------------------------------------------------------


def test_best_and_last_are_one_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any write of a save, both are those of the save before or both are the new ones."""
    for allowed in range(4):
        folder = _started(tmp_path / str(allowed), {})
        writes = []

        def count(path: Path, value: object, **options: bool) -> None:
            writes.append(path)
            if len(writes) > allowed:  # noqa: B023
                raise KeyboardInterrupt
            files.write_json(path, value, **options)

        with monkeypatch.context() as patch:
            patch.setattr("kaffect.training.checkpoints.write_json", count)
            try:
                folder.save(8, _objects(), {}, best=True)
            except KeyboardInterrupt:
                pass
        assert (folder.last(), folder.best()) == ((4, 4) if allowed < 3 else (8, 8))
    assert len(writes) == 3


def test_a_pointer_without_a_best_checkpoint_has_none(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in (2, 4):
        folder.save(step, _objects(), {})
    assert (folder.last(), folder.best()) == (4, None)
    (tmp_path / "LAST.json").write_text('{"step": 4}')
    assert (folder.last(), folder.best()) == (4, None)
