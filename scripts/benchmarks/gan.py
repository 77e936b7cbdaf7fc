"""Configuration 2 (Tables VII, VIII): one update of the discriminator and one of the generator.

Batch 64, 96x96, everything in them: both passes, losses, clipping, Adam.
"""

from __future__ import annotations

from typing import Any

from scripts.benchmarks.frame import Benchmark
from scripts.benchmarks.frame.measure import Step
from scripts.benchmarks.frame.training import against_pytorch, training_variants

BATCH = 64


def random_batch() -> dict[str, Any]:
    """Pixels and labels of `BATCH` faces."""
    import numpy as np

    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(0, 256, (BATCH, 96, 96, 3)).astype(np.uint8),
        "valence_arousal": generator.uniform(-1, 1, (BATCH, 2)).astype(np.float32),
        "valence_arousal_mask": np.ones(BATCH, bool),
        "action_units": generator.integers(0, 2, (BATCH, 8)).astype(np.float32),
        "action_units_mask": np.ones(BATCH, bool),
    }


def keras_step(policy: str) -> Step:
    """Our `GanTrainer.train_step` with rounds of "DG", compiled."""
    import numpy as np
    import tensorflow as tf

    from kaffect.config import GanConfig
    from kaffect.labels import AFF_WILD
    from kaffect.training.gan import GanTrainer

    config = GanConfig().changed(
        {"model.configuration": 2, "train.rounds": "DG", "data.batch": BATCH}
    )
    trainer = GanTrainer(config, AFF_WILD, policy)
    data = {key: tf.constant(np.stack([v, v])) for key, v in random_batch().items()}
    step = tf.function(trainer.train_step)
    return lambda: float(step(data)["generator_loss"][0])


def torch_step(precision: str, compiled: bool) -> Step:
    """The same in PyTorch, channels last: gradients only where they are needed."""
    from scripts.reference_gan_torch import TorchGan

    return TorchGan(random_batch(), bfloat16=precision == "bfloat16", compiled=compiled).step


BENCHMARK = Benchmark(
    title="one discriminator and one generator update of configuration 2, 96x96, batch 64",
    variants=training_variants(keras_step, torch_step),
    figures=against_pytorch({"amx_bf16": 1.3, "else": 1.6}),
    amount=BATCH,
    unit="images",
    steps=1,
    warmup=1,
)
