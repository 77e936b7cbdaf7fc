"""Speed of configuration 2 (Tables VII, VIII) against the same networks in eager PyTorch.

One discriminator update plus one generator update, batch 64, 96x96, everything in
them: both passes, losses, clipping, Adam. PyTorch is optional:

    pip install torch        # once, into the same environment
    python scripts/benchmark_gan.py [--rounds 3] [--steps 2]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from step_timing import POLICIES, Comparison

BATCH = 64


def _random_batch() -> dict[str, Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(0, 256, (BATCH, 96, 96, 3)).astype(np.uint8),
        "valence_arousal": generator.uniform(-1, 1, (BATCH, 2)).astype(np.float32),
        "valence_arousal_mask": np.ones(BATCH, bool),
        "action_units": generator.integers(0, 2, (BATCH, 8)).astype(np.float32),
        "action_units_mask": np.ones(BATCH, bool),
    }


def keras_step(precision: str) -> Callable[[], float]:
    """Our `GanTrainer.train_step` with rounds of "DG", compiled."""
    import numpy as np
    import tensorflow as tf

    from kaffect.config import GanConfig
    from kaffect.labels import AFF_WILD
    from kaffect.training.gan import GanTrainer

    config = GanConfig().changed(
        {"model.configuration": 2, "train.rounds": "DG", "data.batch": BATCH}
    )
    trainer = GanTrainer(config, AFF_WILD, POLICIES[precision])
    data = {key: tf.constant(np.stack([v, v])) for key, v in _random_batch().items()}
    step = tf.function(trainer.train_step)

    def run() -> float:
        return float(step(data)["generator_loss"][0])

    return run


def torch_step(precision: str) -> Callable[[], float]:
    """The same in eager PyTorch, channels last: gradients only where they are needed."""
    from scripts.reference_gan_torch import TorchGan

    gan = TorchGan(_random_batch(), bfloat16=precision == "bfloat16")
    return gan.step


if __name__ == "__main__":
    sys.exit(
        Comparison(
            script=__file__,
            title="one D and one G update of configuration 2 (96x96)",
            batch=BATCH,
            keras_step=keras_step,
            torch_step=torch_step,
        ).run()
    )
