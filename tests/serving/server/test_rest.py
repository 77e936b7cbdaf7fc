"""The REST API as a client sees it: TF Serving's paths, bodies and answers."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np
import pytest
import requests

from tests.serving.server import served


def url(server: Any, rest: str) -> str:
    return f"http://127.0.0.1:{server.rest_port}{rest}"


def post(server: Any, rest: str, body: Any, **options: Any) -> requests.Response:
    return requests.post(url(server, rest), json=body, timeout=20, **options)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    shape = (3, 5, served.SIZE, served.SIZE, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_rows(server: Any, faces: np.ndarray) -> None:
    answer = post(server, "/v1/models/tiny:predict", {"instances": faces.tolist()})
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    rows = answer.json()["predictions"]
    assert len(rows) == 3 and set(rows[0]) == {"valence_arousal", "expression_probabilities"}
    found = np.array([row["valence_arousal"] for row in rows])
    expected = served.valence(faces, 2.0)  # version 2 is the newest
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)
    np.testing.assert_allclose(found[..., 1], -expected, atol=1e-6)


def test_rows_with_names(server: Any, faces: np.ndarray) -> None:
    rows = [{"images": row.tolist()} for row in faces]
    named = post(server, "/v1/models/tiny:predict", {"instances": rows}).json()
    plain = post(server, "/v1/models/tiny:predict", {"instances": faces.tolist()}).json()
    assert named == plain


@pytest.mark.parametrize("named", [False, True])
def test_columns_and_an_older_version(server: Any, faces: np.ndarray, named: bool) -> None:
    value = {"images": faces.tolist()} if named else faces.tolist()
    answer = post(server, "/v1/models/tiny/versions/1:predict", {"inputs": value})
    found = np.array(answer.json()["outputs"]["valence_arousal"])
    np.testing.assert_allclose(found[..., 0], served.valence(faces, 1.0), atol=1e-6)


def test_one_output_is_not_wrapped_in_a_name(server: Any, faces: np.ndarray) -> None:
    body = {"signature_name": "encode", "instances": faces[0].tolist()}
    found = post(server, "/v1/models/tiny:predict", body).json()["predictions"]
    np.testing.assert_allclose(found, faces[0].astype(float).mean(axis=(1, 2)), rtol=1e-6)
    del body["instances"]
    body["inputs"] = faces[0].tolist()
    assert post(server, "/v1/models/tiny:predict", body).json() == {"outputs": found}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_encoded_images(server: Any, kind: str) -> None:
    images = [served.picture(level, kind=kind) for level in (0, 51, 255)]
    rows = [{"b64": base64.b64encode(image).decode()} for image in images]
    body = {"signature_name": "serve_jpeg", "instances": rows}
    found = post(server, "/v1/models/tiny:predict", body).json()["predictions"]
    assert [row["valence_arousal"][0] for row in found] == pytest.approx([0, 0.4, 2.0], abs=1e-6)


def test_a_stream_by_rows(server: Any, faces: np.ndarray) -> None:
    state = [[0.5] * served.STATE]
    for frame in faces[0]:
        row = {"images": frame.tolist(), "state": state[0]}
        body = {"signature_name": "serve_stream", "instances": [row]}
        state = [post(server, "/v1/models/tiny:predict", body).json()["predictions"][0]["state"]]
    expected = 0.5 + served.valence(faces[0], 2.0).sum()
    np.testing.assert_allclose(state, [[expected] * served.STATE], rtol=1e-5)


def test_a_compressed_body(server: Any, faces: np.ndarray) -> None:
    body = gzip.compress(json.dumps({"instances": faces.tolist()}).encode())
    answer = requests.post(
        url(server, "/v1/models/tiny:predict"),
        data=body,
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        timeout=20,
    )
    assert answer.status_code == 200 and len(answer.json()["predictions"]) == 3


def test_status(server: Any) -> None:
    whole = requests.get(url(server, "/v1/models/tiny"), timeout=20).json()
    states = whole["model_version_status"]
    assert [state["version"] for state in states] == ["2", "1"]
    assert states[0] == {
        "version": "2",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    one = requests.get(url(server, "/v1/models/tiny/versions/1"), timeout=20).json()
    assert one == {"model_version_status": [states[1]]}


def test_metadata(server: Any) -> None:
    answer = requests.get(url(server, "/v1/models/tiny/metadata"), timeout=20).json()
    assert answer["model_spec"] == {"name": "tiny", "signature_name": "", "version": "2"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "serve_jpeg", "serve_stream", "encode"}
    images = signatures["serving_default"]["inputs"]["images"]
    assert images["dtype"] == "DT_UINT8"
    assert images["tensor_shape"]["unknown_rank"] is False
    sizes = [dim["size"] for dim in images["tensor_shape"]["dim"]]
    assert sizes == ["-1", "-1", "8", "8", "3"]
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"


def test_health_and_metrics(server: Any) -> None:
    assert requests.get(url(server, "/healthz"), timeout=20).json() == {"status": "alive"}
    ready = requests.get(url(server, "/readyz"), timeout=20).json()
    assert ready == {"status": "ready", "models": ["tiny"]}

    def counted() -> float:
        page = requests.get(url(server, "/metrics"), timeout=20).text
        wanted = 'kaffect_requests_total{code="NOT_FOUND",model="",protocol="rest"}'
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(wanted))

    before = counted()
    assert post(server, "/v1/models/nobody:predict", {"instances": [1]}).status_code == 404
    assert counted() == before + 1
    other = requests.get(url(server, "/monitoring/prometheus/metrics"), timeout=20)
    assert "kaffect_request_seconds_bucket" in other.text
