"""The training loop: resumes bit-exactly, keeps the best on validation, stops on NaN."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError, TrainingDiverged
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.loop import Schedule, train
from kaffect.training.loss_scaling import MOST_SKIPPED
from kaffect.training.multitask import MultiTaskTrainer, compiled
from kaffect.training.precision import scaled
from kaffect.training.schedules import warm_cosine

from . import tiny_run

PROGRAM = Path(tiny_run.__file__)
ROOT = PROGRAM.parents[2]


def _start(folder: Path, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(folder), str(pause)]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _run_with_kills(folder: Path, kills: int) -> str:
    """Kill the run `kills` times after it has written another checkpoint, then let it end."""
    checkpoints = CheckpointFolder(folder)
    for _ in range(kills):
        before = checkpoints.last()
        process = _start(folder, 0.03)
        while checkpoints.last() == before and process.poll() is None:
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = checkpoints.last()
    assert last is not None and 0 < last < tiny_run.STEPS, "the kill must leave work to do"
    output, _ = _start(folder, 0.0).communicate()
    return output.strip()


def test_kill_and_resume_is_bit_exact(tmp_path: Path) -> None:
    whole, _ = _start(tmp_path / "whole", 0.0).communicate()
    assert len(whole.strip()) == 64, "the uninterrupted run must print its hash"
    assert _run_with_kills(tmp_path / "killed", kills=2) == whole.strip()


@pytest.mark.nightly
@pytest.mark.parametrize("kills", [1, 2, 3, 4])
def test_many_kills(tmp_path: Path, kills: int) -> None:
    whole, _ = _start(tmp_path / "whole", 0.0).communicate()
    assert _run_with_kills(tmp_path / "killed", kills) == whole.strip()


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


def _scripted(tmp_path: Path, scores: list[float], patience: int) -> tuple[list[int], int]:
    """Train with prescribed validation scores; give the steps looked at and the step restored."""
    trainer = tiny_run.make_trainer()
    looked: list[int] = []
    weights: dict[int, np.ndarray] = {}

    def validate() -> dict[str, float]:
        step = int(trainer.optimizer.iterations.numpy())
        looked.append(step)
        weights[step] = trainer.network.get_weights()[0]
        return {"score": scores[len(looked) - 1]}

    schedule = Schedule(2 * len(scores), 2, patience)
    train(trainer, tiny_run.batches, validate, schedule, CheckpointFolder(tmp_path))
    final = trainer.network.get_weights()[0]
    restored = [step for step, value in weights.items() if np.array_equal(value, final)]
    return looked, restored[0]


def test_the_best_on_validation_is_restored(tmp_path: Path) -> None:
    assert _scripted(tmp_path, [0.1, 0.7, 0.3, 0.5, 0.2], patience=0) == ([2, 4, 6, 8, 10], 4)


def test_patience_counts_looks_without_gain(tmp_path: Path) -> None:
    looked, restored = _scripted(tmp_path, [0.1, 0.7, 0.3, 0.5, 0.9, 0.9], patience=2)
    assert (looked, restored) == ([2, 4, 6, 8], 4)


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
    assert [look["train"] for look in again.history] == [look["train"] for look in progress.history]
    if policy == "mixed_float16":
        first, _, last = (look["train"] for look in progress.history)
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
        CheckpointFolder(tmp_path), on_look=seen.append,
    )  # fmt: skip
    assert [look["train"]["skipped_updates"] for look in seen] == [2, 1]
    assert [look["train"]["finite_gradients"] for look in seen] == [0.5, 0.75]
    scales = [np.mean([1, 1, 1, 1 / 2]) * 2**15, np.mean([1 / 4, 1 / 8, 1 / 8, 1 / 8]) * 2**15]
    assert [look["train"]["loss_scale"] for look in seen] == scales
    assert all(np.isfinite(look["train"]["gradient_norm"]) for look in seen)
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
    looks = iter([{"score": 0.5}, {"score": 0.5, "ccc_valence": bad}])
    checkpoints = CheckpointFolder(tmp_path)
    with pytest.raises(TrainingDiverged, match=f"step 4: on validation ccc_valence is {bad}"):
        train(
            tiny_run.make_trainer(), tiny_run.batches, lambda: next(looks), Schedule(8, 2),
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
        CheckpointFolder(tmp_path), on_look=seen.append,
    )  # fmt: skip
    losses = [float(alone.train_step(batch)["loss"]) for batch in tiny_run.batches(0, 4)]
    assert seen[0]["train"]["loss"] == pytest.approx(sum(losses) / 4, rel=1e-5)
