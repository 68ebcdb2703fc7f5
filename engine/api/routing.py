"""Routes: what each answers, what it takes and who may ask. The documentation of the API is made from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from aiohttp import web

from engine.api.filterable import Filterable
from engine.api.problems import BadQuery, Denied, Illegal
from engine.state.user import NOBODY, User
from engine.state.user import Role as Role

BASE = "/api/v1"
TENANT = "main"
JSON = "application/json"
TEXT_BYTES = 16 * 1024 * 1024
USER: web.RequestKey[User] = web.RequestKey("user", User)
ABOUT: web.RequestKey[tuple[str, str]] = web.RequestKey("about", tuple)
"""Namespace and id of what a request turned out to be about, for the audit log."""

Q = TypeVar("Q", bound=msgspec.Struct)

encode = msgspec.json.Encoder(decimal_format="number").encode


class Call:
    """A request as a handler sees it."""

    __slots__ = ("request",)

    def __init__(self, request: web.Request) -> None:
        self.request = request

    @property
    def path(self) -> Mapping[str, str]:
        """The variable parts of the path, by name."""
        return self.request.match_info

    @property
    def user(self) -> User:
        user: User = self.request.get(USER, NOBODY)
        return user

    def about(self, namespace: str, id: str = "") -> None:
        """Note for the audit log what this is about, where the path doesn't say it."""
        self.request[ABOUT] = (namespace, id)

    def require(self, role: Role, namespace: str | None) -> None:
        """Raises Denied where the user lacks a role in a namespace; None asks whether he has it in any."""
        if namespace and ABOUT not in self.request:
            self.about(namespace)
        if self.user.role(namespace) < role:
            raise Denied(
                f"{self.user.name} does not have the role {role.name} {self._where(namespace)}, which this needs"
            )

    def _where(self, namespace: str | None) -> str:
        if namespace is None:
            return "in any namespace"
        if not namespace:
            return "in all namespaces"
        # In which namespace an execution is, whoever may not look at it need not know.
        told = self.path.get("namespace") == namespace or self.user.role(namespace) >= Role.VIEWER
        return f"in namespace '{namespace}'" if told else "in its namespace"

    @property
    def namespaces(self) -> tuple[str, ...] | None:
        """The namespaces, each with those below it, that the user may look at; None for all of them."""
        return self.namespaces_with(Role.VIEWER)

    def namespaces_with(self, role: Role) -> tuple[str, ...] | None:
        """The namespaces, each with those below it, in which the user has a role; None for all of them."""
        found = tuple(owner for owner, given in self.user.roles.items() if given >= role)
        return None if "" in found else found

    def query(self, model: type[Q]) -> Q:
        """The query parameters as a struct; one that is a list there may be given several times. Raises BadQuery."""
        given: dict[str, Any] = {}
        asked = self.request.query
        lists = _parameters(model)
        for name in lists.keys() & asked.keys():
            values = asked.getall(name)
            given[name] = values if lists[name] else values[-1]
        try:
            return msgspec.convert(given, model, strict=False)
        except msgspec.ValidationError as error:
            raise BadQuery(str(error)) from None

    async def text(self) -> str:
        """The body as text, of at most 16 MiB. Raises Illegal for what is no text."""
        try:
            return (await self._body()).decode(self.request.charset or "utf-8")
        except (UnicodeDecodeError, LookupError) as error:
            raise Illegal(f"the body is no text: {error}") from None

    async def json(self, model: Any) -> Any:
        """The JSON body, of at most 16 MiB, as a type. Raises DecodeError or ValidationError with the place."""
        return msgspec.json.decode(await self._body(), type=model)

    async def _body(self) -> bytes:
        body = bytearray()
        async for chunk in self.request.content.iter_any():
            body += chunk
            if len(body) > TEXT_BYTES:
                raise web.HTTPRequestEntityTooLarge(TEXT_BYTES, len(body))
        return bytes(body)


@cache
def _parameters(model: type[msgspec.Struct]) -> Mapping[str, bool]:
    """The names of query parameters, and whether each may be given several times."""
    return {field.encode_name: isinstance(field.default, tuple) for field in msgspec.structs.fields(model)}


Handler = Callable[[Call], Awaitable[Any]]


class Route(NamedTuple):
    """One operation.

    path: below `fronts`
    fronts: what stands before the path, by default the API's with and without the tenant
    answers: what the handler returns; None is sent as 204 without a body. What it returns as a `web.StreamResponse` is
        sent as it is: `bytes` stands for a file, `web.Response` for 200 without a body
    query, body: structs, or for a body the content type of what is no JSON
    filters: what the list may be filtered by
    role: who may call it, in the namespace of the path, or in any where there is none
    old: other paths of the same operation, of earlier versions
    audited: noted in the audit log in any case; else what a VIEWER may not do and does not only read
    anonymous: whoever asks is not looked at; headers like Authorization are for the handler
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Any = None
    query: type[msgspec.Struct] | None = None
    body: Any = None
    filters: Filterable | None = None
    role: Role = Role.VIEWER
    status: int = 200
    fronts: tuple[str, ...] = (BASE, f"{BASE}/{TENANT}")
    old: tuple[str, ...] = ()
    audited: bool = False
    anonymous: bool = False


class Resource(Protocol):
    """A subject of the API: its operations."""

    def routes(self) -> Iterable[Route]: ...


def register(app: web.Application, routes: Iterable[Route]) -> None:
    """Let an application answer these routes."""
    for route in routes:
        for path in (route.path, *route.old):
            for front in route.fronts:
                app.router.add_route(route.method, f"{front}{path}", _answering(route))


def route_of(request: web.Request) -> Route | None:
    """The route that answers a request; None where there is nothing."""
    return getattr(request.match_info.handler, "route", None)


def _answering(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        call = Call(request)
        call.require(route.role, call.path.get("namespace"))
        result = await route.handler(call)
        if isinstance(result, web.StreamResponse):
            return result
        if result is None:
            return web.Response(status=204 if route.status == 200 else route.status)
        return web.Response(body=encode(result), status=route.status, content_type=JSON)

    answer.route = route  # type: ignore[attr-defined]
    return answer
