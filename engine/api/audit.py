"""The audit log: what is noted of each request that changes something, and how an ADMIN reads it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from engine.api.access import READING
from engine.api.paging import Paged
from engine.api.peers import Peers
from engine.api.problems import TooMany, Unauthenticated, problem_of
from engine.api.routing import ABOUT, USER, Call, Role, Route, route_of
from engine.api.shapes import Page, Shape
from engine.clock import Clock, iso, to_millis
from engine.errors import TidegateError
from engine.runtime.accounts.audit import Audit
from engine.runtime.engine import Engine
from engine.state.user import EVERYWHERE, NOBODY
from engine.store.rows import AuditEntry, AuditFilter

LONGEST = 500


class AuditShape(Shape, frozen=True, omit_defaults=False):
    """Who changed what. `resource`: the path that was asked for; `status`: of the answer."""

    date: str
    user: str
    token: str
    address: str
    method: str
    resource: str
    namespace: str
    id: str
    status: int


class AuditQuery(Paged, frozen=True, rename="camel"):
    """namespace: with those below it; id: of the thing; dates, of UTC unless they say their zone. Newest first."""

    user: str | None = None
    namespace: str | None = None
    id: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None


class AuditLogs:
    """Search who changed what."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET",
            "/audit-logs/search",
            self.search,
            "Who changed what",
            Page[AuditShape],
            query=AuditQuery,
            role=Role.ADMIN,
        )

    async def search(self, call: Call) -> Page[AuditShape]:
        call.require(Role.ADMIN, EVERYWHERE)
        query = call.query(AuditQuery)
        query.check()
        where = AuditFilter(
            user=query.user,
            below=query.namespace,
            target=query.id,
            since=_millis(query.start_date),
            until=_millis(query.end_date),
            limit=query.size,
            offset=query.offset,
        )
        await self._engine.audit.flush()
        found = await self._engine.store.audit.list(where)
        return Page([audit_shape(entry) for entry in found], await self._engine.store.audit.count(where))


def _millis(date: datetime | None) -> int | None:
    if date is None:
        return None
    return to_millis(date if date.tzinfo else date.replace(tzinfo=UTC))


def audit_shape(entry: AuditEntry) -> AuditShape:
    return AuditShape(
        date=iso(entry.at),
        user=entry.user,
        token=entry.token,
        address=entry.address,
        method=entry.method,
        resource=entry.resource,
        namespace=entry.namespace,
        id=entry.target,
        status=entry.status,
    )


def auditing(audit: Audit, peers: Peers, clock: Clock) -> Middleware:
    """The middleware that notes what somebody changed, or was not allowed to. Bodies and queries are not noted."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        if route is None or not is_audited(route):
            return await handler(request)
        status, wrong = 500, ""
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as refusal:
            status = refusal.status
            raise
        except TidegateError as error:
            status = problem_of(error).status
            wrong = error.user if isinstance(error, Unauthenticated) else ""
            # Floods would be all that it holds.
            status = 0 if isinstance(error, TooMany) else status
            raise
        finally:
            # Nor is there anything to tell of strangers, and of pages that were refused before anybody was asked.
            if status and (wrong or (USER in request and status != 401)):
                await audit.add(_entry(request, route, status, wrong, peers.address(request), clock.now()))
        return response

    return note


def is_audited(route: Route) -> bool:
    """Whether requests of a route go to the audit log."""
    return route.audited or (route.method not in READING and route.role > Role.VIEWER)


def _entry(request: web.Request, route: Route, status: int, wrong: str, address: str, at: int) -> AuditEntry:
    user = request.get(USER, NOBODY)
    named = dict(request.match_info)
    namespace, id = request.get(ABOUT, ("", ""))
    namespace = named.pop("namespace", namespace)
    return AuditEntry(
        at=at,
        user=wrong or ("" if user is NOBODY else user.name),
        token=user.token,
        address=address,
        method=route.method,
        resource=route.path,
        namespace=namespace[:LONGEST],
        target=("/".join(named.values()) or id)[:LONGEST],
        status=status,
    )
