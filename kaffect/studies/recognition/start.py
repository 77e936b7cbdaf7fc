"""What `--weights` means for the CNN of Tables X and XI, decided before anything is loaded.

Serves the researcher who has published weights: the settings that a file brings with it, and what
the head of the table says of them. Importing this loads no TensorFlow.
"""

from __future__ import annotations

from kaffect.config.recognition import RecognitionConfig
from kaffect.errors import ConfigError, expected_received
from kaffect.studies.experiment import Changes
from kaffect.weight_files import find_weights

# Format of a file -> whose weights it has, and what they were trained on.
PUBLISHED = {"hdf5": "keras-vggface", "tensorflow": "AffWildNet"}
PREPROCESSING = {"hdf5": "vggface", "tensorflow": "paper"}
# Units of AffWildNet's fully connected layer.
_FC_UNITS = 4096
_FIRST = "--set pretrain.epochs=20 trains what is random on single frames first"


def with_weights(path: str) -> Changes:
    """The settings that a file of weights brings with it.

    The input is as the weights were trained. Layers that the file does not fill are trained on
    single frames, for at most 20 passes of at most 1000 updates; where a profile sets
    `pretrain.steps`, for so many.

    Raises:
        ConfigError: no such file, or not of these networks.
    """
    found = find_weights(path)
    if found.format not in PUBLISHED:
        accepted = "a keras-vggface notop file (HDF5) or a TensorFlow checkpoint of AffWildNet"
        raise ConfigError(expected_received(f"--weights {path}", accepted, "another file"))
    return {
        "model.preprocessing": PREPROCESSING[found.format],
        "pretrain.epochs": 20,
        "pretrain.patience": 4,
    }


def head_notes(config: RecognitionConfig) -> tuple[str, ...]:
    """Notes above a table about the weights of a fixed CNN, known before training.

    Raises:
        ConfigError: recurrent layers are asked for from a file that has none.
    """
    model = config.model
    weights = find_weights(model.weights) if model.weights else None
    if model.start == "all" and (weights is None or weights.format != "tensorflow"):
        accepted = "--weights with a TensorFlow checkpoint of AffWildNet"
        raise ConfigError(expected_received("model.start=all", accepted, model.weights))
    if config.pretrain.trains or config.train.cnn != "fixed":
        return ()
    if weights is None:
        return (
            "WARNING: the CNN is fixed at random weights: no file was loaded (--weights FILE: "
            f"keras-vggface or AffWildNet) and nothing was trained before; {_FIRST}",
        )
    if weights.format == "tensorflow" and model.fc_units == _FC_UNITS:
        return ()
    return (
        f"WARNING: the fully connected layer is fixed at random weights: {weights.path.name} does "
        f"not fill it; {_FIRST}",
    )
