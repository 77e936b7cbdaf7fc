"""Training of GANs in the common loop: whole rounds, both optimisers, alarms, other networks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import GanConfig
from kaffect.errors import ArtifactError, ConfigError, TrainingDiverged
from kaffect.files import write_json
from kaffect.labels import AFF_WILD2
from kaffect.training import gan
from kaffect.training.checkpoints import IDENTITY, CheckpointFolder
from kaffect.training.loop import DatasetFrom, Progress, Validate, train
from kaffect.training.loss_scaling import MOST_SKIPPED
from kaffect.training.runs import load_gan

from . import tiny_gan

TINY = GanConfig().changed({
    "model.width": 0.03, "data.batch": 4, "train.rounds": "DG", "train.steps": 8,
    "train.evaluate_every": 4,
})  # fmt: skip


def test_more_steps_on_resume_are_a_run_of_that_length(tmp_path: Path) -> None:
    tiny_gan.run(tmp_path, TINY.changed({"train.steps": 4}))
    resumed, progress = tiny_gan.run(tmp_path, TINY)
    whole, _ = tiny_gan.run(tmp_path / "whole", TINY)
    assert progress.step == 8 and [entry["step"] for entry in progress.history] == [4, 8]
    assert tiny_gan.fingerprint(resumed) == tiny_gan.fingerprint(whole)
    tiny_gan.describe(tmp_path, TINY)
    loaded = load_gan(tmp_path)
    assert tiny_gan.fingerprint(loaded, False) == tiny_gan.fingerprint(whole, False)
    moved = [a - b for a, b in zip(_adam(whole), _adam(tiny_gan.make_trainer(TINY)))]
    assert all(np.abs(m).max() > 0 for m in moved), "both optimisers had something to restore"
    _another_configuration_is_refused(tmp_path)
    _another_network_is_refused_where_nothing_is_stated(tmp_path)


def _adam(trainer: tiny_gan.GanTrainer) -> list[np.ndarray]:
    pairs = (trainer.generator_optimizer, trainer.discriminator_optimizer)
    return [optimizer._momentums[0].numpy() for optimizer in pairs]


def _another_configuration_is_refused(folder: Path) -> None:
    for name, value, text in (
        ("model.configuration", 2, "model.configuration: expected 1, received 2"),
        ("train.generator_rate", 1e-3, "train.generator_rate: expected 0.0001, received 0.001"),
        ("data.flip", False, "data.flip: expected True, received False"),
        ("train.steps", 4, "train.steps. Expected 8 or more, .* Received: 4"),
    ):
        with pytest.raises(ConfigError, match=text):
            tiny_gan.run(folder, TINY.changed({name: value}))


def _another_network_is_refused_where_nothing_is_stated(folder: Path) -> None:
    """The variables of the checkpoint still tell networks apart."""
    (folder / IDENTITY).unlink()
    for changes, space in (
        ({"model.configuration": 2}, tiny_gan.AFF_WILD),
        ({}, AFF_WILD2),
        ({"loss.tasks": ("va",)}, tiny_gan.AFF_WILD),
    ):
        with pytest.raises(ArtifactError, match="a checkpoint of another configuration"):
            tiny_gan.run(folder, TINY.changed(changes), space=space)


def _train(
    trainer: gan.GanTrainer,
    batches: DatasetFrom,
    validate: Validate,
    folder: Path,
    **more: Any,
) -> Progress:
    schedule = tiny_gan.schedule(trainer.config)
    return train(trainer, batches, validate, schedule, CheckpointFolder(folder), **more)


def test_pictures_of_a_wrong_size_are_refused(tmp_path: Path) -> None:
    """Too small for 96x96: nothing is trained on enlarged pictures, nothing is saved."""
    config = TINY.changed({"model.configuration": 2, "model.width": 0.01})

    def small(first: int, steps: int) -> tf.data.Dataset:
        crop = lambda b: {**b, "images": b["images"][:, :64, :64]}  # noqa: E731
        return tiny_gan.batches(first, steps).map(crop)

    with pytest.raises(ConfigError, match="at least 96x96 pixels. Received: '64x64'"):
        _train(tiny_gan.make_trainer(config), small, lambda: {"score": 0.0}, tmp_path)
    assert CheckpointFolder(tmp_path).last() is None


# Update 5 is of the discriminator, update 6 of the generator.
@pytest.mark.parametrize(
    ("key", "bad", "term"),
    [("valence_arousal", 5, "real_valence_arousal"), ("images", 6, "generator_reconstruction")],
)
def test_a_value_that_is_not_finite_names_update_and_term(
    tmp_path: Path, key: str, bad: int, term: str
) -> None:
    trainer = tiny_gan.make_trainer(TINY)

    def poisoned(first: int, steps: int) -> tf.data.Dataset:
        def plant(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            value = tf.cast(batch[key], tf.float32)
            return {**batch, key: tf.where(step == bad - 1, value * np.nan, value)}

        numbers = tf.data.Dataset.range(first, first + steps)
        return tf.data.Dataset.zip(numbers, tiny_gan.batches(first, steps)).map(plant)

    with pytest.raises(TrainingDiverged, match=f"step {bad}: .*{term} is nan"):
        _train(trainer, poisoned, lambda: {"score": 0.0}, tmp_path)
    checkpoints, kept = CheckpointFolder(tmp_path), tiny_gan.make_trainer(TINY)
    assert checkpoints.last() == 4
    checkpoints.restore(4, kept.saved)
    for thing in kept.saved.values():
        assert all(np.isfinite(v.numpy()).all() for v in thing.variables)


def test_gradients_that_no_scale_makes_finite_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the third round on the discriminator's gradients are NaN, its loss is not."""
    trainer = tiny_gan.make_trainer(TINY, "mixed_float16")
    apply = gan.apply_gradients

    def poisoned(optimizer, gradients, variables):  # type: ignore[no-untyped-def]
        if optimizer is trainer.discriminator_optimizer:
            factor = tf.where(trainer.step.value >= 4, np.nan, 1.0)
            gradients = [gradient * factor for gradient in gradients]
        return apply(optimizer, gradients, variables)

    monkeypatch.setattr(gan, "apply_gradients", poisoned)
    seen: list[dict] = []
    with pytest.raises(TrainingDiverged, match="step 5: discriminator_gradient_norm is nan"):
        _train(
            trainer, tiny_gan.batches, lambda: {"score": 0.0}, tmp_path, on_validation=seen.append
        )
    assert CheckpointFolder(tmp_path).last() == 4
    scale = trainer.discriminator_optimizer.dynamic_scale
    assert float(scale) <= gan.FIRST_SCALE / 2**MOST_SKIPPED
    assert {"generator_loss_scale", "discriminator_skipped_updates"} <= set(seen[0]["train"])


