"""Configuration and warm-up files, read back with the official messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from kaffect.errors import ArtifactError
from kaffect.serving import tf_serving
from tests.serving.server import served


def described(specs: Any) -> dict[str, Any]:
    return {
        name: {"dtype": "string" if s.is_string else s.dtype.name, "shape": list(s.shape)}
        for name, s in specs.items()
    }


@pytest.fixture()
def manifest(tiny_models: Any) -> dict[str, Any]:
    signatures = tiny_models.get("tiny").signatures.values()
    return {
        "name": "tiny",
        "picture_shape": [served.SIZE, served.SIZE, 3],
        "signatures": {
            s.name: {"inputs": described(s.inputs), "outputs": described(s.outputs)}
            for s in signatures
        },
    }


def test_a_server_answers_every_warm_up_request(
    server: Any, manifest: dict[str, Any], tmp_path: Path
) -> None:
    """TF Serving refuses a model whose warm-up requests fail; here they are sent by a client."""
    tf_serving.write_warmup(tmp_path, manifest)
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    seen = []
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record)
            assert log.WhichOneof("log_type") == "predict_log"
            stub.Predict(log.predict_log.request, timeout=20)
            seen.append(log.predict_log.request.model_spec.signature_name)
    assert seen == sorted(manifest["signatures"]) and len(seen) == 4


def test_warm_up_requests_are_the_same_bytes_each_time(
    manifest: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        tf_serving.write_warmup(tmp_path / name, manifest)
    assert (tmp_path / "a" / tf_serving.WARMUP).read_bytes() == (
        tmp_path / "b" / tf_serving.WARMUP
    ).read_bytes()


def test_models_config_names_every_export(tmp_path: Path) -> None:
    for place in ("affect/1", "affect/3", "generator/1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "manifest.json").write_text("{}")
    (tmp_path / "no_model" / "1").mkdir(parents=True)
    assert tf_serving.write_config(tmp_path) == ["affect", "generator"]
    config = text_format.Parse(
        (tmp_path / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    found = {
        m.name: (m.base_path, m.model_platform, m.model_version_policy.WhichOneof("policy_choice"))
        for m in config.model_config_list.config
    }
    assert found == {
        "affect": ("/models/affect", "tensorflow", "all"),
        "generator": ("/models/generator", "tensorflow", "all"),
    }


def test_a_folder_without_exports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no export in it"):
        tf_serving.write_config(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_container_sees_the_files_that_are_written(tmp_path: Path) -> None:
    command = tf_serving.container_command(tmp_path)
    assert f'"{tmp_path}:/models:ro"' in command
    for name in tf_serving.CONFIG_FILES:
        assert f"=/models/{name}" in command


def test_the_documented_command_is_the_one_that_is_printed() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "serving.md").read_text().replace("\\\n", "")
    documented = next(line for line in page.splitlines() if line.startswith("docker run"))
    printed = tf_serving.container_command(root / "saved_models")
    assert documented.replace("$PWD", str(root)).split() == printed.split()
