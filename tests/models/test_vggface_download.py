"""Fetching the weights of VGG-Face: https, a checksum, all or nothing (Section IV-B)."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from kaffect.errors import ArtifactError, ConfigError
from kaffect.models import download_vggface_weights


class Server:
    """Answers of a publisher on this machine: path -> status, headers, body."""

    def __init__(self) -> None:
        answers = self.answers = {}
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                asked.append(self.path)
                status, headers, body = answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": len(body), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_download_with_a_checksum(server, tmp_path, monkeypatch):
    body = b"weights" * 1000
    server.answers["/w.h5"] = (200, {}, body)
    digest = hashlib.sha256(body).hexdigest()
    path = download_vggface_weights(digest.upper(), tmp_path / "w.h5", f"{server.url}/w.h5")
    assert path.read_bytes() == body
    download_vggface_weights(digest, path, f"{server.url}/w.h5")
    assert server.asked == ["/w.h5"]  # what is there and right is not fetched again
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    default = download_vggface_weights(digest, url=f"{server.url}/w.h5")
    assert default == tmp_path / "home" / "weights" / "rcmalli_vggface_tf_notop_vgg16.h5"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"another file"), "Expected SHA-256 0{64}. Received: [0-9a-f]{64}"),
        ((404, {}, b""), "cannot be downloaded.*404"),
        ((200, {"Content-Length": 9999}, b"cut short"), "ended after 9 of 9999 bytes"),
        ((200, {}, b"x" * 5000), "longer than 4096 bytes"),
    ],
)
def test_a_failed_download_keeps_what_was_there(server, tmp_path, monkeypatch, answer, message):
    monkeypatch.setattr("kaffect.models.vggface_weights._MOST_BYTES", 4096)
    server.answers["/w.h5"] = answer
    path = tmp_path / "w.h5"
    path.write_bytes(b"old")
    with pytest.raises(ArtifactError, match=message):
        download_vggface_weights("0" * 64, path, f"{server.url}/w.h5")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["w.h5"]


@pytest.mark.parametrize(
    "url", ["http://example.org/w.h5", "ftp://127.0.0.1/w", "file:///etc/passwd"]
)
def test_only_https(server, tmp_path, url):
    with pytest.raises(ConfigError, match="https only"):
        download_vggface_weights("0" * 64, tmp_path / "w.h5", url)
    server.answers["/moved"] = (302, {"Location": url}, b"")
    with pytest.raises((ConfigError, ArtifactError), match="https only|not allowed"):
        download_vggface_weights("0" * 64, tmp_path / "w.h5", f"{server.url}/moved")
    assert not list(tmp_path.iterdir())


def test_a_checksum_is_required(tmp_path):
    with pytest.raises(TypeError):
        download_vggface_weights()
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        download_vggface_weights("abc", tmp_path / "w.h5")
