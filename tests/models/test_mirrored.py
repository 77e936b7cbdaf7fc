"""The mean over mirror images, against two answers of the plain network."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kaffect.models import affect_network
from kaffect.serving.recognition_graph import FrameGraph
from kaffect.serving.scan_operations import problem_of

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


def test_an_export_of_it_holds_only_operations_that_are_accepted() -> None:
    graph = FrameGraph(affect_network(action_units=0, mirrored=True, **SMALL))
    function, specs = graph.endpoints()["serving_default"]
    traced = tf.function(function, autograph=False).get_concrete_function(**specs)
    definition = traced.graph.as_graph_def()
    parts = [definition.node, *(inner.node_def for inner in definition.library.function)]
    layers = ("with_mirror", "_of_both")  # the others are in exports without them too
    nodes = [node for part in parts for node in part if any(name in node.name for name in layers)]
    for node in nodes:
        for name in ("Truncate", "Tidx"):  # at their defaults, which files leave out
            node.attr.pop(name, None)
    assert {"ReverseV2", "ConcatV2", "Split"} <= {node.op for node in nodes}
    assert [why for node in nodes if (why := problem_of(node, "compute"))] == []
