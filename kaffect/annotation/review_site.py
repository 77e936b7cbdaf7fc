"""The supervisor's page: `kaffect annotate --review` (paper Section III-D)."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from kaffect.annotation.review import Review, film_path
from kaffect.annotation.server import json_answer
from kaffect.errors import KaffectError


class ReviewSite:
    """Answers the review page; it writes nothing but selections, into the project's folder."""

    page = "annotate_review"

    def __init__(self, review: Review) -> None:
        self.review = review
        self._stamp: list[Any] | None = None
        self._report: dict[str, Any] = {}
        self._working = asyncio.Lock()

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/api/review", self._get),
            web.post("/api/select", self._select),
            web.get(r"/api/videos/{place:\d{1,5}}/film.mp4", self._film),
        ]

    async def _get(self, request: web.Request) -> web.StreamResponse:
        async with self._working:
            stamp = self.review.stamp()
            if stamp != self._stamp:
                self._report = await asyncio.to_thread(self.review.report)
                self._stamp = stamp
        return json_answer(self._report)

    async def _select(self, request: web.Request) -> web.StreamResponse:
        async with self._working:
            out = self.review.next_selection()
            try:
                await asyncio.to_thread(self.review.select, out)
            except KaffectError as error:
                return json_answer({"error": str(error)}, 409)
        return json_answer({"written": str(out)})

    async def _film(self, request: web.Request) -> web.StreamResponse:
        place = int(request.match_info["place"])
        if place >= len(self.review.project.videos):
            raise web.HTTPNotFound()
        return web.FileResponse(film_path(self.review.project, place), chunk_size=1 << 18)
