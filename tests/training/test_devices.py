"""Which devices a run takes; the paths for GPUs are tested by their logic only."""

from __future__ import annotations

import pytest
import tensorflow as tf

from kaffect.training import devices


def test_without_gpu_the_default_strategy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: [])
    strategy = devices.choose_strategy()
    assert strategy is tf.distribute.get_strategy()
    assert devices.on_devices(strategy) == devices.on_one_device() == "on CPU:0"


def test_a_gan_says_that_it_leaves_devices_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: ["GPU:0", "GPU:1"])
    assert devices.on_one_device() == "on GPU:0 alone: a GAN takes one device of the 2"
