"""ONNX files beside exports: the SavedModel's answers, frame after frame, in ONNX Runtime."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.serving import onnx_model
from kaffect.serving.export import export_model
from kaffect.serving.facts import Facts
from kaffect.serving.golden import golden_pictures
from kaffect.serving.onnx_model import OnnxFrame, write_onnx

from .export_kinds import KINDS

FRAMES = 200


def test_two_hundred_frames_with_state(tmp_path: Path) -> None:
    graph = KINDS["sequences"]()
    frame, compute = OnnxFrame(write_onnx(graph, tmp_path)), tf.function(graph.one_frame)
    shapes = {name: (1, *shape) for name, shape in graph.head.state_shapes.items()}
    state = after = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    seen = []
    for picture in golden_pictures((FRAMES, 1), graph.picture_shape[0], seed=4):
        wanted = {k: v.numpy() for k, v in compute(images=tf.constant(picture), **state).items()}
        found = frame(images=picture, **after)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, atol=1e-4)
        state, after = ({name: each[name] for name in shapes} for each in (wanted, found))
        seen.append(wanted["valence_arousal"])
    assert np.std(seen, axis=0).min() > 1e-3  # not parity of constants
    assert state["state_filled"].item() == graph.head.state_shapes["state_window"][0]


def test_a_network_of_single_pictures(tmp_path: Path) -> None:
    graph = KINDS["classifier"]()
    path = write_onnx(graph, tmp_path)
    picture = golden_pictures((1,), graph.picture_shape[0], seed=2)
    wanted, found = graph.one_frame(tf.constant(picture)), OnnxFrame(path)(images=picture)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)


def test_without_the_converter_nothing_is_written(
    sequence_network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'kaffect\[onnx\]'"):
        export_model(sequence_network, tmp_path / "net" / "1", Facts("net"), onnx=True)
    assert not list(tmp_path.rglob("*"))


def test_a_graph_that_the_converter_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tf2onnx

    def stop(*_: object, **__: object) -> None:
        raise ValueError("no such operation\nand more")

    monkeypatch.setattr(tf2onnx.convert, "from_function", stop)
    with pytest.raises(ConfigError, match="cannot be written for ONNX: no such operation$"):
        write_onnx(KINDS["sequences"](), tmp_path)
    assert not (tmp_path / onnx_model.FILE).exists()
