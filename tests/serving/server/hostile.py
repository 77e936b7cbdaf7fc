"""Requests that a server must refuse, as raw bytes of HTTP: one name, one request, one status."""

from __future__ import annotations

import base64
import gzip
import io
import json
import socket
import struct
import zlib
from typing import Any

from PIL import Image

from tests.serving.server import served

PREDICT = "/v1/models/tiny:predict"
FACE = [[[0] * 3] * served.SIZE] * served.SIZE
# Accepted statuses; None: the connection may be closed without an answer.
Case = tuple[bytes, set[int | None]]
BAD = {400}
JSON_BODY = {"Content-Type": "application/json"}


def http(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    named = {"Content_Length": str(len(body)), "Content_Type": "application/json", **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def predict(value: Any, path: str = PREDICT, **headers: str) -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return http("POST", path, body, **headers)


def image(data: bytes) -> bytes:
    row = {"b64": base64.b64encode(data).decode()}
    return predict({"signature_name": "serve_jpeg", "instances": [row]})


def _encoded(kind: str, size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size).save(out, kind, **options)
    return out.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small JPEG with another size written over that of its header."""
    data = bytearray(_encoded("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _stream(images: Any, state: Any) -> bytes:
    inputs = {"images": images, "state": state}
    return predict({"signature_name": "serve_stream", "inputs": inputs})


def _deep(depth: int) -> bytes:
    return b'{"inputs":' + b"[" * depth + b"]" * depth + b"}"


PATHS: dict[str, Case] = {
    "root": (http("GET", "/"), {404}),
    "unknown address": (http("GET", "/v2/models"), {404}),
    "traversal": (http("GET", "/v1/models/../../etc/passwd"), {404}),
    "encoded traversal": (http("GET", "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), {404}),
    "NUL in the address": (http("GET", "/v1/models/tiny%00"), {404}),
    "bad percent": (http("GET", "/v1/models/%zz"), {400, 404}),
    "no UTF-8 in the address": (http("GET", "/v1/models/%ff%fe"), {404}),
    "long address": (http("GET", "/" + "a" * 20_000), {400}),
    "unknown model": (http("GET", "/v1/models/nobody"), {404}),
    "unknown version": (http("GET", "/v1/models/tiny/versions/7"), {404}),
    "huge version": (http("GET", "/v1/models/tiny/versions/" + "9" * 18), {404}),
    "endless version": (http("GET", "/v1/models/tiny/versions/" + "9" * 4000), {404}),
    "word as version": (http("GET", "/v1/models/tiny/versions/new"), {404}),
    "negative version": (http("GET", "/v1/models/tiny/versions/-1"), {404}),
    "classify": (predict({"examples": []}, "/v1/models/tiny:classify"), {404}),
    "unknown method name": (predict({}, "/v1/models/tiny:explode"), {404}),
    "query is ignored, model unknown": (http("GET", "/v1/models/x?a=../../b"), {404}),
    "absolute address": (http("GET", "http://evil.example/v1/models/no"), {404}),
}
METHODS: dict[str, Case] = {
    "GET of predict": (http("GET", PREDICT), {405}),
    "PUT": (http("PUT", PREDICT, b"{}"), {405}),
    "DELETE": (http("DELETE", "/v1/models/tiny"), {405}),
    "POST of status": (http("POST", "/v1/models/tiny", b"{}"), {405}),
    "OPTIONS": (http("OPTIONS", PREDICT), {405}),
    "TRACE": (http("TRACE", PREDICT), {405}),
    "POST of health": (http("POST", "/healthz"), {405}),
    "unknown method": (http("BREW", PREDICT), {400, 405}),
}
PROTOCOL: dict[str, Case] = {
    "no HTTP": (b"hello\r\n\r\n", {400}),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60, {400, None}),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\n\r\n", {400}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404}),
    "header without colon": (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", {400}),
    "NUL in a header": (http("GET", "/", X="a\0b"), {400}),
    "long header": (http("GET", "/", X="a" * 20_000), {400}),
    "many headers": (http("GET", "/", **{f"X{i}": "a" for i in range(500)}), {400}),
    "negative length": (http("POST", PREDICT, Content_Length="-5"), {400}),
    "word as length": (http("POST", PREDICT, Content_Length="ten"), {400}),
    "length and chunks": (
        http("POST", PREDICT, b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Length="5"),
        {400},
    ),
    "bad chunk": (
        http("POST", PREDICT, b"zz\r\n{}\r\n", Transfer_Encoding="chunked").replace(
            b"Content-Length: 8\r\n", b""
        ),
        {400},
    ),
    "huge length": (http("POST", PREDICT, Content_Length=str(10**15)), {413}),
    "body beyond the limit": (predict(b" " * (served.LIMITS.body_bytes + 1)), {413}),
    "body that never comes": (http("POST", PREDICT, Content_Length="50"), {408}),
    "header that never ends": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", {None, 408}),
    "gzip bomb": (predict(gzip.compress(b" " * 50_000_000), Content_Encoding="gzip"), {413}),
    "broken gzip": (predict(b"\x1f\x8b rubbish", Content_Encoding="gzip"), BAD),
    "gzip broken off": (
        predict(gzip.compress(b'{"inputs": 1}')[:-6], Content_Encoding="gzip"),
        BAD,
    ),
    "unknown encoding": (predict({"inputs": 1}, Content_Encoding="br"), {415}),
}
JSON: dict[str, Case] = {
    "empty body": (predict(b""), BAD),
    "no JSON": (predict(b"inputs=1"), BAD),
    "cut JSON": (predict(b'{"inputs": [1,'), BAD),
    "list": (predict([1]), BAD),
    "number": (predict(b"5"), BAD),
    "NaN": (predict(b'{"inputs": NaN}'), BAD),
    "deep lists": (predict(_deep(100_000)), BAD),
    "lists of rank 40": (predict(_deep(40)), BAD),
    "deep objects": (predict(b'{"a":' * 100_000), BAD),
    "bytes that are no UTF-8": (predict(b'{"inputs": "\xff"}'), BAD),
    "lone surrogate": (predict(b'{"inputs": "\\ud800"}'), BAD),
    "neither rows nor columns": (predict({}), BAD),
    "both": (predict({"inputs": 1, "instances": [1]}), BAD),
    "unknown key": (predict({"inputs": 1, "../../x": 1}), BAD),
    "signature is a number": (predict({"inputs": 1, "signature_name": 5}), BAD),
    "signature unknown": (predict({"inputs": 1, "signature_name": "x"}), BAD),
    "signature is a path": (predict({"inputs": 1, "signature_name": "/etc/passwd"}), BAD),
    "signature is markup": (predict({"inputs": 1, "signature_name": "<script>"}), BAD),
    "internal signature": (
        predict({"inputs": 1, "signature_name": "__saved_model_init_op"}),
        BAD,
    ),
    "rows are an object": (predict({"instances": {"images": 1}}), BAD),
    "no rows": (predict({"instances": []}), BAD),
    "rows of two kinds": (predict({"instances": [{"images": [FACE]}, [FACE]]}), BAD),
    "unknown input": (predict({"inputs": {"face": [[FACE]]}}), BAD),
    "input too many": (predict({"inputs": {"images": [[FACE]], "more": 1}}), BAD),
    "huge number": (predict({"inputs": [[10**400]]}), BAD),
    "long string among numbers": (predict({"inputs": ["x" * 900_000, *[""] * 9000]}), BAD),
}
TENSORS: dict[str, Case] = {
    "wrong rank": (predict({"instances": [FACE]}), BAD),
    "wrong size": (predict({"instances": [[FACE[:-1]]]}), BAD),
    "ragged": (predict({"instances": [[FACE], [FACE, FACE]]}), BAD),
    "pixel of 256": (predict({"instances": [[[[[256] * 3] * 8] * 8]]}), BAD),
    "pixel of -1": (predict({"instances": [[[[[-1] * 3] * 8] * 8]]}), BAD),
    "pixel of 1.5": (predict({"instances": [[[[[1.5] * 3] * 8] * 8]]}), BAD),
    "pixel of true": (predict({"instances": [[[[[True] * 3] * 8] * 8]]}), BAD),
    "pixel of null": (predict({"instances": [[[[[None] * 3] * 8] * 8]]}), BAD),
    'pixel of "1"': (predict({"instances": [[[[["1"] * 3] * 8] * 8]]}), BAD),
    "no time": (predict({"instances": [[]]}), BAD),
    "too many rows": (predict({"instances": [[FACE]] * 17}), BAD),
    "too long": (predict({"instances": [[FACE] * 41]}), BAD),
    "state lacks": (predict({"signature_name": "serve_stream", "inputs": [FACE]}), BAD),
    "state of another length": (_stream([FACE], [[0.0] * 5]), BAD),
    "state of other rows": (_stream([FACE], [[0.0] * 4] * 2), BAD),
    "state not finite in float32": (_stream([FACE], [[1e300] * 4]), BAD),
}
IMAGES: dict[str, Case] = {
    "no base64": (
        predict({"signature_name": "serve_jpeg", "instances": [{"b64": "%%%"}]}),
        BAD,
    ),
    "base64 of a number": (
        predict({"signature_name": "serve_jpeg", "instances": [{"b64": 5}]}),
        BAD,
    ),
    "text": (image(b"this is no image"), BAD),
    "GIF": (image(_encoded("GIF")), BAD),
    "BMP": (image(_encoded("BMP")), BAD),
    "TIFF": (image(_encoded("TIFF")), BAD),
    "PNG bomb": (image(png_claiming(60_000, 60_000)), BAD),
    "PNG of no pixels": (image(png_claiming(0, 5)), BAD),
    "PNG with little data": (image(png_claiming(100, 100)), BAD),
    "JPEG bomb": (image(jpeg_claiming(65_000, 65_000)), BAD),
    "cut JPEG": (image(_encoded("JPEG", (64, 64))[:-200]), BAD),
    "only a JPEG mark": (image(b"\xff\xd8\xff\xe0"), BAD),
    "image of another size": (image(_encoded("PNG", (9, 9))), BAD),
    "too many pixels": (image(_encoded("PNG", (257, 256))), BAD),
    "too many bytes": (image(_encoded("PNG") + b"\0" * served.LIMITS.image_bytes), BAD),
    "encoded face among plain ones": (predict({"instances": [{"b64": "AA=="}]}), BAD),
}
CASES: dict[str, Case] = {**PATHS, **METHODS, **PROTOCOL, **JSON, **TENSORS, **IMAGES}


def exchange(
    port: int, request: bytes, timeout: float = 10.0, ended: bool = False
) -> tuple[int | None, bytes, bytes]:
    """Send raw bytes; give status, header and body; (None, b"", b"") where it just closes.

    `ended` tells the server that no more will come.
    """
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        try:
            connection.sendall(request)
            if ended:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent; the answer is read all the same
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    if not answer:
        return None, b"", b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body
