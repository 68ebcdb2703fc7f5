"""What those ask who watch over the server: is it well, and what do its metrics say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from engine import __version__
from engine.api.routing import JSON, Call, Role, Route, encode
from engine.runtime.engine import Engine
from engine.runtime.upkeep.health import DOWN, UP

NAME = "tidegate"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Operation:
    """Health and metrics, at paths of their own beside the API."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield _bare("/health", self.health, "Whether the server is well: 200, or 503", dict)
        yield _bare("/health/liveness", self.liveness, "Whether the process answers at all", dict)
        yield _bare("/health/readiness", self.health, "Whether the server takes requests: 200, or 503", dict)
        yield _bare("/prometheus", self.metrics, "Metrics, as Prometheus reads them", str, Role.VIEWER)
        yield _bare("/metrics", self.metrics, "Metrics, as Prometheus reads them", str, Role.VIEWER)
        yield _bare("/version", self.version, "The version of the server", dict)

    async def health(self, call: Call) -> web.Response:
        parts = await self._engine.health.look()
        status = UP if all(part.status == UP for part in parts.values()) else DOWN
        told: dict[str, Any] = {"name": NAME, "status": status}
        if call.user.role(None) >= Role.VIEWER:
            told["details"] = {
                name: {"name": NAME, "status": part.status, "details": part.details} for name, part in parts.items()
            }
        return web.Response(body=encode(told), status=200 if status == UP else 503, content_type=JSON)

    async def liveness(self, call: Call) -> dict[str, Any]:
        return {"name": NAME, "status": UP}

    async def metrics(self, call: Call) -> web.Response:
        # They name the flows of all namespaces.
        call.require(Role.VIEWER, "")
        self._engine.measures.states = await self._engine.store.executions.live_states()
        text = self._engine.measures.registry.text()
        return web.Response(body=text.encode(), headers={"Content-Type": TEXT})

    async def version(self, call: Call) -> dict[str, Any]:
        return {"version": __version__}


def _bare(path: str, handler: Any, summary: str, answers: Any, role: Role = Role.NOBODY) -> Route:
    return Route("GET", path, handler, summary, answers, role=role, fronts=("",))
