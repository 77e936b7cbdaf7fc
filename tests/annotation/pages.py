"""A project with a server that listens, and its page in a browser."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kaffect.annotation.copies import make_copies
from kaffect.annotation.log import open_log
from kaffect.annotation.project import Project, open_project
from kaffect.annotation.server import AnnotationSite, Listening, Site
from kaffect.annotation.session import Session
from kaffect.labels import TASKS
from tests.serving.demo import browser

APP = "kaffectAnnotate"
_REASON = f"no browser: none of {', '.join(browser.NAMES)} is installed"
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.find() is None, reason=_REASON),
]


@contextlib.contextmanager
def listening(site: Site) -> Iterator[Listening]:
    """The site's server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Listening(site, 0)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def project_of(videos: Path, root: Path, space: str = "aff-wild") -> Project:
    project = open_project(root, videos, space)
    make_copies(project, lambda text: None)
    return project


@contextlib.contextmanager
def annotating(
    project: Project, annotator: str = "anna", tasks: tuple[str, ...] = TASKS
) -> Iterator[tuple[Listening, Session]]:
    """A person's session and the server of their page."""
    with open_log(project.folder_of(annotator), project.id, annotator) as log:
        session = Session(project, log, annotator, tasks)
        with listening(AnnotationSite(session)) as server:
            yield server, session


def in_page(address: str, steps: Callable[[Any], Awaitable[None]]) -> list[str]:
    """Open the page, do the steps; give what the page asked for. It must not complain."""

    async def visit() -> list[str]:
        async with browser.tab() as page:
            await page.open(address)
            await page.wait_for(f"globalThis.{APP} !== undefined")
            assert await page.evaluate(f"{APP}.ready") is True
            await steps(page)
            assert page.complaints() == []
            requested: list[str] = page.requested()
            return requested

    return asyncio.run(visit())


async def press(
    page: Any, code: str, key: str = "", modifiers: int = 0, hold: bool = False
) -> None:
    """A key as the keyboard sends it; modifiers: 1 Alt, 2 Ctrl, 8 Shift."""
    facts = {"code": code, "key": key or code, "modifiers": modifiers}
    if code == "Enter":
        facts["text"] = "\r"
    await page.command("Input.dispatchKeyEvent", type="keyDown", **facts)
    if not hold:
        await page.command("Input.dispatchKeyEvent", type="keyUp", **facts)


async def release(page: Any, code: str, key: str = "") -> None:
    await page.command("Input.dispatchKeyEvent", type="keyUp", code=code, key=key or code)
