"""A headless Chromium that is fed a clip as its camera, spoken to in the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1180,900",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip


def find() -> str | None:
    """The path of a Chromium or Chrome, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def write_clip(path: Path, levels: list[int], size: tuple[int, int] = (320, 240)) -> Path:
    """A Y4M of plain grey frames, 10 a second, a brightness for each."""
    width, height = size
    with open(path, "wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420\n".encode())
        for level in levels:
            luma = np.full(width * height, level, np.uint8)
            chroma = np.full(width * height // 2, 128, np.uint8)
            out.write(b"FRAME\n" + luma.tobytes() + chroma.tobytes())
    return path


class Page:
    """One tab."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, process: asyncio.subprocess.Process
    ) -> None:
        self._socket = socket
        self.process = process
        self._number = 0
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])
            self.events.append(message)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        answer = await self.command(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 30.0) -> Any:
        """Ask until `expression` is true."""
        async with asyncio.timeout(seconds):
            while not (value := await self.evaluate(expression)):
                await asyncio.sleep(0.1)
        return value

    async def open(self, address: str) -> None:
        await self.command("Page.navigate", url=address)
        await self.wait_for(
            f"location.href.startsWith('{address}') && document.readyState === 'complete'"
        )

    async def choose_file(self, selector: str, path: Path) -> None:
        root = (await self.command("DOM.getDocument"))["root"]["nodeId"]
        node = await self.command("DOM.querySelector", nodeId=root, selector=selector)
        await self.command("DOM.setFileInputFiles", nodeId=node["nodeId"], files=[str(path)])

    async def screenshot(self, path: Path) -> None:
        answer = await self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """Errors and refused loads that the browser logged."""
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"]))
            if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                found.append(parameters["entry"]["text"])
        return found

    def requested(self) -> list[str]:
        """Addresses that the page asked for."""
        wanted = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in wanted]


@contextlib.asynccontextmanager
async def tab(clip: Path | None = None) -> AsyncIterator[Page]:
    """A browser with one tab; `clip` is what its camera shows."""
    program = find()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program, *_FLAGS, f"--user-data-dir={profile}",
            *([f"--use-file-for-fake-video-capture={clip}"] if clip else []), "about:blank",
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            port = await asyncio.wait_for(_port(process), 60)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = [t for t in await answer.json() if t["type"] == "page"]
                address = pages[0]["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    page = Page(socket, process)
                    for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
                        await page.command(f"{domain}.enable")
                    yield page
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.communicate(), 10)
                except TimeoutError:
                    process.kill()
                    await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    async for line in process.stderr:
        text = line.decode(errors="replace")
        if "DevTools listening on" in text:
            return int(text.split("127.0.0.1:")[1].split("/")[0])
    raise RuntimeError("the browser ended before it listened")
