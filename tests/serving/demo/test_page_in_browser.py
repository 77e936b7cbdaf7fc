"""The demo page in a real browser, headless, with a clip as its camera."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from kaffect.serving.demo.tracked import demo_model
from kaffect.serving.loading import Export
from kaffect.synthetic.people import sample_person
from kaffect.synthetic.portrait import portrait
from tests.serving.demo import browser, served_demo

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        browser.find() is None,
        reason=f"no browser: none of {', '.join(browser.NAMES)} is installed",
    ),
]
FRAMES = "Number(document.getElementById('frames').textContent)"
STATUS = "document.getElementById('status').dataset.state"
LABEL = "document.querySelector('.bar.first .name')?.textContent"


def in_browser(
    server: Any,
    clip: Path,
    steps: Callable[[Any], Awaitable[None]],
    title: str = "tiny, version 2",
) -> list[str]:
    """Open the page, do the steps; give what the page asked for. It must not complain."""

    async def visit() -> list[str]:
        async with browser.tab(clip) as page:
            await page.open(f"http://127.0.0.1:{server.rest_port}/demo")
            await page.wait_for(f"document.getElementById('model').textContent === '{title}'")
            await steps(page)
            assert page.complaints() == []
            requested: list[str] = page.requested()
            return requested

    return asyncio.run(visit())


def test_the_camera_is_read_and_drawn(tiny_models: Any, tmp_path: Path) -> None:
    """A dark, then a bright clip: the page must show what the reader said of each."""
    clip = browser.write_clip(tmp_path / "camera.y4m", [90] * 12 + [235] * 12)

    async def steps(page: Any) -> None:
        await page.evaluate("document.getElementById('camera').click()")
        await page.wait_for(f"{FRAMES} >= 20 && {STATUS} === 'running'")
        await page.wait_for(f"{LABEL} === 'Happiness'")
        # The box is drawn where the reader said, in the colour of the first person.
        drawn = """(() => {
            const canvas = document.getElementById('overlay');
            const area = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            const x = Math.round(canvas.width * 0.3), y = Math.round(canvas.height * 0.5);
            const place = 4 * (y * canvas.width + x);
            return Array.from(area.data.slice(place, place + 3));
        })()"""
        assert np.abs(np.array(await page.evaluate(drawn)) - [0, 114, 178]).max() <= 12
        shares = (
            "Array.from(document.querySelectorAll('.bar .value')).map(e => parseInt(e.textContent))"
        )
        assert abs(sum(await page.evaluate(shares)) - 100) <= 4
        await page.evaluate("document.getElementById('stop').click()")
        await page.wait_for(f"{STATUS} === 'idle'")

    with served_demo.running(tiny_models) as (server, sessions):
        requested = in_browser(server, clip, steps)
        assert served_demo.nobody_left(sessions)
    own = f"http://127.0.0.1:{server.rest_port}/demo"
    assert len(requested) >= 5
    assert [url for url in requested if not url.startswith((own, "data:", "blob:"))] == []


def write_video(path: Path) -> Path:
    """Two seconds of WebM that get brighter."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for level in np.linspace(30, 250, 20).astype(np.uint8):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), level, np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def test_a_file_is_read_and_a_broken_one_is_told(tiny_models: Any, tmp_path: Path) -> None:
    clip = browser.write_clip(tmp_path / "camera.y4m", [90] * 3)
    movie = write_video(tmp_path / "movie.webm")

    async def steps(page: Any) -> None:
        await page.choose_file("#file", movie)
        await page.wait_for(f"{FRAMES} >= 5 && {STATUS} === 'running'")
        await page.evaluate("document.getElementById('stop').click()")
        broken = tmp_path / "broken.webm"
        broken.write_bytes(b"no video")
        await page.choose_file("#file", broken)
        await page.wait_for(f"{STATUS} === 'error'")
        text = await page.evaluate("document.getElementById('status').textContent")
        assert "broken.webm cannot be shown" in text

    with served_demo.running(tiny_models) as (server, _):
        in_browser(server, clip, steps)


def write_portraits(path: Path) -> Path:
    """A drawn person who begins to smile, as MJPEG."""
    person = sample_person(np.random.default_rng(3), "female")
    with open(path, "wb") as out:
        for smile in np.linspace(0, 1, 10):
            frame = portrait(person, {"AU12": float(smile)}, size=(320, 240))
            out.write(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes())
    return path


def test_a_real_export_with_a_real_detector(
    tiny_models: Any, sequence_export: Export, tmp_path: Path
) -> None:
    """The whole way: camera, detector, tracker, crop, recurrent network, page."""
    demo = demo_model(sequence_export, "narrow", 1)

    async def steps(page: Any) -> None:
        await page.evaluate("document.getElementById('camera').click()")
        await page.wait_for(f"{FRAMES} >= 5 && document.querySelectorAll('.bar').length === 7", 60)
        title = await page.evaluate("document.querySelector('.person h2').textContent")
        assert title.startswith("person 1valence ")
        await page.evaluate("document.getElementById('stop').click()")

    with served_demo.running(tiny_models, demo=demo) as (server, _):
        in_browser(server, write_portraits(tmp_path / "camera.mjpeg"), steps, "narrow, version 1")
