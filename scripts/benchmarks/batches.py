"""How fast batches come from TFRecords (Section IV-C.2), and their share of a training step.

Two streams as the tables use them, each beside the step that it feeds: batches of 64 augmented
pictures, and of 10 x 80 cached features of a fixed CNN. The share is the time of a batch, made with
nothing else to do, over that of a step on a batch that is already there: the most that the pipeline
can cost, since it works ahead of the step.

Then, with op determinism on as in every table, a read and a step that take 30 ms each: with
TensorFlow's default for a NumPy function (stateful), and as the project has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest import mock

from scripts.benchmarks.frame import Benchmark, Variant, ratio
from scripts.benchmarks.frame.measure import Step

MANY = 20  # batches in a measurement: they come in bursts, and only the mean says what one costs
PAUSE = 0.03  # seconds of a read and of a step in the comparison of overlap
WIDTH = 0.25


def training_part() -> Any:
    """Rendered videos, prepared; the same folder for all variants."""
    from kaffect.data.prepared.prepare import prepare_tree
    from kaffect.data.prepared.records import PreparedData
    from kaffect.files import home
    from kaffect.studies.sources import RENDERER_VERSION
    from kaffect.synthetic import SyntheticConfig, write_tree

    folder = home() / f"benchmark-batches-{RENDERER_VERSION}"
    prepared = folder / "prepared"
    if not prepared.exists():
        tree = folder / "tree"
        if not tree.exists():
            write_tree(tree, SyntheticConfig.profile("smoke"), progress=False)
        prepare_tree(tree, prepared, progress=False)
    return PreparedData.open(prepared).split("train")


def stream(features: bool) -> Any:
    """Batches of pictures, or of features."""
    import numpy as np

    from kaffect.data.batches.pipeline import training_frames, training_sequences
    from kaffect.data.batches.sequences import make_windows

    index = training_part()
    if not features:
        return training_frames(index, batch=64)
    values = np.random.default_rng(0).uniform(size=(len(index.track), 4096)).astype(np.float32)
    return training_sequences(index, make_windows(index), features=values)


def batch_step(features: bool) -> Step:
    """Mean seconds and processor seconds of a batch."""
    source: Iterator[Any] = iter(stream(features))

    def run() -> tuple[float, float]:
        wall, busy = time.perf_counter(), time.process_time()
        for _ in range(MANY):
            next(source)
        return (time.perf_counter() - wall) / MANY, (time.process_time() - busy) / MANY

    return run


def training_step(features: bool) -> Step:
    """A step in float32 on a batch that is already there."""
    import tensorflow as tf

    from kaffect.config.recognition import Pretraining, RecognitionLoss, RecognitionTraining
    from kaffect.models import frame_classifier, frame_encoder, sequence_head
    from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses
    from kaffect.training.pretraining import frame_trainer

    config = RecognitionTraining()
    if features:
        losses = sequence_losses(RecognitionLoss())
        trainer = MultiTaskTrainer(sequence_head(seed=0), losses, inputs="features")
        compiled(trainer, adam(config, "float32"))
    else:
        encoder = frame_encoder(width=WIDTH, fc_units=1024, preprocessing="paper", seed=0)
        network = frame_classifier(encoder, seed=0)
        trainer = frame_trainer(network, Pretraining(steps=100), config, "float32")
    step, batch = tf.function(trainer.train_step), next(iter(stream(features)))
    return lambda: float(step(batch)["loss"])


def overlap_step(stateful: bool) -> Step:
    """From one batch to the next, with a slow read and a slow step."""
    import numpy as np
    import tensorflow as tf

    from kaffect.data.batches.pipeline import training_sequences
    from kaffect.data.batches.sequences import make_windows

    class SlowFeatures(np.ndarray):
        """Every look-up takes `PAUSE`, as from a slow disk."""

        def __getitem__(self, key: Any) -> Any:
            time.sleep(PAUSE)
            return super().__getitem__(key)

    tf.config.experimental.enable_op_determinism()
    index = training_part()
    values = np.zeros((len(index.track), 8), np.float32).view(SlowFeatures)
    numpy_function = tf.numpy_function

    def plain(function: Any, inputs: Any, types: Any, **_: Any) -> Any:
        return numpy_function(function, inputs, types)

    with mock.patch.object(tf, "numpy_function", plain if stateful else numpy_function):
        source = iter(training_sequences(index, make_windows(index), features=values))

    def run() -> None:
        next(source)
        time.sleep(PAUSE)

    return run


def own_time(features: bool) -> Variant:
    """The variant of a stream."""
    return Variant(partial(batch_step, features), own_time=True, steps=1, warmup=1)


BENCHMARK = Benchmark(
    title="a batch and the step that it feeds: 64 pictures of 96x96, and 800 x 4096 features",
    variants={
        "batch of pictures": own_time(False),
        "step on pictures": Variant(partial(training_step, False)),
        "batch of features": own_time(True),
        "step on features": Variant(partial(training_step, True)),
        "read beside a step": Variant(partial(overlap_step, False), steps=8, warmup=4),
        "the same, stateful": Variant(partial(overlap_step, True), steps=8, warmup=4),
    },
    figures=[
        ratio("pictures: batch / step", ["batch of pictures"], ["step on pictures"], most=0.05),
        ratio("features: batch / step", ["batch of features"], ["step on features"], most=0.05),
        ratio("stateful NumPy function / as here", ["the same, stateful"], ["read beside a step"]),
    ],
)
