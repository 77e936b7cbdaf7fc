"""Every kind of run reads pictures as its own study does, changed and unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.data.batches.perturbations import PERTURBATIONS
from kaffect.studies.answers import PictureReader, answers_of
from kaffect.studies.evaluate import open_data
from kaffect.studies.gan.discriminator import Judge
from kaffect.training.runs import Run, load_run

from .half_bright import pictures_of, write_half_bright


@pytest.fixture(scope="module")
def half_bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_half_bright(tmp_path_factory.mktemp("half"))


KINDS = {
    "recognition": ("finished", "row-02-seed-0"),
    "gan": ("finished_gan_table", "configuration-1-row-05-seed-0"),
    "framewise": ("finished_framewise", "row-09-seed-0"),
}


def outputs_of(run: Run, images: np.ndarray) -> dict[str, np.ndarray]:
    """Of the network, asked as its own study does, for single pictures: name -> [n, k]."""
    pictures = tf.constant(images)
    if run.description.kind == "gan":
        found = Judge(run.networks)(pictures)
    elif run.description.kind == "recognition":
        features = run.networks.encoder(pictures, training=False)
        found = run.networks.trained(features[:, tf.newaxis], training=False)
    else:
        found = run.networks(pictures, training=False)
    return {name: np.asarray(v, np.float32).reshape(len(images), -1) for name, v in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_reads_the_changed_pictures(
    kind: str,
    half_bright: Path,
    request: pytest.FixtureRequest,
) -> None:
    fixture, name = KINDS[kind]
    folder = request.getfixturevalue(fixture)[1] / "checkpoints" / name
    run = load_run(folder)
    index = open_data(half_bright, run.description).split("test")
    images, reader = pictures_of(index), PictureReader(run)
    clean = answers_of(run, index)
    mirrored = PERTURBATIONS[-1]
    for change, pictures in ((None, images), (mirrored, images[:, :, ::-1])):
        expected, found = outputs_of(run, pictures), reader(index, change)
        assert found.keys() == expected.keys() == clean.keys()
        for output, values in expected.items():
            np.testing.assert_allclose(found[output], values, atol=2e-5)
            same = np.allclose(found[output], clean[output], atol=2e-5)
            assert same == (change is None)
