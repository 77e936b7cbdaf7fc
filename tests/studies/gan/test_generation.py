"""Generated faces: repeatable, picked as wished, compared with the training faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.errors import ArtifactError, ConfigError
from kaffect.labels import ACTION_UNITS_8, AFF_WILD
from kaffect.studies.gan.generation import (
    FaceGenerator,
    Wish,
    generate_faces,
    interpolate,
)
from kaffect.studies.image_grids import read_image
from kaffect.training.gan import GanTrainer, latents
from tests.training import tiny_gan

CONFIG = tiny_gan.UNTRAINED


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan")
    tiny_gan.save_untrained(folder)
    return folder


def test_same_seed_same_faces_and_a_grid(model: Path, tmp_path: Path) -> None:
    faces = generate_faces(model, 5, seed=1, grid=tmp_path / "faces.png")
    again = generate_faces(model, 5, seed=1)
    other = generate_faces(model, 5, seed=2)
    assert faces.images.shape == (5, 32, 32, 3) and faces.images.dtype == np.uint8
    np.testing.assert_array_equal(faces.images, again.images)
    assert not np.array_equal(faces.images, other.images)
    grid = read_image(tmp_path / "faces.png")
    np.testing.assert_array_equal(grid[2:66:2, 2:66:2], faces.images[0])
    assert set(faces.judged[0]) == {"valence", "arousal", "fake", *ACTION_UNITS_8}


def test_average_or_last_weights(model: Path) -> None:
    trainer = tiny_gan.save_untrained(model)
    z = latents(1, 0, 3)
    last = generate_faces(model, 3, seed=1, average=False).images
    wanted = trainer.generator(z, training=False)
    np.testing.assert_allclose(last / 128.0 - 1, wanted, atol=1 / 128 + 1e-5)
    assert not np.array_equal(last, generate_faces(model, 3, seed=1).images)


def test_picked_faces_are_the_nearest_of_the_candidates(model: Path) -> None:
    wish = Wish(valence=0.2, action_units=("AU12",))
    picked = generate_faces(model, 4, seed=1, wish=wish, candidates=50)
    everything = generate_faces(model, 50, seed=1)

    def distance(face: dict) -> float:
        units = [(face[name] - (name == "AU12")) ** 2 for name in ACTION_UNITS_8]
        return ((face["valence"] - 0.2) / 2) ** 2 + float(np.mean(units))

    wanted = sorted(range(50), key=lambda i: distance(dict(everything.judged[i])))[:4]
    np.testing.assert_array_equal(picked.images, everything.images[wanted])
    np.testing.assert_allclose(picked.z, everything.z[wanted])
    assert [distance(dict(f)) for f in picked.judged] == sorted(
        distance(dict(f)) for f in picked.judged
    )


def test_wishes_that_cannot_be_granted(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown Action Unit.*'AU1'.*Received: 'AU99'"):
        generate_faces(model, 1, wish=Wish(action_units=("AU99",)), candidates=4)
    with pytest.raises(ConfigError, match="-1 to 1. Received: 1.5"):
        Wish(arousal=1.5)
    with pytest.raises(ConfigError, match="1 or more. Received: 0"):
        generate_faces(model, 0)
    with pytest.raises(ArtifactError, match="run.json"):
        generate_faces(tmp_path / "nothing", 1)
    tiny_gan.save_untrained(tmp_path, CONFIG.changed({"loss.tasks": ["au"]}))
    with pytest.raises(ConfigError, match="does not judge valence and arousal"):
        generate_faces(tmp_path, 1, wish=Wish(valence=0.0), candidates=4)


def test_refresh_follows_training() -> None:
    trainer = GanTrainer(CONFIG, AFF_WILD, "float32")
    faces, z = FaceGenerator(trainer), latents(0, 0, 2)
    before = faces(z)
    for average in trainer.average.averages:
        average.assign_add(average.value * 0.5 + 0.1)
    np.testing.assert_array_equal(faces(z), before)
    faces.refresh()
    assert not np.array_equal(faces(z), before)


def test_interpolation_is_linear_and_ends_at_the_anchors() -> None:
    anchors = np.array([[0.0, 0.0], [4.0, 8.0], [4.0, 0.0]])
    path = interpolate(anchors, 4)
    wanted = [[0, 0], [1, 2], [2, 4], [3, 6], [4, 8], [4, 6], [4, 4], [4, 2], [4, 0]]
    np.testing.assert_allclose(path, wanted)
    with pytest.raises(ConfigError, match="2 or more anchors"):
        interpolate(anchors[:1], 4)
