"""`kaffect serve` as a process: it listens, answers, and ends in order on a signal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kaffect.cli import main
from kaffect.cli.serve import parse_limits
from kaffect.errors import ConfigError
from kaffect.serving.server.limits import Limits

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kaffect.cli", "serve", "--rest-port", "0", "--grpc-port", "0"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def announced(process: subprocess.Popen[str]) -> int:
    """The REST port, once the server listens."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"REST http://127\.0\.0\.1:(\d+)/v1/models, gRPC", line):
            return int(found[1])
    raise AssertionError("the server ended before it listened")


def test_it_serves_and_ends_in_order(frame_export: Path) -> None:
    process = start("--models", str(frame_export.parents[1]))
    try:
        port = announced(process)
        address = f"http://127.0.0.1:{port}/v1/models/frames"
        with urllib.request.urlopen(address, timeout=20) as answer:
            status = json.load(answer)
        assert status["model_version_status"][0]["version"] == "3"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


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
