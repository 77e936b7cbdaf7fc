"""The mean over mirror images, against two answers of the plain network."""

from __future__ import annotations

import numpy as np

from kaffect.models import affect_network

SMALL = {"image_size": 16, "width": 0.1, "stem": "small", "preprocessing": "paper", "seed": 0}


def test_answers_are_the_mean_of_both_and_training_is_as_without() -> None:
    plain = affect_network(action_units=3, **SMALL)
    both = affect_network(action_units=3, mirrored=True, **SMALL)
    assert [v.path for v in both.variables] == [v.path for v in plain.variables]
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    answers = both(images)
    trained = both(images, training=True)
    assert set(answers) == set(plain.output)
    for name, value in plain(images).items():
        mirrored = np.asarray(plain(images[:, :, ::-1])[name])
        mean = (np.asarray(value) + mirrored) / 2
        assert not np.allclose(mean, value, atol=1e-4), "the picture is not symmetric"
        np.testing.assert_allclose(answers[name], mean, rtol=1e-5, atol=1e-6)

        assert trained[name].shape == value.shape
