"""The looks at a GAN in training: pictures, distances, the collapse alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kaffect.evaluation.gan_watch import GanWatch, collapse_alarm
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_config import GanConfig


@pytest.mark.parametrize(
    ("distances", "alarmed"),
    [
        ([0.3], False),
        ([0.01, 0.2, 0.4], False),
        ([0.2, 0.4, 0.21], False),
        ([0.2, 0.4, 0.19], True),
        ([0.4, 0.1, 0.35], False),
    ],
)
def test_alarm_at_half_of_the_largest_distance(distances: list[float], alarmed: bool) -> None:
    text = collapse_alarm(distances)
    assert (text is not None) == alarmed
    if text:
        assert "0.1900" in text and "0.4000" in text


def test_a_collapsing_generator_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = GanTrainer(GanConfig(width=0.05, batch=4), "float32")
    generator = np.random.default_rng(0)
    for average in trainer.average.averages:
        average.assign(np.abs(generator.normal(0.1, 0.3, average.shape)))
    real = generator.integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
    watch = GanWatch(trainer, tmp_path, real=real)
    first: dict = {"step": 6, "train": {}, "validation": {}}
    watch(first)
    assert first["alarms"] == [] and first["generator"]["pairwise_distance"] > 0.01
    # Uniform grey levels differ by 255 / sqrt(6) = 104 on average: 0.81 in units of 128.
    assert first["generator"]["real_pairwise_distance"] == pytest.approx(0.81, abs=0.02)
    # The kernels of the last layer to 0: one face for every latent vector.
    trainer.average.averages[-2].assign(trainer.average.averages[-2].value * 0)
    for average in trainer.average.averages:
        if average.shape == (6, 6, 3, 3):
            average.assign(average.value * 0)
    second: dict = {"step": 12, "train": {}, "validation": {}}
    watch(second)
    assert second["generator"]["pairwise_distance"] == pytest.approx(0, abs=1e-6)
    assert "collapsing" in second["alarms"][0] and "step 12" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [
        "step-00000006.png",
        "step-00000012.png",
    ]
    path = watch.animate()
    assert path is not None
    with Image.open(path) as gif:
        assert gif.n_frames == 2
    resumed = GanWatch(trainer, tmp_path)
    resumed.resume([first])
    again: dict = {"step": 12, "train": {}, "validation": {}}
    resumed(again)
    assert again["alarms"] == second["alarms"], "the alarm survives a resume"
