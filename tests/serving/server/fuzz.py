"""Mutations of good requests, from a seed: bytes of HTTP, JSON trees, gRPC messages."""

from __future__ import annotations

import base64
import http.client
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.serving.server import hostile, served

# Values that tend to break parsers and shapes.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 256, 2**31, 2**63, 2**64, 1e308, -0.0, 0.5, "", "a",
    "../../etc/passwd", "\0", "é" * 50, [], [[]], [[], []], {}, {"b64": ""}, {"b64": "!"},
    {"b64": "AAAA"}, {"images": []}, "serving_default", "serve_jpeg", "serve_stream",
)  # fmt: skip
Check = Callable[[int | None, bytes, bytes], None]


def good_bodies() -> list[dict[str, Any]]:
    """One good request for each signature."""
    image = {"b64": base64.b64encode(served.picture(9)).decode()}
    stream = {"images": [hostile.FACE], "state": [[0.0] * served.STATE]}
    return [
        {"instances": [[hostile.FACE]]},
        {"signature_name": "serve_jpeg", "instances": [image, image]},
        {"signature_name": "serve_stream", "inputs": stream},
        {"signature_name": "encode", "inputs": {"images": [hostile.FACE] * 2}},
    ]


def _mutate_tree(value: Any, rng: np.random.Generator) -> Any:
    """Change one place, at a random depth."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice(sorted(value)))
        changed = dict(value)
        what = rng.random()
        if what < 0.1:
            del changed[key]
        elif what < 0.2:
            changed[str(rng.choice(["", "x", "inputs", "images", "b64"]))] = changed[key]
        else:
            changed[key] = _mutate_tree(value[key], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = int(rng.integers(len(value)))
        what = rng.random()
        if what < 0.1:
            return value[:place] + value[place + 1 :]
        if what < 0.2:
            return value + [value[place]] * int(rng.integers(1, 40))
        return [*value[:place], _mutate_tree(value[place], rng), *value[place + 1 :]]
    return ODD[int(rng.integers(len(ODD)))]


def mutate_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, repeat, insert or drop bytes."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(out) + 1))
        length = int(rng.integers(1, 9))
        what = int(rng.integers(5))
        if what == 0 and place < len(out):
            out[place] ^= 1 << int(rng.integers(8))
        elif what == 1:
            del out[place : place + length]
        elif what == 2:
            out[place:place] = rng.bytes(length)
        elif what == 3:
            out[place:place] = out[place : place + length] * 3
        elif rng.random() < 0.3:
            del out[place:]
    return bytes(out)


def _json(rng: np.random.Generator) -> bytes:
    body = good_bodies()[int(rng.integers(4))]
    for _ in range(int(rng.integers(1, 4))):
        body = _mutate_tree(body, rng)
    return json.dumps(body).encode()


def _image(rng: np.random.Generator) -> bytes:
    picture = mutate_bytes(served.picture(9, kind=str(rng.choice(["PNG", "JPEG"]))), rng)
    row = {"b64": base64.b64encode(picture).decode()}
    return json.dumps({"signature_name": "serve_jpeg", "instances": [row]}).encode()


def _grpc_message(rng: np.random.Generator) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "tiny"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 1, 8, 8, 3), np.uint8)))
    return mutate_bytes(request.SerializeToString(), rng)


def run(server: Any, count: int, seed: int, check: Check) -> Counter[str]:
    """Send `count` requests; `check` sees each answer that is not 200.

    Returns:
        How many answers of each kind there were.
    """
    rng = np.random.default_rng(seed)
    seen: Counter[str] = Counter()
    client = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=20)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for _ in range(count):
            kind = rng.random()
            if kind < 0.2:
                seen[_send_grpc(call, _grpc_message(rng))] += 1
            elif kind < 0.3:
                seen[_send_raw(server.rest_port, rng, check)] += 1
            else:
                body = _json(rng) if kind < 0.8 else _image(rng)
                if kind > 0.97:
                    body = mutate_bytes(body, rng)
                client.request("POST", hostile.PREDICT, body, hostile.JSON_BODY)
                answer = client.getresponse()
                status, data = answer.status, answer.read()
                if status != 200:
                    check(status, str(answer.headers).encode(), data)
                seen["ok" if status == 200 else str(status)] += 1
    client.close()
    return seen


def _send_grpc(call: Any, message: bytes) -> str:
    try:
        call(message, timeout=20)
        return "grpc ok"
    except grpc.RpcError as error:
        code = error.code().name
        if code not in ("INVALID_ARGUMENT", "NOT_FOUND"):
            raise
        return "grpc refused"


def _send_raw(port: int, rng: np.random.Generator, check: Check) -> str:
    """Mutated HTTP, then the end of sending, so that no answer waits for more."""
    request = hostile.http("POST", hostile.PREDICT, json.dumps(good_bodies()[1]).encode())
    mutated = mutate_bytes(request, rng)
    if not mutated.strip():
        return "nothing sent"
    status, head, body = hostile.exchange(port, mutated, ended=True)
    if status is None:
        return "closed"
    if status != 200:
        check(status, head, body.partition(b"HTTP/1.1")[0])
    return "ok" if status == 200 else str(status)
