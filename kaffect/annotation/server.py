"""The local server of the annotation pages: loopback, own origin only, bounded (Section III-B).

Every answer forbids foreign scripts, frames and sniffing. What a page sends is checked
before it is stored, and stored before it is acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any, Protocol

from aiohttp import web

from kaffect.annotation.events import MAX_EVENTS, EventError
from kaffect.annotation.session import Session
from kaffect.errors import ConfigError, KaffectError
from kaffect.loopback import HostCheck
from kaffect.pages import render, style_sheet

LOG = logging.getLogger(__name__)
HOST = "127.0.0.1"
MAX_BODY = 1 << 20
MAX_CONNECTIONS = 64
_HOST_CHECK = HostCheck(HOST)
_CONNECTIONS: web.AppKey[Callable[[], int]] = web.AppKey("connections")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "kaffect",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site(Protocol):
    """What one kind of server answers beside its pages."""

    page: str

    def routes(self) -> list[web.AbstractRouteDef]: ...


def json_answer(value: Any, status: int = 200) -> web.Response:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return web.Response(text=text, status=status, content_type="application/json")


def refuse(status: int, reason: str) -> web.Response:
    return json_answer({"error": reason}, status)


def build(site: Site) -> web.Application:
    """The application of a site: its own addresses, the assets and `/healthz`."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_guard])
    folder = resources.files("kaffect.annotation") / "assets"
    scripts = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    assets = {name: (text, "text/javascript") for name, text in scripts.items()}
    assets["style.css"] = style_sheet(), "text/css"
    html = render(site.page)

    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text=html, content_type="text/html", charset="utf-8")

    async def named(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in assets:
            return refuse(404, "Not found")
        body, kind = assets[name]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def health(request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    app.add_routes(
        [web.get("/", page), web.get("/assets/{name}", named), web.get("/healthz", health)]
    )
    app.add_routes(site.routes())
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign hosts and origins; every error is a JSON object with one sentence."""
    refused = _refusal(request)
    answer: web.StreamResponse
    if refused is not None:
        answer = refused
    else:
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            answer = refuse(error.status, error.reason)
        except EventError as error:
            answer = refuse(400, str(error))
        except KaffectError as error:
            LOG.error("%s", error)
            answer = refuse(507, str(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # one request may fail, the server goes on
            LOG.exception("a request failed")
            answer = refuse(500, "The server failed; its log says why")
    answer.headers.update(_HEADERS)
    return answer


def _refusal(request: web.Request) -> web.Response | None:
    foreign = _HOST_CHECK.refusal(request.headers)
    if foreign is not None:
        return refuse(403, foreign)
    if request.app[_CONNECTIONS]() > MAX_CONNECTIONS:
        busy = refuse(503, "Too many connections; close some pages")
        busy.force_close()
        return busy
    if request.method == "POST" and request.content_type != "application/json":
        return refuse(415, "This address takes JSON")
    return None


async def read_json_body(request: web.Request) -> Any:
    """Raises: EventError: the body is not JSON."""
    try:
        return json.loads(await request.text())
    except (ValueError, RecursionError) as error:
        raise EventError("The body is not JSON") from error


class AnnotationSite:
    """The page of one annotator."""

    page = "annotate"

    def __init__(self, session: Session) -> None:
        self.session = session
        self._writing = asyncio.Lock()

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/api/project", self._project),
            web.get("/api/trial", self._trial),
            web.post("/api/events", self._events),
            web.get(r"/api/videos/{place:\d{1,5}}", self._video),
            web.get(r"/api/videos/{place:\d{1,5}}/film.mp4", self._film),
            web.get(r"/api/videos/{place:\d{1,5}}/runs/{number:[012]}", self._runs),
            web.get(r"/api/videos/{place:\d{1,5}}/va/{number:[012]}", self._va),
        ]

    def _place(self, request: web.Request) -> int:
        place = int(request.match_info["place"])
        if place >= len(self.session.project.videos):
            raise web.HTTPNotFound()
        return place

    async def _project(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self.session.overview())

    async def _trial(self, request: web.Request) -> web.StreamResponse:
        session = self.session
        return json_answer({"target": session.trial_target(), "result": session.trial_result()})

    async def _video(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self.session.video(self._place(request)))

    async def _film(self, request: web.Request) -> web.StreamResponse:
        name = self.session.project.videos[self._place(request)]
        return web.FileResponse(self.session.copies[name].path, chunk_size=1 << 18)

    async def _runs(self, request: web.Request) -> web.StreamResponse:
        place = self._place(request)
        return json_answer(self.session.runs(place, int(request.match_info["number"])))

    async def _va(self, request: web.Request) -> web.StreamResponse:
        body = self.session.valence_arousal(self._place(request), int(request.match_info["number"]))
        return web.Response(body=body, content_type="application/octet-stream")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        body = await read_json_body(request)
        events = body.get("events") if isinstance(body, dict) else None
        if not isinstance(events, list) or len(events) > MAX_EVENTS:
            raise EventError(f"'events' lists at most {MAX_EVENTS} events")
        if body.get("project") != self.session.project.id:
            raise web.HTTPConflict(reason="This page belongs to another project; open it again")
        return json_answer({"stored": await self.store(self.session.check(events))})

    async def store(self, events: list[dict[str, Any]]) -> int:
        """Write checked events into the log and apply them; give how many were new."""
        # One write at a time, in a thread: a slow disk must not stop the video.
        async with self._writing:
            stored = await asyncio.to_thread(self.session.log.append, events)
            self.session.labels.apply(stored)
        return len(stored)


class Listening:
    """A site that listens on this machine; `stop` ends it."""

    def __init__(self, site: Site, port: int) -> None:
        app = build(site)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        app[_CONNECTIONS] = lambda: len(self._runner.server.connections)  # type: ignore
        self.port = port

    async def start(self) -> None:
        """Raises: ConfigError: the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"--port: cannot listen on {HOST}:{self.port}: {error.strerror}"
            ) from error
        self.port = self._runner.addresses[0][1]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"

    async def stop(self) -> None:
        await self._runner.cleanup()
