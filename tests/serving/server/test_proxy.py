"""The proxy that docs/serving.md shows, run as it stands: TLS, passwords, REST and gRPC."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import requests

from kaffect.loopback import HostCheck
from tests.serving.server import hostile, served
from tests.serving.server.test_abuse import PREDICT
from tests.serving.server.test_grpc_service import predict

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
NAME, LOGIN = "affect.example.org", ("anna", "a password")
pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("openssl") is None, reason="needs nginx, openssl"
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def configured(folder: Path, rest: int, grpc_port: int, port: int) -> Path:
    """The shown configuration in a whole file, with this test's files and ports."""
    (shown,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    for old, new in (
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("/etc/ssl/affect.pem", f"{folder}/affect.pem"),
        ("/etc/ssl/affect.key", f"{folder}/affect.key"),
        ("/etc/nginx/affect.passwords", f"{folder}/passwords"),
        ("127.0.0.1:8501", f"127.0.0.1:{rest}"),
        ("127.0.0.1:8500", f"127.0.0.1:{grpc_port}"),
    ):
        assert old in shown, f"the page no longer has {old!r}"
        shown = shown.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # Its workers would be another user, who may not read what is only this user's.
    user = "user root;\n" if os.geteuid() == 0 else ""
    text = f"{user}pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\n"
    text += f"http {{\naccess_log off;\n{places}{shown}}}\n"
    (folder / "nginx.conf").write_text(text)
    return folder / "nginx.conf"


def make_secrets(folder: Path) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    words += ["-keyout", str(folder / "affect.key"), "-out", str(folder / "affect.pem")]
    subprocess.run(words, check=True, capture_output=True)
    words = ["openssl", "passwd", "-apr1", LOGIN[1]]
    hashed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    (folder / "passwords").write_text(f"{LOGIN[0]}:{hashed}\n")


@contextlib.contextmanager
def proxy(folder: Path, rest: int, grpc_port: int) -> Iterator[int]:
    port = free_port()
    configuration = configured(folder, rest, grpc_port, port)
    words = ["nginx", "-c", str(configuration), "-p", str(folder), "-e", f"{folder}/error.log"]
    tested = subprocess.run([*words, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0 and "warn" not in tested.stderr, tested.stderr
    process = subprocess.Popen(words)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def proxied(tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The port of the proxy, before a server as the page starts it."""
    make_secrets(tmp_path)
    limits = replace(served.LIMITS, client_share=1.0, idle_seconds=20.0)
    hosts = HostCheck("127.0.0.1", [NAME])
    # Names are looked up here, so that the certificate's name can be asked for.
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: real(
            "127.0.0.1" if host == NAME else host, *more, **named
        ),
    )  # fmt: skip
    with served.running(tiny_models, limits, hosts=hosts) as server:
        with proxy(tmp_path, server.rest_port, server.grpc_port) as port:
            yield port, tmp_path / "affect.pem"


def test_the_proxy_of_the_page(proxied: Any) -> None:
    port, certificate = proxied
    root = f"https://{NAME}:{port}"
    body = {"instances": [[hostile.FACE]]}
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(certificate)
        ask = f"{root}/v1/models/tiny:predict"
        assert session.post(ask, json=body).status_code == 401
        assert session.post(ask, json=body, auth=(LOGIN[0], "wrong")).status_code == 401
        answer = session.post(ask, json=body, auth=LOGIN)
        assert answer.status_code == 200 and answer.json().keys() == {"predictions"}
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])  # nginx made it
        large = session.post(ask, data=b" " * (17 << 20), auth=LOGIN)
        assert large.status_code == 413
        for hidden in ("/metrics", "/monitoring/prometheus/metrics"):
            assert session.get(root + hidden, auth=LOGIN).status_code == 403
        assert session.get(f"{root}/readyz", auth=LOGIN).status_code == 200
    _grpc(port, certificate)


def _grpc(port: int, certificate: Path) -> None:
    keys = grpc.ssl_channel_credentials(certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", NAME)]
    word = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
    request = predict(images=np.zeros((1, 1, 8, 8, 3), np.uint8)).SerializeToString()
    with grpc.secure_channel(f"127.0.0.1:{port}", keys, options) as channel:
        call = channel.unary_unary(PREDICT)
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        answer, outcome = call.with_call(request, timeout=20, metadata=[("authorization", word)])
        assert answer
        ids = [value for name, value in outcome.trailing_metadata() if name == "x-request-id"]
        assert len(ids) == 1 and re.fullmatch("[0-9a-f]{32}", str(ids[0]))
