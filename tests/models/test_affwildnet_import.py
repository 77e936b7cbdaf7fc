"""The released AffWildNet networks: TensorFlow 1's numbers, whatever way the weights come."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config.recognition import RecognitionLoss, RecognitionTraining
from kaffect.errors import ArtifactError
from kaffect.models import load_affwildnet
from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses

Variables = dict[str, np.ndarray]


def recipe(shapes: dict[str, tuple[int, ...]], seed: int) -> Variables:
    """Weights as the golden numbers' README gives them: one generator for each sorted name."""
    found = {}
    for place, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        r = np.random.default_rng(seed + place).standard_normal(shape)
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.05
        found[name] = (r * scale).astype(np.float32)
    return found


@pytest.fixture(scope="module")
def numbers(golden: Path) -> dict[str, np.ndarray]:
    with np.load(golden / "affwildnet" / "vggface_gru.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def shapes(golden: Path) -> dict[str, tuple[int, ...]]:
    listed = json.loads((golden / "affwildnet" / "variables.json").read_text())
    return {name: tuple(shape) for name, shape in listed}


@pytest.fixture(scope="module")
def variables(numbers, shapes) -> Variables:
    return recipe(shapes, int(numbers["seed"]))


@pytest.fixture(scope="module")
def network(variables: Variables) -> keras.Model:
    return load_affwildnet(variables)


def test_outputs_are_those_of_tensorflow_1(network: keras.Model, numbers) -> None:
    rng = np.random.default_rng(int(numbers["inputs_seed"]))
    inputs = rng.uniform(-1, 1, numbers["inputs_shape"]).astype(np.float32)
    found = network(inputs)["valence_arousal"].numpy()
    expected = numbers["outputs"]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_checkpoint_on_disk(
    network: keras.Model, variables: Variables, tmp_path: Path, caplog
) -> None:
    with tf.Graph().as_default():
        tensors = [tf.compat.v1.get_variable(n, initializer=v) for n, v in variables.items()]
        slot = tf.compat.v1.get_variable("linear_1/weights/Adam", initializer=np.ones(3))
        step = tf.compat.v1.get_variable("global_step", initializer=np.int64(7))
        other = tf.compat.v1.get_variable("somebody/elses", initializer=np.ones(2))
        saver = tf.compat.v1.train.Saver([*tensors, slot, step, other])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            prefix = saver.save(session, str(tmp_path / "model.ckpt"), global_step=7)
    loaded = load_affwildnet(f"{prefix}.index")
    for mine, theirs in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert "somebody/elses" in caplog.text and "Adam" not in caplog.text


@pytest.mark.parametrize("hidden", [4096, 2000])
def test_networks_of_single_frames(variables: Variables, hidden: int) -> None:
    own = {n: v for n, v in variables.items() if not n.startswith("rnn_1/")}
    own |= recipe(
        {
            "linear2_1/weights": (4096, hidden),
            "linear2_1/biases": (hidden,),
            "linear3_1/weights": (hidden, 2),
            "linear3_1/biases": (2,),
        },
        seed=5,
    )
    model = load_affwildnet({f"{name}:0": v for name, v in own.items()})
    images = np.random.default_rng(3).uniform(-1, 1, (1, 2, 96, 96, 3)).astype(np.float32)
    features = model.get_layer("frame_encoder")(images[0]).numpy().astype(np.float64)
    # The two dense layers by hand; the convolutions are tested above.
    x = np.maximum(features @ own["linear2_1/weights"] + own["linear2_1/biases"], 0)
    expected = x @ own["linear3_1/weights"] + own["linear3_1/biases"]
    np.testing.assert_allclose(model(images)["valence_arousal"][0], expected, rtol=1e-4, atol=1e-5)


def test_fine_tuning_changes_every_layer(network: keras.Model) -> None:
    before = network.get_weights()
    config = RecognitionTraining(learning_rate=1e-4)
    losses = sequence_losses(RecognitionLoss(va="mse", va_weight=1.0, expression_weight=0.0))
    trainer = compiled(MultiTaskTrainer(network, losses, inputs="images"), adam(config, "float32"))
    rng = np.random.default_rng(0)
    batch = {
        "images": tf.constant(rng.uniform(-1, 1, (1, 2, 96, 96, 3)), tf.float32),
        "valence_arousal": tf.constant(rng.uniform(-1, 1, (1, 2, 2)), tf.float32),
    }
    terms = trainer.train_step(batch)
    assert np.isfinite(float(terms["loss"]))
    after = network.get_weights()
    network.set_weights(before)
    changed = [not np.array_equal(a, b) for a, b in zip(before, after)]
    assert all(changed)


def test_what_does_not_fit_is_named(variables: Variables, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read as a TensorFlow checkpoint"):
        load_affwildnet(tmp_path / "nothing.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(ArtifactError, match="cannot be read as a TensorFlow checkpoint"):
        load_affwildnet(tmp_path / "text.ckpt")
    without = {n: v for n, v in variables.items() if n != "conv_7/weights"}
    with pytest.raises(ArtifactError, match="1 of 38 variables are missing.*conv_7/weights"):
        load_affwildnet(without)
    name = "rnn_1/rnn/multi_rnn_cell/cell_1/gru_cell/gates/bias"
    with pytest.raises(ArtifactError, match="gates/bias: wrong shape.*256"):
        load_affwildnet({**variables, name: np.zeros(128, np.float32)})
    with pytest.raises(ArtifactError, match="not finite"):
        load_affwildnet({**variables, name: np.full(256, np.nan, np.float32)})
