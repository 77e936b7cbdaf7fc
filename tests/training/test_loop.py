"""The training loop: resumes bit-exactly, keeps the best on validation, stops on NaN."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config.framewise import FramewiseTraining
from kaffect.errors import ConfigError, TrainingDiverged
from kaffect.files import read_json
from kaffect.training.checkpoints import IDENTITY, CheckpointFolder
from kaffect.training.loop import Schedule, train
from kaffect.training.loss_scaling import MOST_SKIPPED
from kaffect.training.multitask import MultiTaskTrainer, compiled
from kaffect.training.precision import scaled
from kaffect.training.schedules import warm_cosine

from . import kills, tiny_gan, tiny_run

# Program, its arguments, its steps: a sequence network, and GANs of both configurations.
SEQUENCES = (tiny_run, (), tiny_run.STEPS)
GANS = [(tiny_gan, (str(n),), config.train.steps) for n, config in tiny_gan.SETTINGS.items()]


@pytest.mark.parametrize(("program", "more", "steps", "count"), [(*SEQUENCES, 2), (*GANS[1], 1)])
def test_kill_and_resume_is_bit_exact(
    tmp_path: Path, program: ModuleType, more: tuple[str, ...], steps: int, count: int
) -> None:
    expected = kills.whole(program, tmp_path / "whole", *more)
    assert kills.with_kills(program, tmp_path / "killed", count, steps, *more) == expected


@pytest.mark.nightly
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(("program", "more", "steps"), [SEQUENCES, *GANS])
def test_many_kills(
    tmp_path: Path, program: ModuleType, more: tuple[str, ...], steps: int, count: int,
    record_property: Any,
) -> None:  # fmt: skip
    expected = kills.whole(program, tmp_path / "whole", *more)
    assert kills.with_kills(program, tmp_path / "killed", count, steps, *more) == expected
    record_property("kills", count)
    record_property("other bytes", 0)


def test_without_resume_a_run_starts_over(tmp_path: Path) -> None:
    tiny_run.run(tmp_path, steps=3 * tiny_run.LOOK)
    first, _ = tiny_run.run(tmp_path / "alone", steps=tiny_run.LOOK)
    again, progress = tiny_run.run(tmp_path, steps=tiny_run.LOOK, resume=False)
    assert progress.step == tiny_run.LOOK and len(progress.history) == 1
    assert tiny_run.fingerprint(first) == tiny_run.fingerprint(again)
    assert [p.name for p in tmp_path.glob("step-*")] == [f"step-{tiny_run.LOOK:08d}"]


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    """The variables are of the same shape: only what the folder states tells the two apart."""
    tiny_run.run(tmp_path, steps=tiny_run.LOOK, identity={"rate": 0.01})
    with pytest.raises(ConfigError, match="rate: expected 0.01, received 0.02"):
        tiny_run.run(tmp_path, identity={"rate": 0.02})
    assert CheckpointFolder(tmp_path).last() == tiny_run.LOOK


def test_more_steps_on_resume_are_a_run_of_that_length(tmp_path: Path) -> None:
    """To the byte, and with the same history; `identity` says how long the run is."""
    length = tiny_run.LOOK
    for steps in (length, 3 * length):
        identity = {"train": {"steps": steps, "rate": 0.01}}
        longer, progress = tiny_run.run(tmp_path / "parts", steps=steps, identity=identity)
    whole, expected = tiny_run.run(tmp_path / "whole", steps=3 * length)
    assert tiny_run.fingerprint(longer) == tiny_run.fingerprint(whole)
    assert dataclasses.replace(progress, seconds=0) == dataclasses.replace(expected, seconds=0)
    assert len(progress.history) == 3
    assert read_json(tmp_path / "parts" / IDENTITY)["train"]["steps"] == 3 * length


def test_fewer_steps_than_made_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    made = 2 * tiny_run.LOOK
    tiny_run.run(tmp_path, steps=made, identity={"train": {"steps": made}})
    before = files()
    with pytest.raises(ConfigError, match=f"train.steps. Expected {made} or more.*Received: 4"):
        tiny_run.run(tmp_path, steps=4, identity={"train": {"steps": 4}})
    assert files() == before


def _scripted(tmp_path: Path, scores: list[float], patience: int) -> tuple[list[int], int]:
    """Train with prescribed validation scores; give the steps of the passes and of the weights."""
    trainer = tiny_run.make_trainer()
    passed: list[int] = []
    weights: dict[int, np.ndarray] = {}

    def validate() -> dict[str, float]:
        step = int(trainer.optimizer.iterations.numpy())
        passed.append(step)
        weights[step] = trainer.network.get_weights()[0]
        return {"score": scores[len(passed) - 1]}

    schedule = Schedule(2 * len(scores), 2, patience)
    train(trainer, tiny_run.batches, validate, schedule, CheckpointFolder(tmp_path))
    final = trainer.network.get_weights()[0]
    restored = [step for step, value in weights.items() if np.array_equal(value, final)]
    return passed, restored[0]


def test_the_best_on_validation_is_restored(tmp_path: Path) -> None:
    assert _scripted(tmp_path, [0.1, 0.7, 0.3, 0.5, 0.2], patience=0) == ([2, 4, 6, 8, 10], 4)


def test_patience_counts_passes_without_gain(tmp_path: Path) -> None:
    passed, restored = _scripted(tmp_path, [0.1, 0.7, 0.3, 0.5, 0.9, 0.9], patience=2)
    assert (passed, restored) == ([2, 4, 6, 8], 4)


# ReLU turns a NaN input into 0 here: the loss stays finite and only the gradient tells.
@pytest.mark.parametrize(("key", "term"), [("target", "loss"), ("features", "gradient_norm")])
def test_a_value_that_is_not_finite_stops_the_run_at_its_step(
    tmp_path: Path, key: str, term: str
) -> None:
    trainer = tiny_run.make_trainer()
    bad = 7

    def poisoned(first: int, steps: int) -> tf.data.Dataset:
        def plant(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {**batch, key: tf.where(step == bad - 1, batch[key] * np.nan, batch[key])}

        numbers = tf.data.Dataset.range(first, first + steps)
        return tf.data.Dataset.zip(numbers, tiny_run.batches(first, steps)).map(plant)

    checkpoints = CheckpointFolder(tmp_path)
    with pytest.raises(TrainingDiverged, match=f"step {bad}: .*{term} is nan"):
        train(trainer, poisoned, lambda: {"score": 0.0}, Schedule(24, 4), checkpoints)
    assert checkpoints.last() == 4
    fresh = tiny_run.make_trainer()
    checkpoints.restore(4, {"network": fresh.network, "optimizer": fresh.optimizer})
    assert all(np.isfinite(weight).all() for weight in fresh.network.get_weights())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_resume_is_bit_exact_in_half_precision(tmp_path: Path, policy: str) -> None:
    """The loss scale, and how long it has been good, are part of the state."""
    whole, progress = tiny_run.run(tmp_path / "whole", steps=12, policy=policy)
    tiny_run.run(tmp_path / "parts", steps=tiny_run.LOOK, policy=policy)
    parts, again = tiny_run.run(tmp_path / "parts", steps=12, policy=policy)
    assert tiny_run.fingerprint(parts) == tiny_run.fingerprint(whole)
    assert [entry["train"] for entry in again.history] == [
        entry["train"] for entry in progress.history
    ]
    if policy == "mixed_float16":
        first, _, last = (entry["train"] for entry in progress.history)
        assert first["skipped_updates"] > 0, "the scale had to be found"
        assert first["loss_scale"] > last["loss_scale"] > 0


def _without_gradients(bad: range) -> Callable[[int, int], tf.data.Dataset]:
    """Batches of which those of `bad` have NaN gradients and, behind the ReLU, a finite loss."""

    def batches(first: int, steps: int) -> tf.data.Dataset:
        def plant(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            hit = (step >= bad.start) & (step < bad.stop)
            return {
                **batch, "features": tf.where(hit, batch["features"] * np.nan, batch["features"])
            }  # fmt: skip

        numbers = tf.data.Dataset.range(first, first + steps)
        return tf.data.Dataset.zip(numbers, tiny_run.batches(first, steps)).map(plant)

    return batches


def _scaled_trainer() -> MultiTaskTrainer:
    """Float32 networks, so that nothing but the planted gradients is skipped."""
    trainer = tiny_run.make_trainer()
    adam = keras.optimizers.Adam(warm_cosine(0.01, 24, 6))
    return compiled(trainer, scaled(adam, "mixed_float16"))


def test_skipped_updates_are_counted_and_no_schedule_counts_them(tmp_path: Path) -> None:
    trainer, seen, scores = _scaled_trainer(), [], iter([0.1, 0.2])
    train(
        trainer, _without_gradients(range(2, 5)), lambda: {"score": next(scores)}, Schedule(8, 4),
        CheckpointFolder(tmp_path), on_validation=seen.append,
    )  # fmt: skip
    assert [entry["train"]["skipped_updates"] for entry in seen] == [2, 1]
    assert [entry["train"]["finite_gradients"] for entry in seen] == [0.5, 0.75]
    scales = [np.mean([1, 1, 1, 1 / 2]) * 2**15, np.mean([1 / 4, 1 / 8, 1 / 8, 1 / 8]) * 2**15]
    assert [entry["train"]["loss_scale"] for entry in seen] == scales
    assert all(np.isfinite(entry["train"]["gradient_norm"]) for entry in seen)
    # The data went on; the warm-up, which is at its top after 6 updates, did not.
    assert seen[-1]["step"] == 8 and int(trainer.optimizer.iterations) == 5
    assert float(trainer.optimizer.learning_rate) == pytest.approx(0.01 * 6 / 7)


def test_a_run_without_updates_is_stopped(tmp_path: Path) -> None:
    """Gradients that are NaN at every scale: the loss stays finite, nothing is learned."""
    trainer, checkpoints = _scaled_trainer(), CheckpointFolder(tmp_path)
    text = f"step {6 + MOST_SKIPPED}: {MOST_SKIPPED} updates in a row were skipped"
    with pytest.raises(TrainingDiverged, match=text):
        train(
            trainer, _without_gradients(range(6, 99)), lambda: {"score": 0.0}, Schedule(60, 4),
            checkpoints,
        )  # fmt: skip
    assert checkpoints.last() == 4 * ((5 + MOST_SKIPPED) // 4)
    assert all(np.isfinite(weight).all() for weight in trainer.network.get_weights())


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_a_score_that_is_not_finite_stops_the_run(tmp_path: Path, bad: float) -> None:
    passes = iter([{"score": 0.5}, {"score": 0.5, "ccc_valence": bad}])
    checkpoints = CheckpointFolder(tmp_path)
    with pytest.raises(TrainingDiverged, match=f"step 4: on validation ccc_valence is {bad}"):
        train(
            tiny_run.make_trainer(), tiny_run.batches, lambda: next(passes), Schedule(8, 2),
            checkpoints,
        )  # fmt: skip
    assert checkpoints.last() == 2


def test_dropout_is_on_while_training() -> None:
    """A trainer that forgot `training=True` would give the same loss twice on one batch."""
    trainer = tiny_run.make_trainer()
    trainer.optimizer.learning_rate = 0.0
    batch = next(iter(tiny_run.batches(0, 1)))
    first, second = (float(trainer.train_step(batch)["loss"]) for _ in range(2))
    assert first != second
    assert isinstance(trainer, keras.Model)


def test_training_terms_are_means_over_the_interval(tmp_path: Path) -> None:
    trainer, alone = tiny_run.make_trainer(3), tiny_run.make_trainer(3)
    seen: list[dict] = []
    train(
        trainer, tiny_run.batches, lambda: {"score": 0.0}, Schedule(4, 4),
        CheckpointFolder(tmp_path), on_validation=seen.append,
    )  # fmt: skip
    losses = [float(alone.train_step(batch)["loss"]) for batch in tiny_run.batches(0, 4)]
    assert seen[0]["train"]["loss"] == pytest.approx(sum(losses) / 4, rel=1e-5)


def test_a_schedule_in_epochs_or_in_steps() -> None:
    assert Schedule.of(FramewiseTraining(epochs=3, patience=2), 70) == Schedule(210, 70, 2)
    steps = FramewiseTraining(epochs=3, steps=100, patience=2)
    assert Schedule.of(steps, 70) == Schedule(100, 33, 2)
    assert Schedule.of(FramewiseTraining(epochs=9, steps=4), 70) == Schedule(4, 1, 0)
