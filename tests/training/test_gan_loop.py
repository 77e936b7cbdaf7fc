"""The GANs' loop: kill and resume bit-exactly, stop on NaN, refuse another configuration."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError, TrainingDiverged
from kaffect.files import write_json
from kaffect.training import gan
from kaffect.training.checkpoints import IDENTITY, CheckpointFolder
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_loop import load_gan, saved_config, train_gan
from kaffect.training.loss_scaling import MOST_SKIPPED

from . import tiny_gan

PROGRAM = Path(tiny_gan.__file__)
ROOT = PROGRAM.parents[2]
TINY = GanConfig(width=0.03, batch=4, schedule="DG", steps=8, evaluate_every=4)


def _start(folder: Path, configuration: int, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(folder), str(configuration), str(pause)]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _run_with_kills(folder: Path, configuration: int, kills: int) -> str:
    """Kill the run `kills` times after it has written another checkpoint, then let it end."""
    checkpoints = CheckpointFolder(folder)
    for _ in range(kills):
        before = checkpoints.last()
        process = _start(folder, configuration, 0.1)
        while checkpoints.last() == before and process.poll() is None:
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = checkpoints.last()
    assert last is not None and 0 < last < tiny_gan.SETTINGS[configuration].steps
    output, _ = _start(folder, configuration, 0.0).communicate()
    return output.strip()


def _whole(folder: Path, configuration: int) -> str:
    output, _ = _start(folder, configuration, 0.0).communicate()
    assert len(output.strip()) == 64, "the uninterrupted run must print its hash"
    return output.strip()


def test_kill_and_resume_is_bit_exact(tmp_path: Path) -> None:
    whole = _whole(tmp_path / "whole", 2)
    assert _run_with_kills(tmp_path / "killed", 2, kills=1) == whole


@pytest.mark.nightly
@pytest.mark.parametrize("configuration", [1, 2])
@pytest.mark.parametrize("kills", [1, 3])
def test_many_kills(tmp_path: Path, configuration: int, kills: int) -> None:
    whole = _whole(tmp_path / "whole", configuration)
    assert _run_with_kills(tmp_path / "killed", configuration, kills) == whole


def test_resume_in_one_process_and_loading(tmp_path: Path) -> None:
    tiny_gan.run(tmp_path, dataclasses.replace(TINY, steps=4), data="ab12")
    with pytest.raises(ConfigError, match="prepared data: expected 'ab12', received 'cd34'"):
        tiny_gan.run(tmp_path, TINY, data="cd34")
    assert saved_config(tmp_path)["steps"] == 4
    resumed, progress = tiny_gan.run(tmp_path, TINY, data="ab12")
    assert saved_config(tmp_path)["steps"] == 8
    whole, _ = tiny_gan.run(tmp_path / "whole", TINY)
    assert progress.step == 8 and [look["step"] for look in progress.history] == [4, 8]
    assert tiny_gan.fingerprint(resumed) == tiny_gan.fingerprint(whole)
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
    for change, text in (
        ({"configuration": 2}, "gan.configuration: expected 1, received 2"),
        ({"generator_rate": 1e-3}, "gan.generator_rate: expected 0.0001, received 0.001"),
        ({"mirror": False}, "gan.mirror: expected True, received False"),
        ({"steps": 4}, "gan.steps. Expected 8 or more, .* Received: 4"),
    ):
        with pytest.raises(ConfigError, match=text):
            tiny_gan.run(folder, dataclasses.replace(TINY, **change))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'best', 'last'. Received: 'newest'"):
        load_gan(folder, "newest")


def _another_network_is_refused_where_nothing_is_stated(folder: Path) -> None:
    """The folder of an earlier version: its gan.json still tells networks apart."""
    (folder / IDENTITY).unlink()
    for change, text in (
        ({"configuration": 2}, "configuration. Expected 2. Received: 1"),
        (
            {"action_units": 12, "label_space": "aff-wild2"},
            "label_space. Expected aff-wild2. Received: 'aff-wild'",
        ),
        ({"action_units": 0}, "action_units. Expected 0. Received: 8"),
        ({"valence_arousal": False}, "valence_arousal. Expected False. Received: True"),
    ):
        with pytest.raises(ArtifactError, match=text):
            tiny_gan.run(folder, dataclasses.replace(TINY, **change))  # type: ignore[arg-type]
    # Nothing is left to train: what is not stated is not compared.
    assert tiny_gan.run(folder, dataclasses.replace(TINY, clip=10.0))[1].step == 8


def test_a_folder_without_a_gan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="gan.json"):
        load_gan(tmp_path)


def test_pictures_of_a_wrong_size_are_refused(tmp_path: Path) -> None:
    """Too small for 96x96: nothing is trained on enlarged pictures, nothing is saved."""
    config = dataclasses.replace(TINY, configuration=2, width=0.01)

    def small(first: int, steps: int) -> tf.data.Dataset:
        crop = lambda b: {**b, "images": b["images"][:, :64, :64]}  # noqa: E731
        return tiny_gan.batches(first, steps).map(crop)

    checkpoints = CheckpointFolder(tmp_path)
    with pytest.raises(ConfigError, match="at least 96x96 pixels. Received: '64x64'"):
        train_gan(tiny_gan.make_trainer(config), small, lambda: {"score": 0.0}, checkpoints)
    assert checkpoints.last() is None


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

    checkpoints = CheckpointFolder(tmp_path)
    with pytest.raises(TrainingDiverged, match=f"step {bad}: .*{term} is nan"):
        train_gan(trainer, poisoned, lambda: {"score": 0.0}, checkpoints)
    assert checkpoints.last() == 4
    kept = load_gan(tmp_path)
    for thing in kept.checkpointed().values():
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
    checkpoints, looks = CheckpointFolder(tmp_path), []
    with pytest.raises(TrainingDiverged, match="step 5: discriminator_gradient_norm is nan"):
        train_gan(
            trainer, tiny_gan.batches, lambda: {"score": 0.0}, checkpoints, on_look=looks.append
        )
    assert checkpoints.last() == 4
    scale = trainer.discriminator_optimizer.dynamic_scale
    assert float(scale) <= gan.FIRST_SCALE / 2**MOST_SKIPPED
    assert {"generator_loss_scale", "discriminator_skipped_updates"} <= set(looks[0]["train"])


def test_a_score_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    looks = iter([{"score": 0.5}, {"score": float("nan")}])
    checkpoints, trainer = CheckpointFolder(tmp_path), tiny_gan.make_trainer(TINY)
    trainer.fit = lambda *_, **__: None
    with pytest.raises(TrainingDiverged, match="step 8: on validation score is nan"):
        train_gan(trainer, tiny_gan.batches, lambda: next(looks), checkpoints)
    assert checkpoints.last() == 4


@pytest.mark.parametrize(
    "policy", [pytest.param("mixed_bfloat16", marks=pytest.mark.nightly), "mixed_float16"]
)
def test_resume_is_bit_exact_in_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Float16 begins with a scale that overflows: the one that it found is saved with the rest."""
    monkeypatch.setattr(gan, "FIRST_SCALE", 2.0**24)
    whole, progress = tiny_gan.run(tmp_path / "whole", TINY, policy=policy)
    # As if it had been killed behind its first look.
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    write_json(tmp_path / "parts" / "LAST.json", {"step": 4, "best": 4})
    parts, again = tiny_gan.run(tmp_path / "parts", TINY, policy=policy)
    assert tiny_gan.fingerprint(parts) == tiny_gan.fingerprint(whole)
    terms = [look["train"] for look in progress.history]
    assert terms == [look["train"] for look in again.history]
    if policy == "mixed_float16":
        assert terms[0]["discriminator_skipped_updates"] > 1
        assert terms[1]["discriminator_loss_scale"] < 2.0**24
        full = load_gan(tmp_path / "whole", policy="float32")  # whose optimisers know no scale
        assert tiny_gan.fingerprint(full, False) == tiny_gan.fingerprint(whole, False)
