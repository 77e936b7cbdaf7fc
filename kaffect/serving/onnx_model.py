"""One frame at a time in ONNX Runtime: an ONNX file beside the SavedModel.

The file is for one stream, with the inputs and outputs of `serve_stream` (`serving_default` for
networks of single pictures). A graph of ONNX cannot give an output the name of an input, so the
state after the frame is called `next_state_...`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.files import atomic_write
from kaffect.serving.golden import Arrays
from kaffect.serving.mobile import quiet_stderr
from kaffect.serving.one_frame import check_one_frame, one_frame_specs
from kaffect.serving.recognition_graph import FrameGraph, SequenceGraph

FILE = "assets.extra/one_frame.onnx"
NEXT = "next_"
# Another run time sums in another order; measured over 200 frames with state: docs/predict.md.
TOLERANCE = 1e-4
_OPSET = 17
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_PACKAGES = ("tf2onnx", "onnxruntime")


def require_onnx() -> None:
    """Raise `ConfigError` where the packages that write and check such a file are missing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--onnx needs {' and '.join(missing)}, which is not installed: "
            "pip install 'kaffect[onnx]'"
        )


def write_onnx(graph: FrameGraph | SequenceGraph, folder: Path) -> Path:
    """Convert `graph` for one stream and write it into an unfinished export.

    Raises:
        ConfigError: the converter does not take this network, or is not installed.
    """
    require_onnx()
    converter = _converter()
    specs = one_frame_specs(graph)

    def one(*tensors: Any) -> dict[str, Any]:
        outputs = graph.one_frame(**dict(zip(specs, tensors, strict=True)))
        return {NEXT + key if key in specs else key: value for key, value in outputs.items()}

    try:
        with quiet_stderr():
            model, _ = converter.from_function(
                tf.function(one, autograph=False),
                input_signature=list(specs.values()),
                opset=_OPSET,
            )
    except Exception as error:  # the converter's errors have no common type of their own
        reason = str(error).splitlines()[0][:200]
        raise ConfigError(f"this network cannot be written for ONNX: {reason}") from error
    path = folder / FILE
    with atomic_write(path, "wb") as handle:
        handle.write(model.SerializeToString())
    return path


def _converter() -> Any:
    """`tf2onnx.convert`; importing it sets an environment variable, which is put back."""
    level = os.environ.get(_LOG_LEVEL)
    try:
        from tf2onnx import convert
    finally:
        os.environ.pop(_LOG_LEVEL, None)
        if level is not None:
            os.environ[_LOG_LEVEL] = level
    return convert


class OnnxFrame:
    """An ONNX file of an export, in ONNX Runtime on the processor: **inputs -> outputs by name.

    The state after the frame has the names of the state before it.
    """

    def __init__(self, path: Path) -> None:
        require_onnx()
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, **inputs: np.ndarray) -> Arrays:
        values = self._session.run(None, inputs)
        return {name.removeprefix(NEXT): v for name, v in zip(self._names, values)}


def check_onnx(path: Path, manifest: Mapping[str, Any], inputs: Arrays, outputs: Arrays) -> float:
    """Feed the first golden stream or picture to the file; give the largest difference.

    Raises:
        ArtifactError: it is above `TOLERANCE`.
    """
    return check_one_frame(path, OnnxFrame(path), manifest, (inputs, outputs), TOLERANCE)
