"""Who may reach the server at all: the rules about addresses, hosts and origins, and what browsers are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from engine.api.access import COOKIE, CSRF, READING, Access
from engine.api.peers import Peers
from engine.api.problems import Problem, answer_of
from engine.api.routing import route_of
from engine.errors import Refused
from engine.settings import Server as Options

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
# Whatever is shown of a flow's files runs nothing and is framed nowhere; a page of the server's own says what it needs.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "no-store",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, Last-Event-ID, Range, {CSRF}",
    "Access-Control-Max-Age": "600",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_bind(host: str, authenticates: bool) -> None:
    """Raises Refused for an address that others reach while nobody is asked who he is: flows run programs."""
    if not is_loopback(host) and not authenticates:
        raise Refused(
            f"The server would listen on {host}, where other machines reach it, without asking anybody who he is: "
            "listen on 127.0.0.1, or make the first user with `tidegate user add`"
        )


class Guard:
    """Refuses what only a browser would ask that another site's page, or a made-up name, has led here."""

    def __init__(self, access: Access, peers: Peers, options: Options) -> None:
        self._access = access
        self._peers = peers
        self._hosts = frozenset(host.lower() for host in options.hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in options.origins)

    def middleware(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self._with_users(request) if await self._access.has_users() else self._without_users(request)
            if refusal is not None:
                return answer_of(Problem(403, "forbidden", "Forbidden: ", refusal), request.path)
            if (
                request.method == "OPTIONS"
                and self._allowed(request)
                and "Access-Control-Request-Method" in request.headers
            ):
                return web.Response(status=204, headers=PREFLIGHT)
            return await handler(request)

        return guard

    async def tell_browsers(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Add the headers that keep browsers from doing more with an answer than showing it."""
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        if self._peers.secure(request):
            answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if self._origins:
            answer.headers["Vary"] = "Origin"
        if self._allowed(request):
            answer.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            answer.headers["Access-Control-Allow-Credentials"] = "true"
            answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _without_users(self, request: web.Request) -> str | None:
        """Only programs of this machine may ask a server that asks nobody who he is.

        A name that was made to lead here has another Host, a page of another site another Origin.
        """
        host = _name(f"//{request.headers.get('Host', '')}")
        if host not in LOCAL and host not in self._hosts:
            return f"without authentication only localhost is served, not the host '{host}'"
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_own(origin, request) and not self._allowed(request):
            return f"without authentication pages of '{origin}' may not call this server"
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not self._allowed(request):
            return "without authentication pages of other sites may not call this server"
        return None

    def _with_users(self, request: web.Request) -> str | None:
        """A page of another site may not call where the browser says who asks by itself."""
        host = _name(f"//{request.headers.get('Host', '')}")
        if self._hosts and host not in self._hosts and host not in LOCAL:
            return f"this server is not known as '{host}': the setting server.hosts names its hosts"
        if self._allowed(request) or not _by_itself(request):
            return None
        origin = request.headers.get("Origin")
        if origin is not None and _place(origin) != _place(f"//{request.headers.get('Host', '')}"):
            return f"pages of '{origin}' may not call this server: the setting server.origins names those that may"
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and request.method not in READING:
            return "pages of other sites may not call this server"
        return None

    def _is_own(self, origin: str, request: web.Request) -> bool:
        """Whether it is a page of this server, under any of its names; another port is another server."""
        named = _name(origin) in LOCAL or _name(origin) in self._hosts
        return named and _port(origin) == _port(f"//{request.headers.get('Host', '')}")

    def _allowed(self, request: web.Request) -> bool:
        return request.headers.get("Origin", "").lower() in self._origins


def _by_itself(request: web.Request) -> bool:
    """Whether a browser may have made a request just so: it says who asks, or it signs somebody in.

    Pages of others may bring tokens, which no browser has, and call what is for everybody's pages.
    """
    route = route_of(request)
    if route is not None and route.anonymous:
        return False
    authorization = request.headers.get("Authorization", "").lower()
    if COOKIE in request.cookies or authorization.startswith("basic"):
        return True
    return not authorization and request.method not in READING


def _place(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _port(url: str) -> int | None:
    """The port that an address names; none for that of its scheme."""
    try:
        return urlsplit(url).port
    except ValueError:
        return 0
