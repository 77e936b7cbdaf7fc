"""Precision and strategy follow the machine; the GPU paths are tested by their logic only."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
import tensorflow as tf

from kaffect.config import LossConfig, TrainConfig
from kaffect.training import determinism, devices, multitask, precision

AMX = frozenset({"avx2", "amx_bf16"})
PLAIN = frozenset({"avx2", "avx512f", "avx512_vnni"})


@pytest.mark.parametrize(
    ("requested", "gpus", "flags", "policy"),
    [
        ("auto", 1, PLAIN, "mixed_float16"),
        ("auto", 2, AMX, "mixed_float16"),
        ("auto", 0, AMX, "mixed_bfloat16"),
        ("auto", 0, frozenset({"avx512_bf16"}), "mixed_bfloat16"),
        ("auto", 0, PLAIN, "float32"),
        ("auto", 0, frozenset(), "float32"),
        ("float32", 1, AMX, "float32"),
        ("mixed_float16", 0, PLAIN, "mixed_float16"),
    ],
)
def test_precision(requested: str, gpus: int, flags: frozenset[str], policy: str) -> None:
    assert precision.resolve_precision(requested, gpus=gpus, flags=flags) == policy


def test_processor_flags_are_read(tmp_path: Path) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16 avx2\nflags\t\t: other\n")
    assert precision.processor_flags(listing) == {"fpu", "amx_bf16", "avx2"}
    assert precision.processor_flags(tmp_path / "absent") == frozenset()


def test_float16_scales_the_loss_and_others_do_not() -> None:
    half = multitask.adam(TrainConfig(), "mixed_float16")
    assert isinstance(half, keras.optimizers.LossScaleOptimizer)
    half.build([])
    assert float(half.scale_loss(tf.constant(1.0))) > 1.0
    full = multitask.adam(TrainConfig(learning_rate=1e-4), "mixed_bfloat16")
    assert float(full.scale_loss(tf.constant(1.0))) == 1.0
    assert full.epsilon == 1e-8
    assert float(full.learning_rate) == pytest.approx(1e-4)


def test_without_gpu_the_default_strategy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: [])
    strategy = devices.choose_strategy()
    assert strategy is tf.distribute.get_strategy()
    assert devices.on_devices(strategy) == devices.on_one_device() == "on CPU:0"


def test_a_gan_says_that_it_leaves_devices_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: ["GPU:0", "GPU:1"])
    assert devices.on_one_device() == "on GPU:0 alone: a GAN takes one device of the 2"


def test_derived_seeds_are_fixed_and_apart() -> None:
    names = ("order", "dropout", "weights", "orders")
    seeds = [determinism.derived_seed(5, name) for name in names]
    assert len(set(seeds)) == len(names)
    assert seeds == [determinism.derived_seed(5, name) for name in names]
    assert determinism.derived_seed(6, "order") != seeds[0]
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_row_settings_reach_the_loss() -> None:
    batch = {
        "valence_arousal": tf.constant([[0.5, -0.5], [0.1, 0.3]]),
        "expression": tf.constant([0, 1]),
    }
    outputs = {
        "valence_arousal": tf.constant([[0.4, -0.1], [0.0, 0.0]]),
        "expression_logits": tf.constant([[2.0, 0.0], [0.0, 0.0]]),
    }
    terms = multitask.sequence_losses(LossConfig("mse", "mse_before_softmax", 0.25, 1.0))(
        batch, outputs
    )
    # By hand: valence (0.01 + 0.01) / 2 = 0.01, arousal (0.16 + 0.09) / 2 = 0.125;
    # expressions: squares (1, 0), (0, 1), mean over four numbers.
    assert float(terms["valence_arousal"]) == pytest.approx(0.0675, abs=1e-6)
    assert float(terms["expression"]) == pytest.approx(0.5, abs=1e-6)
    assert float(terms["loss"]) == pytest.approx(0.25 * 0.0675 + 0.5, abs=1e-6)
