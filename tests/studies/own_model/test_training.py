"""Training of the project's own network: resumes to the same weights, keeps the best epoch."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from kaffect.errors import TrainingDiverged
from kaffect.models import affect_network
from kaffect.studies.own_model import faces as faces_module
from kaffect.studies.own_model.augment import augmented
from kaffect.studies.own_model.faces import Faces, render_faces
from kaffect.studies.own_model.train import OwnModelSettings, train
from kaffect.synthetic.random_faces import random_face

SETTINGS = OwnModelSettings(
    pictures=32, held_out=16, image_size=32, width=1 / 16, epochs=2, batch=8, warmup=1
)


@pytest.fixture(scope="module")
def some_faces():
    drawn = [random_face(5, number, 40) for number in range(48)]
    return Faces(
        np.stack([cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY) for face in drawn]),
        np.array([face.expression for face in drawn], np.int32),
        np.stack([face.valence_arousal for face in drawn]),
        np.stack([face.action_units for face in drawn]).astype(np.float32),
    )


def _network():
    """Small, with dropout, whose place in its series of random numbers must be kept too."""
    return affect_network(
        "small", 32, width=1 / 8, dropout=0.2, preprocessing="grey", seed=1, expressions=8
    )


class _Stopped(Exception):
    pass


def _trained(faces, folder, report=lambda *_: None):
    network = _network()
    scores = train(
        network, faces.part(slice(0, 32)), faces.part(slice(32, 48)), SETTINGS, folder, report
    )
    return [np.asarray(variable) for variable in network.trainable_variables], scores


@pytest.fixture(scope="module")
def finished(some_faces, tmp_path_factory):
    """(folder, weights, scores) of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *_trained(some_faces, folder)


def test_a_stopped_training_goes_on_to_the_same_weights(some_faces, finished, tmp_path):
    _, whole, scores = finished

    def stop_in_second_epoch(done, total, text):
        if done == total // 2 + 1:
            raise _Stopped

    with pytest.raises(_Stopped):
        _trained(some_faces, tmp_path, stop_in_second_epoch)
    updates = []
    weights, again = _trained(some_faces, tmp_path, lambda done, *_: updates.append(done))
    assert min(updates) == 5  # the first epoch was not trained again
    assert all(np.array_equal(a, b) for a, b in zip(whole, weights))
    assert again == scores


def test_a_state_of_other_settings_is_not_taken(some_faces, finished):
    """Of the same settings nothing is left to train; with others it begins at update 1."""
    other = dataclasses.replace(SETTINGS, learning_rate=1e-3)
    updates = []

    def stop_at_once(done, total, text):
        updates.append(done)
        raise _Stopped

    _trained(some_faces, finished[0], stop_at_once)
    assert not updates
    with pytest.raises(_Stopped):
        train(_network(), some_faces, some_faces, other, finished[0], stop_at_once)
    assert updates == [1]


def test_a_loss_that_is_not_finite_stops_it(some_faces, tmp_path):
    broken = dataclasses.replace(
        some_faces, valence_arousal=np.full_like(some_faces.valence_arousal, np.nan)
    )
    with pytest.raises(TrainingDiverged):
        _trained(broken, tmp_path)


def test_a_batch_that_cannot_be_made_stops_it(some_faces, tmp_path):
    broken = dataclasses.replace(some_faces, image=np.empty(len(some_faces), object))
    ended = ThreadPoolExecutor(1).submit(
        train, _network(), broken, some_faces, SETTINGS, tmp_path
    )  # fmt: skip
    with pytest.raises(TypeError, match="NoneType"):
        ended.result(120)  # fails, instead of hanging for ever


def test_augmentation_is_a_function_of_its_generator(some_faces):
    image = some_faces.image[0]
    first = augmented(np.random.default_rng(3), image, 32)
    assert first.shape == (32, 32) and first.dtype == np.uint8
    assert np.array_equal(first, augmented(np.random.default_rng(3), image, 32))
    assert not np.array_equal(first, augmented(np.random.default_rng(4), image, 32))


def test_rendering_goes_on_with_what_is_missing(tmp_path, monkeypatch):
    """Without processes, three small files: a damaged one is drawn anew, the others are kept."""
    drawn = []
    monkeypatch.setattr(faces_module, "CHUNK", 4)

    class Pool:
        def __init__(self, processes):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def imap_unordered(self, work, jobs):
            drawn.append([path.name for path, *_ in jobs])
            return map(work, jobs)

    monkeypatch.setattr(
        faces_module.multiprocessing, "get_context", lambda _: type("C", (), {"Pool": Pool})
    )
    first = render_faces(tmp_path, 12, 7)
    (tmp_path / "000004.npz").write_bytes(b"half a file")
    again = render_faces(tmp_path, 12, 7)
    assert drawn == [["000000.npz", "000004.npz", "000008.npz"], ["000004.npz"]]
    assert np.array_equal(first.image, again.image) and len(first) == 12
