"""Where a request comes from: the machine itself, or what a trusted proxy says of it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

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
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if not self._trusted(address) or not hop.strip():
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
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._proxies if _fits(network, known.version))


def _fits(network: IPv4Network | IPv6Network, version: int) -> bool:
    return network.version == version


def _grouped(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return UNKNOWN
    if known.version == 4 or known.is_loopback:
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ip_network((int(known), IPV6_PREFIX), strict=False))
