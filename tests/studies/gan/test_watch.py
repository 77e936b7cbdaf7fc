"""The looks at a GAN in training: pictures, distances, the collapse alarm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kaffect.config import GanConfig
from kaffect.labels import AFF_WILD
from kaffect.studies.gan.watch import GanWatch, collapse_alarm
from kaffect.studies.image_grids import image_grid, read_image
from kaffect.training.gan import GanTrainer


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


@pytest.mark.parametrize(("now", "alarmed"), [(0.11, False), (0.09, True)])
def test_alarm_at_a_quarter_of_the_real_distance(now: float, alarmed: bool) -> None:
    """Also from the first look, where nothing has fallen yet."""
    text = collapse_alarm([now], 0.4, "trained")
    assert (text is not None) == alarmed
    if text:
        assert "trained weights" in text and "0.0900" in text and "real ones by 0.4000" in text


def _trainer() -> GanTrainer:
    """Averaged and trained weights of a generator whose faces differ."""
    config = GanConfig().changed({"model.width": 0.05, "data.batch": 4})
    trainer = GanTrainer(config, AFF_WILD, "float32")
    generator = np.random.default_rng(0)
    for average in trainer.average.averages:
        average.assign(np.abs(generator.normal(0.1, 0.3, average.shape)))
    trainer.average.copy_to(trainer.generator)
    return trainer


def _one_face(variables: Sequence[Any]) -> None:
    """The kernels of the last layer to 0: one face for every latent vector."""
    for variable in variables:
        if tuple(variable.shape) == (6, 6, 3, 3):
            variable.assign(variable.value * 0)


def _look(watch: GanWatch, step: int) -> dict[str, Any]:
    look: dict[str, Any] = {"step": step, "train": {}, "validation": {}}
    watch(look)
    return look


def test_a_generator_that_shows_one_face_from_the_start_is_noticed(tmp_path: Path) -> None:
    """The average still varies where the trained weights do not: both are looked at."""
    trainer = _trainer()
    _one_face(trainer.generator.variables)
    generator = np.random.default_rng(1)
    real = (128 + generator.integers(0, 4, (8, 32, 32, 3))).astype(np.uint8)
    watch = GanWatch(trainer, tmp_path, real=real)
    look = _look(watch, 6)
    found = look["generator"]
    assert found["trained_pairwise_distance"] == pytest.approx(0, abs=1e-6)
    assert found["pairwise_distance"] > 0.01 > found["real_pairwise_distance"] * 0.25
    (alarm,) = look["alarms"]
    assert "trained weights" in alarm and "0.0000 on average" in alarm
    # The picture is of the averaged weights, as before.
    grid = read_image(tmp_path / "samples" / "step-00000006.png")
    watch.faces.refresh()
    np.testing.assert_array_equal(grid, image_grid(watch.faces(watch.z)[:36]))


def test_a_collapsing_generator_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = _trainer()
    watch = GanWatch(trainer, tmp_path)
    first = _look(watch, 6)
    assert first["alarms"] == [] and first["generator"]["pairwise_distance"] > 0.01
    _one_face(trainer.average.averages)
    second = _look(watch, 12)
    assert second["generator"]["pairwise_distance"] == pytest.approx(0, abs=1e-6)
    (alarm,) = second["alarms"]
    assert "averaged weights) may be collapsing" in alarm and "step 12" in capsys.readouterr().err
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
    again = _look(resumed, 12)
    assert again["alarms"] == second["alarms"], "the alarm survives a resume"


def test_real_faces_are_measured_in_units_of_128(tmp_path: Path) -> None:
    """Uniform grey levels differ by 255 / sqrt(6) = 104 on average."""
    real = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
    watch = GanWatch(_trainer(), tmp_path, real=real)
    assert watch.real_distance == pytest.approx(0.81, abs=0.02)


def test_a_history_without_trained_weights_is_taken_over(tmp_path: Path) -> None:
    watch = GanWatch(_trainer(), tmp_path)
    watch.resume([{"generator": {"pairwise_distance": 0.3}}])
    look = _look(watch, 12)
    assert watch.distances["averaged"][0] == 0.3 and len(watch.distances["trained"]) == 1
    assert "after 0.3000 earlier" in look["alarms"][0] and len(look["alarms"]) == 1
