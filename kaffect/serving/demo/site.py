"""The demo's addresses beside TF Serving's: page, script, style, facts and session.

Serves the person at the page. Nothing comes from elsewhere, so that the page works
offline; a content security policy holds the browser to that.
"""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from kaffect.pages import render, style_sheet
from kaffect.serving.demo.reading import DemoModel
from kaffect.serving.demo.sessions import Sessions
from kaffect.serving.server.http import Handler, json_response, text_response
from kaffect.serving.server.limits import RequestError

_SCRIPTS = ("page.js", "plots.js")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class DemoSite:
    """Answers the demo's addresses and leaves all others to `rest`.

    Args:
        rest: answers what is not the demo's.
        sessions: answers the page's WebSocket.
        model: what the page shows.
    """

    def __init__(self, rest: Handler, sessions: Sessions, model: DemoModel) -> None:
        self._rest = rest
        self._sessions = sessions
        self._model = model
        folder = resources.files("kaffect.serving.demo") / "assets"
        self._pages = {
            "/demo": (render("demo").encode(), "text/html; charset=utf-8"),
            "/demo/style.css": (style_sheet(), "text/css; charset=utf-8"),
        }
        for name in _SCRIPTS:
            script = (folder / name).read_bytes()
            self._pages[f"/demo/{name}"] = script, "text/javascript; charset=utf-8"

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request.

        Raises:
            RequestError: it is refused.
        """
        path = request.path.removesuffix("/") if request.path != "/" else "/demo"
        if path not in self._pages and path not in ("/demo/ws", "/demo/model.json"):
            return await self._rest(request)
        if request.method != "GET":
            raise RequestError("INVALID_ARGUMENT", "This address takes GET", 405)
        if path == "/demo/ws":
            return await self._sessions(request)
        if path == "/demo/model.json":
            model = self._model
            facts = {"name": model.name, "version": model.version, "warning": model.warning}
            return json_response(facts)
        body, kind = self._pages[path]
        return text_response(body, kind, **_HEADERS)
