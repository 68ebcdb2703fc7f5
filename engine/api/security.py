"""Who may reach the server at all: the rules about addresses, hosts and origins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

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
            "listen on 127.0.0.1, and let a proxy that knows its users pass their requests on"
        )


@web.middleware
async def only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve only what this machine's own programs ask: a page of another site must not start flows from a browser.

    For a server without authentication. A name that was made to lead here has another Host, a page of another site
    another Origin.
    """
    refusal = _refusal(request)
    if refusal is not None:
        return answer_of(Problem(403, "forbidden", "Forbidden: ", refusal), request.path)
    return await handler(request)


def _refusal(request: web.Request) -> str | None:
    host = _name(f"//{request.headers.get('Host', '')}")
    if host not in LOCAL:
        return f"without authentication only localhost is served, not the host '{host}'"
    origin = request.headers.get("Origin")
    if origin is not None and _name(origin) not in LOCAL:
        return f"without authentication pages of '{origin}' may not call this server"
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return "without authentication pages of other sites may not call this server"
    return None


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
