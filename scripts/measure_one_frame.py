"""How far the files of `kaffect export --onnx` and `--tflite` are from the network, frame by frame.

    python scripts/measure_one_frame.py [--width 1.0] [--frames 200]

VGGFACE-GRU-attention with random weights reads noise, the state of each frame going into the next;
the largest difference to TensorFlow is printed for outputs and for the state. docs/predict.md has
the figures of the full width. A runtime that is not installed is left out, and said to be.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow as tf  # noqa: E402

from kaffect.models import vggface_gru_attention  # noqa: E402
from kaffect.serving.export import save_graph  # noqa: E402
from kaffect.serving.golden import Arrays, golden_pictures  # noqa: E402
from kaffect.serving.mobile import lite_interpreter, write_tflite  # noqa: E402
from kaffect.serving.onnx_model import OnnxFrame, write_onnx  # noqa: E402
from kaffect.serving.recognition_graph import SequenceGraph  # noqa: E402

PACKAGES = ("tensorflow", "tf2onnx", "onnxruntime", "ai-edge-litert")
Frame = Callable[..., Arrays]


def installed(name: str) -> str:
    """Name and version of a package, or that it is not there."""
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{name} not installed"


def differences(graph: SequenceGraph, frame: Frame, frames: int) -> dict[str, float]:
    """The largest absolute differences over a stream, of outputs and of the state."""
    compute = tf.function(graph.one_frame)
    shapes = {name: (1, *shape) for name, shape in graph.head.state_shapes.items()}
    state = after = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    largest = {"outputs": 0.0, "state": 0.0}
    for picture in golden_pictures((frames, 1), graph.picture_shape[0], seed=4):
        wanted = {k: v.numpy() for k, v in compute(images=tf.constant(picture), **state).items()}
        found = frame(images=picture, **after)
        for name, value in wanted.items():
            kind = "state" if name in shapes else "outputs"
            largest[kind] = max(largest[kind], float(np.abs(found[name] - value).max()))
        state, after = ({name: each[name] for name in shapes} for each in (wanted, found))
    return largest


def runtimes(graph: SequenceGraph, folder: Path) -> dict[str, Frame]:
    """The written files, each in its runtime."""
    _, variables = save_graph(graph, folder)
    found: dict[str, Frame] = {}
    if all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnxruntime")):
        found["ONNX Runtime"] = OnnxFrame(write_onnx(graph, folder))
    lite = lite_interpreter(write_tflite(graph, variables, folder))
    (name,) = lite.get_signature_list()
    found["LiteRT"] = lite.get_signature_runner(name)
    return found


def main() -> None:
    """Write, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=float, default=1.0, help="of the CNN (default 1)")
    parser.add_argument("--frames", type=int, default=200, help="of the stream (default 200)")
    options = parser.parse_args()
    print(", ".join(map(installed, PACKAGES)))
    model = vggface_gru_attention(None, preprocessing="paper", seed=1, width=options.width)
    graph = SequenceGraph(model.get_layer("frame_encoder"), model.get_layer("sequence_head"))
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in runtimes(graph, Path(folder)).items():
            largest = differences(graph, frame, options.frames)
            shown = ", ".join(f"{kind} {value:.1e}" for kind, value in largest.items())
            print(f"{name}, width {options.width:g}, {options.frames} frames: {shown}", flush=True)


if __name__ == "__main__":
    main()
