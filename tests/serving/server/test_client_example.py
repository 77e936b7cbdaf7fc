"""The client of scripts/, which needs nothing of kaffect, against a real export."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kaffect.serving.golden import read_golden
from kaffect.serving.loading import Export
from kaffect.serving.server import folders
from kaffect.serving.server.limits import Limits
from kaffect.serving.server.servable import Models
from tests.serving.server import served

SCRIPT = Path(__file__).parents[3] / "scripts" / "serving_client.py"


@pytest.fixture(scope="module")
def client() -> Any:
    spec = importlib.util.spec_from_file_location("serving_client", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def narrow_server(sequence_export: Export) -> Iterator[Any]:
    models = Models(folders.load("narrow", sequence_export.folder.parent))
    with served.running(models, Limits()) as server:
        yield server


def test_it_needs_nothing_of_kaffect() -> None:
    assert "import kaffect" not in SCRIPT.read_text()
    assert "from kaffect" not in SCRIPT.read_text()


def test_rest_grpc_and_stream_give_the_golden_outputs(
    client: Any, narrow_server: Any, sequence_export: Export
) -> None:
    inputs, outputs = read_golden(sequence_export.folder)
    sequence = inputs["images"][0]
    files = [tf.io.encode_png(picture).numpy() for picture in sequence]
    rest = client.rest_predict(
        f"http://127.0.0.1:{narrow_server.rest_port}", "narrow", files, rows=False
    )
    with grpc.insecure_channel(f"127.0.0.1:{narrow_server.grpc_port}") as channel:
        grpc_client = client.GrpcClient(channel, "narrow")
        whole = grpc_client.predict("serving_default", images=sequence[np.newaxis])
        stream = grpc_client.stream(sequence)
    for name in ("valence_arousal", "expression_probabilities"):
        for found in (rest[name], whole[name][0], stream[name]):
            np.testing.assert_allclose(found, outputs[name][0], atol=1e-5)


def test_the_command_prints_each_frame(
    client: Any, narrow_server: Any, tmp_path: Path, capsys: Any
) -> None:
    for name in ("a.png", "b.jpg"):
        kind = "PNG" if name.endswith("png") else "JPEG"
        (tmp_path / name).write_bytes(served.picture(120, 96, kind))
    arguments = ["--rest", f"http://127.0.0.1:{narrow_server.rest_port}", "--model", "narrow"]
    arguments += ["--grpc", f"127.0.0.1:{narrow_server.grpc_port}"]
    assert client.main([*arguments, str(tmp_path / "a.png"), str(tmp_path / "b.jpg")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("frame 0:") == shown.count("frame 1:") == 3
    assert "REST, encoded pictures" in shown and "gRPC, frame by frame" in shown
