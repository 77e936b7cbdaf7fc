"""The discriminator of a GAN as a network for affect: which weights and statistics it uses."""

from __future__ import annotations

import numpy as np

from kaffect.labels import AFF_WILD
from kaffect.studies.gan.discriminator import Judge, judge_pixels
from kaffect.training.gan import GanTrainer
from tests.training import tiny_gan

CONFIG = tiny_gan.UNTRAINED


def test_judging_uses_moving_statistics() -> None:
    trainer = GanTrainer(CONFIG, AFF_WILD, "float32")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3)).astype(np.uint8)
    judge = Judge(trainer)
    alone = judge_pixels(judge, pixels[:1])
    together = judge_pixels(judge, pixels)
    # With batch statistics the answer for a face would depend on the others.
    for name, values in together.items():
        np.testing.assert_allclose(values[0], alone[name][0], rtol=1e-4, atol=1e-5)


def test_the_averaged_discriminator_judges_where_there_is_one() -> None:
    """Set apart by hand: the trained weights must not show in the answer."""
    config = CONFIG.changed({"train.discriminator_ema": 0.9})
    trainer, plain = (GanTrainer(c, AFF_WILD, "float32") for c in (config, CONFIG))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    judge = Judge(trainer)
    before = judge_pixels(judge, pixels)["valence_arousal"]
    # Both start from the same seed, and the average from the initial weights.
    same = judge_pixels(Judge(plain), pixels)["valence_arousal"]
    np.testing.assert_allclose(before, same, atol=1e-6)
    for variable in trainer.discriminator.trainable_variables:
        variable.assign(variable.value * 3 + 0.1)
    judge.refresh()
    np.testing.assert_array_equal(judge_pixels(judge, pixels)["valence_arousal"], before)
    trainer.discriminator_average.update()
    np.testing.assert_array_equal(judge_pixels(judge, pixels)["valence_arousal"], before)
    judge.refresh()
    assert np.abs(judge_pixels(judge, pixels)["valence_arousal"] - before).max() > 1e-3
