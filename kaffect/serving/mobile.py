"""One frame at a time on small machines: a TensorFlow Lite file beside the SavedModel.

The file has one signature, `serve_stream` (`serving_default` for networks of single
pictures), for one stream, with the same names, inputs and outputs; plain operations only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.files import atomic_write
from kaffect.serving.golden import Arrays, tolerance_of
from kaffect.serving.one_frame import check_one_frame, one_frame_specs
from kaffect.serving.recognition_graph import FrameGraph, SequenceGraph

FILE = "assets.extra/one_frame.tflite"


def write_tflite(
    graph: FrameGraph | SequenceGraph, parameters: list[tf.Variable], folder: Path
) -> Path:
    """Convert `graph` for one stream and write it into an unfinished export.

    Args:
        parameters: all variables that it reads.

    Raises:
        ConfigError: the converter does not take this network.
    """
    single = one_frame_specs(graph)
    # A module that holds nothing else: the converter looks through all of it.
    module = tf.Module()
    module.parameters = parameters
    module.one = tf.function(graph.one_frame, autograph=False)
    concrete = module.one.get_concrete_function(**single)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    try:
        with quiet_stderr():
            content = converter.convert()
    except Exception as error:  # the converter's errors have no common type of their own
        reason = str(error).splitlines()[0][:200]
        raise ConfigError(
            f"this network cannot be written for TensorFlow Lite: {reason}"
        ) from error
    path = folder / FILE
    with atomic_write(path, "wb") as handle:
        handle.write(content)
    return path


def check_tflite(path: Path, manifest: Mapping[str, Any], inputs: Arrays, outputs: Arrays) -> float:
    """Feed the first golden stream or picture to the file; give the largest difference.

    Raises:
        ArtifactError: it is above the tolerance of the export.
    """
    interpreter = lite_interpreter(path)
    (name,) = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(name)
    return check_one_frame(path, runner, manifest, (inputs, outputs), tolerance_of(manifest))


def lite_interpreter(path: Path) -> Any:
    """The one of the package ai-edge-litert, which devices have, or else TensorFlow's own."""
    if importlib.util.find_spec("ai_edge_litert") is not None:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(model_path=str(path))
    with warnings.catch_warnings():
        # TensorFlow announces the move of its interpreter to that package.
        warnings.filterwarnings("ignore", "[\\s\\S]*tf.lite.Interpreter is deprecated")
        return tf.lite.Interpreter(model_path=str(path))


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Converters write their progress past Python to standard error."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
