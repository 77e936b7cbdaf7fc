"""Files of published weights by a recipe, as small as a network may be: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf

CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
NAMES = [f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
Arrays = dict[str, np.ndarray]


def convolutions(width: float, seed: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of the 13 convolutions."""
    rng, below, found = np.random.default_rng(seed), 3, []
    for channels in (round(width * n) for n in CHANNELS):
        kernel = rng.standard_normal((3, 3, below, channels)) * np.sqrt(2 / (9 * below))
        bias = rng.standard_normal(channels) * 0.05
        found.append((kernel.astype("float32"), bias.astype("float32")))
        below = channels
    return found


def write_vggface(path: Path, width: float, seed: int = 5) -> Path:
    """A `notop` file as keras-vggface writes it."""
    with h5py.File(path, "w") as file:
        for name, arrays in zip(NAMES, convolutions(width, seed)):
            spellings = [f"{name}/kernel:0", f"{name}/bias:0"]
            group = file.create_group(name)
            group.attrs["weight_names"] = [s.encode() for s in spellings]
            for spelling, array in zip(spellings, arrays):
                group[spelling] = array
        file.attrs["layer_names"] = [name.encode() for name in NAMES]
    return path


def affwildnet(width: float, fc_units: int, units: int = 128, seed: int = 7) -> Arrays:
    """Variables of VGGFACE-GRU by the names of the authors' checkpoints."""
    rng = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray:
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.05
        return (rng.standard_normal(shape) * scale).astype("float32")

    found: Arrays = {}
    for place, (kernel, bias) in enumerate(convolutions(width, seed), start=1):
        found |= {f"conv_{place}/weights": kernel, f"conv_{place}/biases": bias}
    flat = 9 * round(512 * width)
    found |= {"linear_1/weights": array(flat, fc_units), "linear_1/biases": array(fc_units)}
    below = fc_units
    for k in range(2):
        scope = f"rnn_1/rnn/multi_rnn_cell/cell_{k}/gru_cell"
        for part, size in (("gates", 2 * units), ("candidate", units)):
            found[f"{scope}/{part}/kernel"] = array(below + units, size)
            found[f"{scope}/{part}/bias"] = array(size)
        below = units
    return found | {"rnn_1/weights_rnn": array(units, 2), "rnn_1/biases_rnn": array(2)}


def write_checkpoint(folder: Path, variables: Arrays) -> str:
    """A TensorFlow 1 checkpoint, with what an optimiser leaves in it; its prefix."""
    with tf.Graph().as_default():
        tensors = [tf.compat.v1.get_variable(n, initializer=v) for n, v in variables.items()]
        slot = tf.compat.v1.get_variable("linear_1/weights/Adam", initializer=np.ones(3))
        saver = tf.compat.v1.train.Saver([*tensors, slot])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            prefix: str = saver.save(session, str(folder / "model.ckpt"), global_step=7)
    return prefix


def gru_answers(variables: Arrays, features: np.ndarray) -> np.ndarray:
    """AffWildNet's recurrent layers and output in NumPy: features [time, n] -> [time, 2]."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    sequence = features.astype(np.float64)
    for k in range(2):
        scope = f"rnn_1/rnn/multi_rnn_cell/cell_{k}/gru_cell"
        state, outputs = np.zeros(variables[f"{scope}/candidate/bias"].size), []
        for x in sequence:
            gates = np.concatenate([x, state]) @ variables[f"{scope}/gates/kernel"]
            reset, update = np.split(sigmoid(gates + variables[f"{scope}/gates/bias"]), 2)
            candidate = np.concatenate([x, reset * state]) @ variables[f"{scope}/candidate/kernel"]
            new = np.tanh(candidate + variables[f"{scope}/candidate/bias"])
            state = update * state + (1 - update) * new
            outputs.append(state)
        sequence = np.array(outputs)
    return sequence @ variables["rnn_1/weights_rnn"] + variables["rnn_1/biases_rnn"]
