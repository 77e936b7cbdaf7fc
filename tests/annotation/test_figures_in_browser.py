"""Long runs in a real browser: a trace of ten minutes, a long video, kills, five people at once."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaffect.annotation.project import Project
from tests.annotation import bar_codes
from tests.annotation.pages import APP, annotating, in_page, needs_browser, press, project_of
from tests.annotation.test_server import start
from tests.serving.demo import browser

pytestmark = [*needs_browser, pytest.mark.nightly]


def long_project(folder: Path, minutes: float) -> Project:
    videos = folder / "videos"
    videos.mkdir()
    frames = bar_codes.steady(Fraction(30), int(minutes * 60 * 30))
    bar_codes.write_clip(videos / "long.mp4", frames)
    return project_of(videos, folder / "project")


async def heap(page: Any) -> float:
    """Bytes of JavaScript objects that are in use."""
    await page.command("HeapProfiler.collectGarbage")
    found = await page.command("Runtime.getHeapUsage")
    return float(found["usedSize"])


def test_a_trace_of_ten_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = float(os.environ.get("KAFFECT_TRACE_MINUTES", "10"))
    project = long_project(tmp_path, minutes + 0.2)
    found: dict[str, float] = {}

    async def steps(page: Any) -> None:
        before = await heap(page)
        await press(page, "KeyV")
        await page.wait_for(f"{APP}.recorder.recording")
        await asyncio.sleep(minutes * 60)
        await press(page, "KeyV")
        await page.wait_for(f"!{APP}.recorder.recording")
        await page.evaluate(f"{APP}.queue.stored()")
        found["growth"] = await heap(page) - before
        found["sent"] = await page.evaluate(f"{APP}.recorder.count")

    with annotating(project) as (server, _):
        in_page(server.address, steps)
    samples = [s for e in project.read_log("anna").events if e["kind"] == "samples"
               for s in e["samples"]]  # fmt: skip
    walls = np.array([s[4] for s in samples])
    rate = len(samples) / (walls[-1] - walls[0]) * 1000
    with capsys.disabled():
        print(f"\n{len(samples)} samples, {rate:.1f} a second, heap grew by "
              f"{found['growth'] / 1e6:.1f} MB")  # fmt: skip
    assert len(samples) == found["sent"]
    assert found["growth"] < 50e6


def test_a_video_of_thirty_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = long_project(tmp_path, 30)
    rng = np.random.default_rng(1)
    paints: list[float] = []
    seeks: list[float] = []

    async def steps(page: Any) -> None:
        await page.evaluate(
            "addEventListener('keydown', (e) => { globalThis.pressedAt = e.timeStamp; }, true)"
        )
        frames = await page.evaluate(f"{APP}.info.frames")
        for number in range(60):
            target = int(rng.integers(frames))
            seeks.append(await page.evaluate(
                f"(async () => {{ const t = performance.now(); await {APP}.player.seek({target});"
                f" return performance.now() - t; }})()"
            ))  # fmt: skip
            assert await page.evaluate(f"{APP}.player.frame") == target
            assert await page.evaluate(bar_codes.READ) == (target + 1) % 4096
            await press(page, f"Digit{number % 8 + 1}")
            paints.append(await page.evaluate(
                f"new Promise((done) => {{ const look = () => {APP}.timeline.paintedAt > pressedAt"
                f" ? done({APP}.timeline.paintedAt - pressedAt) : setTimeout(look, 2); look(); }})"
            ))  # fmt: skip

    with annotating(project) as (server, _):
        in_page(server.address, steps)
    paint, seek = np.array(paints), np.array(seeks)
    with capsys.disabled():
        print(f"\nkey to paint: median {np.median(paint):.1f} ms, largest {paint.max():.1f}; "
              f"seek: median {np.median(seek):.1f} ms, largest {seek.max():.1f}")  # fmt: skip
    assert np.median(paint) < 50
    assert np.median(seek) < 300


async def _tracing(page: Any, address: str) -> None:
    await page.open(address)
    await page.wait_for(f"globalThis.{APP} !== undefined")
    await page.evaluate(f"{APP}.ready")
    await page.evaluate(f"{APP}.setSpeed(0.25)")
    await press(page, "KeyV")
    await page.wait_for(f"{APP}.recorder.recording")


def test_twenty_kills(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill server and browser by turns: at most a second is lost, and the log is sound."""
    rng = np.random.default_rng(3)
    lost: list[float] = []

    async def kill(number: int) -> None:
        process, port = start(project)
        # The project's videos last two seconds; at quarter speed a trace lasts eight.
        async with browser.tab() as page:
            await _tracing(page, f"http://127.0.0.1:{port}/")
            await asyncio.sleep(float(rng.uniform(0.5, 4)))
            killed = time.time()
            if number % 2:
                process.send_signal(signal.SIGKILL)
            else:
                page.process.kill()
            await asyncio.sleep(0.1)
        if process.poll() is None:
            process.terminate()
        process.communicate()
        text = project.read_log("anna")
        assert text.damaged == () and text.torn == 0
        last = max(s[4] for e in text.events if e["kind"] == "samples" for s in e["samples"])
        lost.append(killed - last / 1000)

    for number in range(20):
        asyncio.run(kill(number))
    with capsys.disabled():
        print(f"\n20 kills: lost at most {max(lost):.2f} s")
    assert max(lost) <= 1.0


PERSON = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.annotation.test_figures_in_browser import person
asyncio.run(person({port}, {seconds}))
"""


async def person(port: int, seconds: float) -> None:
    """Set labels at random for some time; print how many."""
    rng = np.random.default_rng(port)
    async with browser.tab() as page:
        await page.open(f"http://127.0.0.1:{port}/")
        await page.wait_for(f"globalThis.{APP} !== undefined", 60)
        await page.evaluate(f"{APP}.ready")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await page.evaluate(f"{APP}.player.seek({int(rng.integers(40))})")
            await press(page, f"Digit{int(rng.integers(1, 9))}")
            await asyncio.sleep(0.05)
        await page.evaluate(f"{APP}.queue.stored()")
        print(await page.evaluate(f"{APP}.queue.number"), flush=True)


def test_five_people_at_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(Path(__file__).parent.parent.parent)
    seconds = float(os.environ.get("KAFFECT_CROWD_SECONDS", "120"))
    names = ["p1", "p2", "p3", "p4", "p5"]
    # All five servers make the project and its copies at once.
    videos = next(iter(project.sources.values())).parent
    shutil.rmtree(project.root)
    servers = []
    for name in names:
        command = [sys.executable, "-m", "kaffect.cli", "annotate", str(videos), "--project",
                   str(project.root), "--annotator", name, "--no-browser",
                   "--no-proposals"]  # fmt: skip
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    people = []
    for server in servers:
        assert server.stdout is not None
        line = next(text for text in server.stdout if text.startswith("http"))
        code = PERSON.format(root=root, port=int(line.split(":")[2].strip("/\n")), seconds=seconds)
        people.append(
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        )
    sent = [int(one.communicate()[0]) for one in people]
    for server in servers:
        server.terminate()
        server.communicate()
    from kaffect.annotation.project import open_project

    project = open_project(project.root)
    stored = [len(project.read_log(name).events) for name in names]
    with capsys.disabled():
        print(f"\nfive people, {seconds:.0f} s: sent {sent}, stored {stored}")
    assert stored == sent and min(sent) > 10
