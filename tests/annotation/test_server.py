"""The server: own origin only, bounded, and nothing is acknowledged that is not on disk."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kaffect.annotation.project import Project
from kaffect.annotation.server import MAX_CONNECTIONS
from kaffect.cli import main
from tests.annotation.pages import annotating

JSON = {"Content-Type": "application/json"}


def ask(
    port: int, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        text = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, text, {**(JSON if text else {}), **given})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def label(number: int, **changes: Any) -> dict[str, Any]:
    return {"kind": "label", "id": f"s-{number}", "video": "film", "pass": 1,
            "set": [["AU1", number, number, "present"]], **changes}  # fmt: skip


def test_pages_and_facts(project: Project) -> None:
    with annotating(project) as (server, _):
        status, headers, body = ask(server.port, "GET", "/")
        assert status == 200 and b"<title>kaffect annotate" in body
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        for name, kind in (("style.css", "text/css"), ("main.js", "text/javascript")):
            status, headers, body = ask(server.port, "GET", f"/assets/{name}")
            assert status == 200 and headers["Content-Type"] == f"{kind}; charset=utf-8" and body
        assert ask(server.port, "GET", "/healthz")[0] == 200
        facts = json.loads(ask(server.port, "GET", "/api/project")[2])
        assert sorted(v["name"] for v in facts["queue"]) == ["double", "film"]
        status, headers, body = ask(server.port, "GET", "/api/videos/0/film.mp4", Range="bytes=4-7")
        assert (status, body) == (206, b"ftyp")
        for path in (
            "/api/videos/2",
            "/assets/..%2fserver.py",
            "/assets/nothing.js",
            "/project.json",
        ):
            status, _, body = ask(server.port, "GET", path)
            assert status == 404 and set(json.loads(body)) == {"error"}


def test_events_are_stored_once_and_all_or_none(project: Project) -> None:
    with annotating(project) as (server, session):

        def send(*events: Any) -> tuple[int, Any]:
            message = {"project": project.id, "events": list(events)}
            status, _, body = ask(server.port, "POST", "/api/events", message)
            return status, json.loads(body)

        assert send(label(1), label(2)) == (200, {"stored": 2})
        assert send(label(2), label(3)) == (200, {"stored": 1})
        status, body = send(label(4), label(5, set=[["AU1", 0, 999, "present"]]))
        assert status == 400 and "last frame" in body["error"]
        assert [e["id"] for e in project.read_log("anna").events] == ["s-1", "s-2", "s-3"]
        runs = json.loads(ask(server.port, "GET", "/api/videos/1/runs/1")[2])
        assert runs == {"AU1": [[1, 3, "present"]]}
        other = {"project": "another", "events": [label(9)]}
        assert ask(server.port, "POST", "/api/events", other)[0] == 409
        assert ask(server.port, "POST", "/api/events", b"{")[0] == 400
        assert ask(server.port, "POST", "/api/events", b"[" * 100_000)[0] == 400
        assert ask(server.port, "POST", "/api/events", b" " * (1 << 21))[0] == 413
        many = {"project": project.id, "events": [label(1)] * 501}
        assert ask(server.port, "POST", "/api/events", many)[0] == 400
        assert session.labels.arrays("film", 1).rows["AU1"].tolist()[:5] == [-1, 1, 1, 1, -1]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_other_sites_are_refused(project: Project, headers: dict[str, str]) -> None:
    message = {"project": project.id, "events": [label(1)]}
    with annotating(project) as (server, _):
        for method, path, body in (("GET", "/api/project", None), ("POST", "/api/events", message)):
            status, _, answer = ask(server.port, method, path, body, **headers)
            assert status == 403 and b"project" not in answer
        own = f"http://127.0.0.1:{server.port}"
        assert ask(server.port, "POST", "/api/events", message, Origin=own)[0] == 200
        plain = ask(server.port, "POST", "/api/events", message, Content_Type="text/plain")
        assert plain[0] == 415, "a form of another site can send plain text only"


def test_too_many_connections_are_refused(project: Project) -> None:
    with annotating(project) as (server, _), contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        status, headers, _ = ask(server.port, "GET", "/healthz")
        assert status == 503 and headers["Connection"] == "close"
        stack.close()
        for _ in range(100):
            if (status := ask(server.port, "GET", "/healthz")[0]) == 200:
                break
            time.sleep(0.05)
        assert status == 200


def test_damage_is_told_on_the_page(project: Project) -> None:
    message = {"project": project.id, "events": [label(n) for n in range(3)]}
    with annotating(project) as (server, _):
        ask(server.port, "POST", "/api/events", message)
    path = project.folder_of("anna") / "log.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"s-1"', b'"s-8"'))
    with annotating(project) as (server, _):
        facts = json.loads(ask(server.port, "GET", "/api/project")[2])
        runs = json.loads(ask(server.port, "GET", "/api/videos/1/runs/1")[2])
    assert facts["damaged"] == [f"{path}:3: damaged line, left out"]
    assert runs == {"AU1": [[0, 0, "present"], [2, 2, "present"]]}


def start(project: Project, *flags: str) -> tuple[subprocess.Popen[str], int]:
    """The command in a process of its own; its port as it says it."""
    command = [sys.executable, "-m", "kaffect.cli", "annotate", "--project", str(project.root),
               "--annotator", "anna", "--no-browser", "--no-proposals", *flags]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("http://127.0.0.1:"):
            return process, int(line.rstrip("/\n").rpartition(":")[2])
    raise AssertionError("it ended before it printed its address")


def test_a_killed_server_keeps_what_it_acknowledged(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    process, port = start(project)
    try:
        again = ["annotate", "--project", str(project.root), "--annotator", "anna", "--no-browser"]
        assert main(again) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"is being written by process {process.pid}" in line
        message = {"project": project.id, "events": [label(n) for n in range(5)]}
        assert ask(port, "POST", "/api/events", message)[0] == 200
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    text = project.read_log("anna")
    assert [e["id"] for e in text.events] == [f"s-{n}" for n in range(5)] and not text.damaged


def test_mistakes_on_the_command_line(
    tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (
        [],
        [str(clips)],
        [str(clips), "--annotator", "../x"],
        [str(clips), "--annotator", "a", "--tasks", "x"],
        [str(clips), "--annotator", "a", "--port", "70000"],
        [str(tmp_path / "nothing"), "--annotator", "a"],
        [str(tmp_path), "--annotator", "a"],
    ):
        assert main(["annotate", "--no-browser", *flags]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
