"""Precision and strategy follow the machine; the GPU paths are tested by their logic only."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from kaffect.config import RecognitionConfig
from kaffect.config.recognition import RecognitionLoss, RecognitionTraining
from kaffect.errors import ConfigError
from kaffect.training import determinism, devices, multitask, precision

OLD_GPU, GPU = (5, 2), (8, 6)
AMX = frozenset({"avx2", "amx_bf16"})
PLAIN = frozenset({"avx2", "avx512f", "avx512_vnni"})


@pytest.mark.parametrize(
    ("requested", "gpus", "flags", "policy"),
    [
        ("auto", [GPU], PLAIN, "mixed_float16"),
        ("auto", [GPU, GPU], AMX, "mixed_float16"),
        ("auto", [GPU, OLD_GPU], AMX, "float32"),
        ("auto", [], AMX, "mixed_bfloat16"),
        ("auto", [], frozenset({"avx512_bf16"}), "mixed_bfloat16"),
        ("auto", [], PLAIN, "float32"),
        ("auto", [], frozenset(), "float32"),
        ("float32", [GPU], AMX, "float32"),
        ("mixed_float16", [], PLAIN, "mixed_float16"),
        ("mixed_bfloat16", [GPU], PLAIN, "mixed_bfloat16"),
    ],
)
def test_precision(
    requested: str, gpus: list[tuple[int, int]], flags: frozenset[str], policy: str
) -> None:
    found = precision.resolve_precision(requested, gpus=gpus, flags=flags, environment={})
    assert found == policy


def test_the_environment_says_what_auto_is() -> None:
    def resolve(requested: str, value: str) -> str:
        return precision.resolve_precision(
            requested, gpus=[], flags=AMX, environment={"KAFFECT_PRECISION": value}
        )

    assert resolve("auto", "float32") == "float32"
    assert resolve("auto", "mixed_float16") == "mixed_float16"
    assert resolve("auto", "") == "mixed_bfloat16"  # as if it were not set
    assert resolve("mixed_bfloat16", "float32") == "mixed_bfloat16"  # asked for by name


@pytest.mark.parametrize(
    ("requested", "gpus", "variable", "message"),
    [
        ("auto", [], "half", "KAFFECT_PRECISION. Expected one of 'float32'.*Received: 'half'"),
        ("auto", [], "auto", "KAFFECT_PRECISION. Expected one of 'float32'"),
        ("float8", [], "", "precision. Expected one of 'auto', 'float32'"),
        ("mixed_bfloat16", [(7, 5)], "", "mixed_bfloat16 on a GPU.*8.0 or more.*Received: '?7.5"),
        ("auto", [(7, 5)], "mixed_bfloat16", "mixed_bfloat16 on a GPU"),
        ("mixed_float16", [(5, 2)], "", "mixed_float16 on a GPU"),
    ],
)
def test_a_precision_that_is_unknown_or_cannot_be_computed(
    requested: str, gpus: list[tuple[int, int]], variable: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        precision.resolve_precision(
            requested, gpus=gpus, flags=PLAIN, environment={"KAFFECT_PRECISION": variable}
        )


def test_a_run_is_loaded_in_the_precision_of_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's own automatic choice never counts: a training records what auto meant."""
    monkeypatch.setenv("KAFFECT_PRECISION", "mixed_bfloat16")
    given = RecognitionConfig().changed({"train.precision": "mixed_float16"})
    assert precision.recorded(given) == "mixed_float16"
    assert precision.recorded(RecognitionConfig()) == "float32"


def test_float16_scales_the_loss_and_others_do_not() -> None:
    half = multitask.adam(RecognitionTraining(), "mixed_float16")
    assert isinstance(half, keras.optimizers.LossScaleOptimizer)
    half.build([])
    assert float(half.scale_loss(tf.constant(1.0))) > 1.0
    full = multitask.adam(RecognitionTraining(learning_rate=1e-4), "mixed_bfloat16")
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
    terms = multitask.sequence_losses(RecognitionLoss("mse", "mse_before_softmax", 0.25, 1.0))(
        batch, outputs
    )
    # By hand: valence (0.01 + 0.01) / 2 = 0.01, arousal (0.16 + 0.09) / 2 = 0.125;
    # expressions: squares (1, 0), (0, 1), mean over four numbers.
    assert float(terms["valence_arousal"]) == pytest.approx(0.0675, abs=1e-6)
    assert float(terms["expression"]) == pytest.approx(0.5, abs=1e-6)
    assert float(terms["loss"]) == pytest.approx(0.25 * 0.0675 + 0.5, abs=1e-6)
