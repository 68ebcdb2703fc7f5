"""Where a request comes from: the machine itself, or what a trusted proxy says of it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

from engine.errors import Refused

IPV6_PREFIX = 64
UNKNOWN = "unknown"


class Peers:
    """Knows the proxies whose headers X-Forwarded-For and X-Forwarded-Proto are believed, and the server's own address.

    Raises Refused for what is no address or network.
    """

    def __init__(self, proxies: tuple[str, ...], url: str = "") -> None:
        self._url = url.rstrip("/")
        try:
            self._proxies = [ip_network(proxy, strict=False) for proxy in proxies]
        except ValueError as error:
            raise Refused(f"Setting not accepted: server.proxies: {error}") from None

    def address(self, request: web.Request) -> str:
        """The address of the client; of IPv6 the network, of which one client has all addresses."""
        address = request.remote or UNKNOWN
        # Each proxy adds whom it saw: those before the last one that is not ours may be made up.
        forwarded = request.headers.get("X-Forwarded-For", "") if self._proxies else ""
        for hop in reversed(forwarded.split(",")):
            if not hop.strip() or not self._trusted(address):
                break
            address = hop.strip()
        return _grouped(address)

    def secure(self, request: web.Request) -> bool:
        """Whether the client came by https."""
        forwarded = request.headers.get("X-Forwarded-Proto", "").lower()
        return request.secure or (forwarded == "https" and self._trusted(request.remote or UNKNOWN))

    def base(self, request: web.Request) -> str:
        """The address of the server as browsers see it, without a slash at its end."""
        return self._url or f"{'https' if self.secure(request) else 'http'}://{request.host}"

    def _trusted(self, address: str) -> bool:
        known = _parsed(address)
        return known is not None and any(known in network for network in self._proxies)


@lru_cache(maxsize=1024)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        known = ip_address(address)
    except ValueError:
        return None
    # How a socket for both kinds of addresses shows those of the older one.
    return (known.ipv4_mapped or known) if isinstance(known, IPv6Address) else known


def _grouped(address: str) -> str:
    known = _parsed(address)
    if known is None:
        return UNKNOWN
    if isinstance(known, IPv4Address) or known.is_loopback:
        return str(known)
    return str(ip_network((int(known), IPV6_PREFIX), strict=False))
