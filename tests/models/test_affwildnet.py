"""The network of Figure 5 and its two parts."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.models import (
    frame_classifier,
    frame_encoder,
    join,
    sequence_head,
    vggface_gru_attention,
)

SMALL = {
    "image_size": 32,
    "width": 0.0625,
    "fc_units": 12,
    "gru_units": (6, 5),
    "attention_length": 4,
    "seed": 1,
}


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (*shape, 32, 32, 3)).astype("float32")


def test_shapes_and_parameters_of_the_paper():
    model = vggface_gru_attention()
    assert model.input_shape == (None, 80, 96, 96, 3)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.output.items()}
    assert shapes == {"valence_arousal": (None, 80, 2), "expression_logits": (None, 80, 7)}
    encoder, head = model.get_layer("frame_encoder"), model.get_layer("sequence_head")
    assert encoder.get_layer("flatten").output.shape == (None, 4608)
    assert encoder.output_shape == (None, 4096)
    assert encoder.count_params() == 14_714_688 + 4608 * 4096 + 4096
    assert head.get_layer("fc6_dropout").rate == 0.5
    attention = head.get_layer("attention_gru")
    assert attention.units == (128, 128) and attention.attention_length == 32
    assert attention.implementation == "fused" and not attention.mask_zero_slots
    outputs = 2 * 129 + 7 * 129
    assert head.count_params() == attention.count_params() + outputs
    assert model.count_params() == encoder.count_params() + head.count_params() == 52_703_305
    for name in ("valence_arousal", "expression_logits"):
        assert head.get_layer(name).activation is keras.activations.linear
    assert encoder.get_layer("fc6").activation is keras.activations.relu


def test_frames_are_seen_one_by_one_and_sequences_apart():
    """The whole network is the CNN on every frame, then the head on every sequence."""
    model = vggface_gru_attention(5, **SMALL)
    batch = images(3, 5)
    outputs = model(batch)
    for i in range(3):
        features = model.get_layer("frame_encoder")(batch[i])
        alone = model.get_layer("sequence_head")(features[np.newaxis])
        for name, value in alone.items():
            np.testing.assert_allclose(outputs[name][i], value[0], rtol=0, atol=1e-5)


def test_pixels_inside_the_network_or_normalised_before():
    inside = vggface_gru_attention(4, preprocessing="paper", **SMALL)
    before = vggface_gru_attention(4, **SMALL)
    assert inside.inputs[0].dtype == "uint8" and before.inputs[0].dtype == "float32"
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 32, 32, 3), "uint8")
    expected = before((pixels.astype("float32") - 128) / 128)
    for name, value in inside(pixels).items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-6)
    other = vggface_gru_attention(4, preprocessing="vggface", **SMALL)(pixels)
    assert np.abs(other["valence_arousal"] - expected["valence_arousal"]).max() > 1e-3


def test_both_implementations_are_one_network():
    fused = vggface_gru_attention(5, **SMALL)
    cell = vggface_gru_attention(5, implementation="cell", **SMALL)
    for one, two in zip(fused.weights, cell.weights):
        np.testing.assert_array_equal(one, two)
    for name, value in fused(images(2, 5)).items():
        np.testing.assert_allclose(cell(images(2, 5))[name], value, rtol=0, atol=1e-5)


def test_dropout_is_on_the_features_and_only_in_training():
    head = sequence_head(3, 400, gru_units=(6,), attention_length=2, seed=1)
    features = np.random.default_rng(0).random((2, 3, 400), "float32")
    np.testing.assert_array_equal(
        head(features, training=False)["valence_arousal"], head(features)["valence_arousal"]
    )
    dropped = head.get_layer("fc6_dropout")(features, training=True).numpy()
    kept = dropped != 0
    assert 0.45 < kept.mean() < 0.55
    np.testing.assert_allclose(dropped[kept], 2 * features[kept], rtol=1e-6)
    encoder = frame_encoder(32, 0.0625, 12, seed=1)
    same = encoder(images(2), training=True)  # features before dropout: they can be kept
    np.testing.assert_array_equal(same, encoder(images(2), training=False))
    assert same.numpy().min() >= 0


def test_a_fixed_cnn_leaves_the_head_to_train():
    model = vggface_gru_attention(3, **SMALL)
    model.get_layer("frame_encoder").trainable = False
    head = model.get_layer("sequence_head")
    paths = [v.path for v in model.trainable_variables]
    assert paths == [v.path for v in head.trainable_variables] and paths


def test_parts_are_shared_when_joined():
    encoder = frame_encoder(32, 0.0625, 12, seed=1)
    classifier = frame_classifier(encoder, seed=1)
    head = sequence_head(4, 12, gru_units=(6,), attention_length=2, seed=1)
    whole = join(encoder, head, 4)
    before = whole(images(1, 4))["valence_arousal"].numpy()
    classifier.get_layer("frame_encoder").get_layer("fc6").bias.assign(np.ones(12))
    assert np.abs(whole(images(1, 4))["valence_arousal"] - before).max() > 1e-3


def test_frame_classifier():
    encoder = frame_encoder(32, 0.0625, 12, preprocessing="paper", seed=1)
    model = frame_classifier(encoder, action_units=12, expressions=8)
    assert model.inputs[0].dtype == "uint8"
    outputs = model(np.zeros((2, 32, 32, 3), "uint8"))
    assert {name: tuple(v.shape) for name, v in outputs.items()} == {
        "valence_arousal": (2, 2),
        "expression_logits": (2, 8),
        "action_unit_logits": (2, 12),
    }
    assert set(frame_classifier(encoder, True, 0, 0).output) == {"valence_arousal"}
    with pytest.raises(ConfigError, match="at least one output"):
        frame_classifier(encoder, False, 0, 0)


def test_single_task_networks():
    assert set(vggface_gru_attention(3, expressions=0, **SMALL).output) == {"valence_arousal"}
    only = vggface_gru_attention(3, expressions=8, valence_arousal=False, **SMALL)
    assert {k: v.shape[-1] for k, v in only.output.items()} == {"expression_logits": 8}
    with pytest.raises(ConfigError, match="at least one output"):
        vggface_gru_attention(3, expressions=0, valence_arousal=False, **SMALL)


def test_a_saved_model_for_serving_gives_the_same(tmp_path):
    """The recurrence is what could fail here: its loop and its own gradient."""
    model = sequence_head(None, 12, gru_units=(6, 5), attention_length=4, jit_compile=True, seed=1)
    features = np.random.default_rng(0).random((2, 5, 12), "float32")
    model.export(tmp_path / "1", format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    served = loaded.serve(features)
    for name, value in model(features).items():
        np.testing.assert_allclose(served[name], value, rtol=0, atol=1e-5)


def test_one_compiled_training_step_moves_every_weight():
    model = vggface_gru_attention(4, **{**SMALL, "width": 0.125, "dropout": 0.0})
    before = [v.numpy() for v in model.trainable_variables]

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            loss = sum(tf.reduce_sum((value - 1.0) ** 2) for value in outputs.values())
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    gradients = step(images(2, 4))
    for variable, gradient, value in zip(model.trainable_variables, gradients, before):
        assert gradient.shape == value.shape
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize(("name", "features"), [("resnet18", 64), ("small", 32)])
def test_another_backbone(name, features):
    """Behind it come the same layers: 512 and 256 channels, an eighth of them here."""
    encoder = frame_encoder(32, 0.125, 12, preprocessing="paper", seed=1, backbone=name)
    assert encoder.output_shape == (None, 12)
    assert encoder.get_layer("fc6").kernel.shape == (features, 12)
    whole = vggface_gru_attention(3, backbone=name, **{**SMALL, "width": 0.125})
    assert whole.get_layer("frame_encoder").get_layer("fc6").kernel.shape == (features, 12)


def test_unknown_preprocessing():
    with pytest.raises(
        ConfigError, match="'None', 'grey', 'imagenet', 'paper', 'vggface'. Received: 'zero-one'"
    ):
        vggface_gru_attention(4, preprocessing="zero-one", **SMALL)
