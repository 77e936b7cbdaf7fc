"""What TF Serving wants beside the models: its configuration and warm-up requests.

Serves the engineer: a folder of exports (ROOT/NAME/VERSION/) becomes one that
`tensorflow_model_server` takes as it is. The messages are those of the package
tensorflow-serving-api; TF Serving itself was not at hand to try them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from kaffect.errors import ArtifactError
from kaffect.files import MANIFEST, write_text

WARMUP = "assets.extra/tf_serving_warmup_requests"
CONFIG_FILES = ("models.config", "batching.config", "monitoring.config")
# Where the container sees the folder.
CONTAINER_ROOT = "/models"
# Open axes of a warm-up request: rows, then frames or features.
_ROWS, _OPEN = 1, 2
_BATCHING = """\
# The most rows that are computed together, and how long a request waits for others.
max_batch_size { value: 64 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 64 }
num_batch_threads { value: 2 }
"""
_MONITORING = """\
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def write_warmup(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write warm-up requests into an export that is not sealed yet: one for each signature.

    TF Serving replays them before a version takes requests, so that the first
    user does not wait for graphs to be optimised.

    Args:
        folder: the unfinished export.
        manifest: its name and its signatures with dtypes and shapes.
    """
    path = folder / WARMUP
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, signature in sorted(manifest["signatures"].items()):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = manifest["name"]
            request.model_spec.signature_name = name
            _fill(request, signature["inputs"], manifest)
            writer.write(log.SerializeToString())


def _fill(
    request: predict_pb2.PredictRequest, inputs: Mapping[str, Any], manifest: Mapping[str, Any]
) -> None:
    for name, tensor in inputs.items():
        shape = [
            size if size is not None else (_ROWS if axis == 0 else _OPEN)
            for axis, size in enumerate(tensor["shape"])
        ]
        if tensor["dtype"] == "string":
            value = np.full(shape, _picture(manifest["picture_shape"]), object)
        else:
            value = np.zeros(shape, tf.as_dtype(tensor["dtype"]).as_numpy_dtype)
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))


def _picture(shape: list[int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (shape[1], shape[0]), (128, 128, 128)).save(out, "JPEG")
    return out.getvalue()


def write_config(root: Path) -> list[str]:
    """Write TF Serving's configuration files into `root` for all models below it.

    Returns:
        The names of the models.

    Raises:
        ArtifactError: there is no export below `root`.
    """
    names = sorted({path.parent.parent.name for path in root.glob(f"*/*/{MANIFEST}")})
    if not names:
        raise ArtifactError(f"{root}: no export in it. Expected {root}/NAME/VERSION/{MANIFEST}")
    config = model_server_config_pb2.ModelServerConfig()
    for name in names:
        model = config.model_config_list.config.add(
            name=name, base_path=f"{CONTAINER_ROOT}/{name}", model_platform="tensorflow"
        )
        # As `kaffect serve`: every version, the newest for whoever names none.
        model.model_version_policy.all.SetInParent()
    for file, text in zip(
        CONFIG_FILES, (text_format.MessageToString(config), _BATCHING, _MONITORING), strict=True
    ):
        write_text(root / file, text)
    return names


def container_command(root: Path) -> str:
    """The command that serves `root` by TF Serving's container."""
    models, batching, monitoring = (f"{CONTAINER_ROOT}/{name}" for name in CONFIG_FILES)
    return (
        "docker run --rm -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 "
        f'-v "{root.resolve()}:{CONTAINER_ROOT}:ro" tensorflow/serving '
        f"--model_config_file={models} --enable_batching=true "
        f"--batching_parameters_file={batching} --monitoring_config_file={monitoring}"
    )
