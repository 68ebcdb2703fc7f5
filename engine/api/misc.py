"""What tells of the server itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from engine import __version__
from engine.api.routing import Call, Role, Route
from engine.runtime.engine import Engine


class Misc:
    """Configuration and the names that templates know."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/configs", self.configs, "What the server is and offers", dict[str, Any], role=Role.NOBODY)
        yield Route("GET", "/ping", self.ping, "Whether the server answers", bytes, role=Role.NOBODY, fronts=("",))

    async def ping(self, call: Call) -> web.Response:
        return web.Response(text="pong")

    async def configs(self, call: Call) -> dict[str, Any]:
        return {
            "uuid": self._engine.node.id,
            "version": __version__,
            "edition": "OSS",
            "chartDefaultDuration": "P30D",
            "isCustomDashboardsEnabled": False,
            "isAnonymousUsageEnabled": False,
            "isTemplateEnabled": False,
            "isBasicAuthInitialized": await self._engine.users.any(),
            "isConcurrencyViewEnabled": True,
            "preview": {"initial": 100, "max": 5000},
            "systemNamespace": "system",
            "hiddenLabelsPrefixes": ["system.", "internal."],
        }