@pytest.mark.parametrize(
    "policy", [pytest.param("mixed_bfloat16", marks=pytest.mark.nightly), "mixed_float16"]
)
def test_resume_is_bit_exact_in_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Float16 begins with a scale that overflows: the one that it found is saved with the rest."""
    monkeypatch.setattr(gan, "FIRST_SCALE", 2.0**24)
    whole, progress = tiny_gan.run(tmp_path / "whole", TINY, policy=policy)
    # As if it had been killed behind its first validation pass.
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    write_json(tmp_path / "parts" / "LAST.json", {"step": 4, "best": 4})
    parts, again = tiny_gan.run(tmp_path / "parts", TINY, policy=policy)
    assert tiny_gan.fingerprint(parts) == tiny_gan.fingerprint(whole)
    terms = [entry["train"] for entry in progress.history]
    assert terms == [entry["train"] for entry in again.history]
    if policy == "mixed_float16":
        assert terms[0]["discriminator_skipped_updates"] > 1
        assert terms[1]["discriminator_loss_scale"] < 2.0**24
        tiny_gan.describe(tmp_path / "whole", TINY)
        full = load_gan(tmp_path / "whole", policy="float32")  # whose optimisers know no scale
        assert tiny_gan.fingerprint(full, False) == tiny_gan.fingerprint(whole, False)
