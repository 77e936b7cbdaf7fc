"""A client of a served model: the same code for `kaffect serve` and for TF Serving.

Sends face pictures (JPEG or PNG files, cut out as the model card says) to a model
that reads faces and prints what it says: by REST, by gRPC, and as a stream that hands its state
from frame to frame.

    python scripts/serving_client.py --model affect face1.jpg face2.jpg face3.jpg

It needs nothing of kaffect: requests, grpcio, numpy, opencv-python and the official
package tensorflow-serving-api.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import Any

import cv2
import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)


def rest_predict(address: str, model: str, files: list[bytes], rows: bool) -> dict[str, Any]:
    """All pictures as one sequence over REST: output name -> [frames, k].

    `rows`: the model takes single pictures, [batch], instead of sequences, [batch, time].
    """
    encoded = [{"b64": base64.b64encode(file).decode()} for file in files]
    body = {"signature_name": "serve_jpeg", "inputs": encoded if rows else [encoded]}
    answer = requests.post(f"{address}/v1/models/{model}:predict", json=body, timeout=60)
    if not answer.ok:
        raise RuntimeError(f"{answer.status_code}: {answer.json()['error']}")
    outputs = {name: np.array(value) for name, value in answer.json()["outputs"].items()}
    return outputs if rows else {name: value[0] for name, value in outputs.items()}


class GrpcClient:
    """Predicts over gRPC with the official stubs."""

    def __init__(self, channel: grpc.Channel, model: str) -> None:
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._model = model

    def signatures(self) -> dict[str, Any]:
        """Signature name -> TensorFlow's `SignatureDef`."""
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = self._model
        request.metadata_field.append("signature_def")
        answer = self._stub.GetModelMetadata(request, timeout=60)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(definitions)
        return dict(definitions.signature_def)

    def predict(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """One request: arrays in, arrays out, by name."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._stub.Predict(request, timeout=60)
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def stream(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Pictures [frames, size, size, 3] one at a time: output name -> [frames, k]."""
        definition = self.signatures()["serve_stream"]
        state = {
            name: np.zeros([1, *(d.size for d in info.tensor_shape.dim[1:])], np.float32)
            for name, info in definition.inputs.items()
            if name != "images"
        }
        steps = []
        for picture in pictures:
            answer = self.predict("serve_stream", images=picture[np.newaxis], **state)
            state = {name: answer.pop(name) for name in state}
            steps.append({name: value[0] for name, value in answer.items()})
        return {name: np.stack([step[name] for step in steps]) for name in steps[0]}


def decoded(files: list[bytes], size: int) -> np.ndarray:
    """Encoded pictures as [frames, size, size, 3] uint8 RGB."""
    found = []
    for file in files:
        image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        found.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return np.stack(found)


def show(title: str, outputs: dict[str, np.ndarray]) -> None:
    """Valence, arousal and the number of the likeliest expression of each frame."""
    print(title)
    for number in range(len(next(iter(outputs.values())))):
        parts = [f"  frame {number}:"]
        if "valence_arousal" in outputs:
            valence, arousal = outputs["valence_arousal"][number]
            parts.append(f"valence {valence:+.3f} arousal {arousal:+.3f}")
        if "expression_probabilities" in outputs:
            probabilities = outputs["expression_probabilities"][number]
            parts.append(f"expression {probabilities.argmax()} ({probabilities.max():.0%})")
        print(" ".join(parts))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", default="affect")
    parser.add_argument("--rest", default="http://localhost:8501")
    parser.add_argument("--grpc", default="localhost:8500")
    options = parser.parse_args(arguments)
    files = [path.read_bytes() for path in options.pictures]
    with grpc.insecure_channel(options.grpc) as channel:
        client = GrpcClient(channel, options.model)
        signatures = client.signatures()
        images = signatures["serving_default"].inputs["images"].tensor_shape.dim
        pictures = decoded(files, images[-2].size)
        rows = len(images) == 4
        show("REST, encoded pictures", rest_predict(options.rest, options.model, files, rows))
        answer = client.predict("serving_default", images=pictures if rows else pictures[None])
        show("gRPC, pixels", answer if rows else {n: value[0] for n, value in answer.items()})
        if "serve_stream" in signatures:
            show("gRPC, frame by frame", client.stream(pictures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
