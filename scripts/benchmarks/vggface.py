"""The paper's first way (Section IV-C.2): one update of the whole VGG-Face-GRU-attention.

The paper's batch is 800 frames, 10 sequences of 80. `vggface_800.py` has that; here it is one
sequence, which every machine has the memory and the time for.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from scripts.benchmarks.frame import Benchmark
from scripts.benchmarks.frame.measure import Step
from scripts.benchmarks.frame.training import against_pytorch, training_variants

FRAMES = 80


def random_batch(sequences: int, frames: int = FRAMES) -> dict[str, Any]:
    """Pixels and labels of so many sequences of `frames`."""
    import numpy as np

    generator = np.random.default_rng(0)
    shape = (sequences, frames)
    return {
        "images": generator.integers(0, 256, (*shape, 96, 96, 3)).astype(np.uint8),
        "valence_arousal": generator.uniform(-1, 1, (*shape, 2)).astype(np.float32),
        "valence_arousal_mask": np.ones(shape, bool),
        "expression": generator.integers(0, 7, shape).astype(np.int32),
        "expression_mask": np.ones(shape, bool),
    }


def keras_step(policy: str, sequences: int, recompute: int = 0, frames: int = FRAMES) -> Step:
    """Our `MultiTaskTrainer.train_step`, compiled."""
    import tensorflow as tf

    from kaffect.config.recognition import RecognitionLoss, RecognitionTraining
    from kaffect.models import layers_compute_in, vggface_gru_attention
    from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses

    with layers_compute_in(policy):
        network = vggface_gru_attention(frames, preprocessing="paper", seed=0)
    losses = sequence_losses(RecognitionLoss())
    trainer = MultiTaskTrainer(network, losses, inputs="images", recompute=recompute)
    compiled(trainer, adam(RecognitionTraining(), policy))
    data = {key: tf.constant(value) for key, value in random_batch(sequences, frames).items()}
    step = tf.function(trainer.train_step)
    return lambda: float(step(data)["loss"])


def torch_step(precision: str, compiled: bool, sequences: int, frames: int = FRAMES) -> Step:
    """The same in PyTorch, channels last."""
    from scripts.reference_vggface_torch import TorchSequences

    batch = random_batch(sequences, frames)
    return TorchSequences(batch, bfloat16=precision == "bfloat16", compiled=compiled).step


BENCHMARK = Benchmark(
    title=f"one end-to-end update of VGG-Face-GRU-attention, 1 sequence of {FRAMES} frames",
    variants=training_variants(partial(keras_step, sequences=1), partial(torch_step, sequences=1)),
    figures=against_pytorch(1.5),
    amount=FRAMES,
    unit="frames",
    steps=1,
    warmup=1,
)
