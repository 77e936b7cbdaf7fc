"""One frame of one stream as a plain function: what files for other run times are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.errors import ArtifactError
from kaffect.serving.golden import Arrays, difference_of
from kaffect.serving.recognition_graph import FrameGraph, SequenceGraph


def signature_of(manifest: Mapping[str, Any]) -> str:
    """The signature of the SavedModel that such a file answers for."""
    return "serve_stream" if manifest["kind"] == "sequences" else "serving_default"


def one_frame_specs(graph: FrameGraph | SequenceGraph) -> dict[str, tf.TensorSpec]:
    """Name -> tensor of one frame [1, ...] and, of a sequence network, of the state before it."""
    name = "serve_stream" if isinstance(graph, SequenceGraph) else "serving_default"
    _, specs = graph.endpoints()[name]
    return {
        key: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, key) for key, spec in specs.items()
    }


def check_one_frame(
    path: Path,
    answer: Callable[..., Arrays],
    manifest: Mapping[str, Any],
    golden: tuple[Arrays, Arrays],
    tolerance: float,
) -> float:
    """Feed the first golden stream or picture to a file; give the largest difference.

    Args:
        path: of the file, for messages.
        answer: (**inputs) -> outputs, by name, as the signature of the SavedModel has them.
        golden: inputs and outputs, as `read_golden` gives them.
        tolerance: relative to the largest value of an output, and absolute.

    Raises:
        ArtifactError: the difference is above the tolerance.
    """
    inputs, outputs = ({name: value[:1] for name, value in part.items()} for part in golden)

    def run(_: str, **arrays: np.ndarray) -> Arrays:
        return dict(answer(**arrays))

    found = difference_of(signature_of(manifest), run, manifest, inputs, outputs)
    if not found <= tolerance:
        raise ArtifactError(
            f"{path.name} does not give the golden outputs. Expected a difference of at most "
            f"{tolerance:g}. Received: {found:g}"
        )
    return found
