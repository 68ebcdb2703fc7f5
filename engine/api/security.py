"""Who may reach the server at all: the rules about addresses, hosts and origins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from engine.api.access import READING, Access
from engine.api.problems import Problem, answer_of
from engine.errors import Refused

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

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


def guarding(access: Access) -> Any:
    """The middleware that refuses what only a browser that was led here could ask."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _foreign(request) if await access.has_users() else _refusal(request)
        if refusal is not None:
            return answer_of(Problem(403, "forbidden", "Forbidden: ", refusal), request.path)
        return await handler(request)

    return guard


def _foreign(request: web.Request) -> str | None:
    """Why a page of another site may not call a server with users: its browser says who asks by itself."""
    if "Cookie" not in request.headers and not request.headers.get("Authorization", "").lower().startswith("basic"):
        return None
    origin = request.headers.get("Origin")
    if origin is not None and _place(origin) != _place(f"//{request.host}"):
        return f"pages of '{origin}' may not call this server"
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and request.method not in READING:
        return "pages of other sites may not call this server"
    return None


def _refusal(request: web.Request) -> str | None:
    """Why a server that asks nobody who he is doesn't answer: only programs of this machine may ask it.

    A name that was made to lead here has another Host, a page of another site another Origin.
    """
    host = _name(f"//{request.headers.get('Host', '')}")
    if host not in LOCAL:
        return f"without authentication only localhost is served, not the host '{host}'"
    origin = request.headers.get("Origin")
    if origin is not None and _name(origin) not in LOCAL:
        return f"without authentication pages of '{origin}' may not call this server"
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return "without authentication pages of other sites may not call this server"
    return None


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
