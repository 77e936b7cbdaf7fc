"""`kaffect serve` as a process: it listens, answers, and ends in order on a signal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kaffect.cli import main
from kaffect.cli.serve import parse_limits
from kaffect.errors import ConfigError
from kaffect.serving.server.limits import Limits
from tests.serving.server.test_abuse import until

ROOT = Path(__file__).parents[2]


def start(errors: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kaffect.cli", "serve", "--rest-port", "0", "--grpc-port", "0"]
    with open(errors, "w") as handle:
        return subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=handle,
            text=True,
        )


def announced(process: subprocess.Popen[str]) -> int:
    """The REST port, once the server listens."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"REST http://127\.0\.0\.1:(\d+)/v1/models, gRPC", line):
            return int(found[1])
    raise AssertionError("the server ended before it listened")


def served_versions(port: int, host: str = "localhost") -> list[str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models/frames",
        headers={"Host": host, "X-Request-Id": "from-the-test"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["X-Request-Id"] == "from-the-test"
        status = json.load(answer)["model_version_status"]
    return [version["version"] for version in status]


def test_it_serves_and_ends_in_order(frame_export: Path, tmp_path: Path) -> None:
    """With a damaged version, an odd name, another version that comes later, and a log."""
    model = tmp_path / "models" / "frames"
    shutil.copytree(frame_export, model / "3")
    shutil.copytree(frame_export, model / "4")
    (model / "4" / "saved_model.pb").write_bytes(b"damaged")
    (model / "05").mkdir()
    errors = tmp_path / "errors"
    process = start(
        errors, "--models", str(model.parent), "--allowed-host", "affect.example",
        "--access-log", "--poll", "0.1",
    )  # fmt: skip
    try:
        port = announced(process)
        assert served_versions(port) == ["3"] == served_versions(port, "affect.example")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            served_versions(port, "evil.example")
        shutil.copytree(frame_export, tmp_path / "7")
        (tmp_path / "7").rename(model / "7")
        assert until(lambda: served_versions(port) == ["7", "3"], 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    lines = errors.read_text().splitlines()
    refused = [line for line in lines if line.startswith("not served: ")]
    assert len(refused) == 2 and "'05'" in refused[0] and "saved_model.pb: damaged" in refused[1]
    calls = [json.loads(line) for line in lines if line.startswith("{")]
    assert {(call["id"], call["status"]) for call in calls} == {
        ("from-the-test", 200), ("from-the-test", 403)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "No model to serve"),
        (["--models", "missing"], "missing: no folder"),
        (["--model", "a=missing"], "missing is no folder"),
        (["--model", "a/b=."], "is no name of a model"),
        (["--model", "a=."], "no version of a model"),
        (["--limit", "speed=1", "--model", "a=."], "unknown limit"),
        (["--limit", "batch=many", "--model", "a=."], "a number"),
        (["--limit", "batch=0", "--model", "a=."], "a number above 0"),
        (["--poll", "-1", "--model", "a=."], "seconds from 0 on"),
        (["--poll", "nan", "--model", "a=."], "seconds from 0 on"),
        (["--model", "a=.", "--model", "a=."], "two folders for one model"),
    ],
)
def test_mistakes_give_a_reason_and_no_traceback(
    arguments: list[str], reason: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert reason in error and "Traceback" not in error


def test_limits() -> None:
    assert parse_limits([]) == Limits()
    assert parse_limits(["batch=5", "deadline=0.5"]) == Limits(batch=5, deadline=0.5)
    with pytest.raises(ConfigError):
        parse_limits(["batch"])
