"""Flows that limit how many of their executions run at once, and how the limits are used."""

from __future__ import annotations

from collections.abc import Iterable

from engine.api.paging import Paged, page_of
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Page, Shape
from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.store.rows import LimitUse

ORDER = {"namespace": "namespace", "flowId": "flow", "running": "running"}


class LimitShape(Shape, frozen=True, omit_defaults=False):
    """`running` and `queued` count executions."""

    tenant_id: str
    namespace: str
    flow_id: str
    limit: int
    behavior: str
    running: int
    queued: int


class ConcurrencyLimits:
    """Look at limits."""

    def __init__(self, engine: Engine) -> None:
        self._slots = engine.store.slots

    def routes(self) -> Iterable[Route]:
        front = "/concurrency-limit"
        yield Route(
            "GET", f"{front}/search", self.search, "Flows with a limit on executions", Page[LimitShape], query=Paged
        )
        yield Route(
            "PUT",
            f"{front}/{{namespace}}/{{flow}}",
            self.count,
            "Count again what runs of a flow: the body is not looked at, for the count can't be wrong for long",
            LimitShape,
            role=Role.OPERATOR,
        )

    async def search(self, call: Call) -> Page[LimitShape]:
        seen = [use for use in await self._slots.all() if call.user.role(use.namespace) >= Role.VIEWER]
        found = page_of(seen, call.query(Paged), ORDER, getattr)
        return Page([_shape(use) for use in found.results], found.total)

    async def count(self, call: Call) -> LimitShape:
        namespace, flow = call.path["namespace"], call.path["flow"]
        await self._slots.repair()
        for use in await self._slots.all():
            if (use.namespace, use.flow) == (namespace, flow):
                return _shape(use)
        raise NotFound("limit", f"{namespace}.{flow}", "the latest revision of the flow has no `concurrency`")


def _shape(use: LimitUse) -> LimitShape:
    return LimitShape("main", use.namespace, use.flow, use.limit, use.behavior, use.running, use.waiting)
