"""The documentation of the API: as a document for programs, and as a page that shows it."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import anyio.to_thread
from aiohttp import web

from engine.api.openapi import document
from engine.api.routing import BASE, JSON, Call, Role, Route, encode

PAGE = Path(__file__).parent / "documentation.html"
SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Documentation:
    """`openapi.json` and `docs`."""

    def __init__(self, routes: Callable[[], Iterable[Route]]) -> None:
        self._routes = routes

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/openapi.json", self.document, "This document", bytes, role=Role.NOBODY, fronts=(BASE,))
        yield Route("GET", "/docs", self.page, "A page that shows it", bytes, role=Role.NOBODY, fronts=(BASE,))

    async def document(self, call: Call) -> web.Response:
        body = await anyio.to_thread.run_sync(lambda: self._document)
        return web.Response(body=body, content_type=JSON)

    async def page(self, call: Call) -> web.Response:
        text, rules = await anyio.to_thread.run_sync(lambda: self._page)
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": rules})

    @cached_property
    def _document(self) -> bytes:
        return encode(document(self._routes()))

    @cached_property
    def _page(self) -> tuple[str, str]:
        """The page, and what a browser may do for it: run its own script and ask this server."""
        text = PAGE.read_text(encoding="utf-8")
        hashes = [hashlib.sha256(script.encode()).digest() for script in SCRIPT.findall(text)]
        scripts = " ".join(f"'sha256-{b64encode(it).decode()}'" for it in hashes)
        rules = f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; connect-src 'self'"
        return text, f"{rules}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
