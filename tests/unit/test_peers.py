"""Where a request comes from."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from engine.api.peers import Peers


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address"),
    [
        ((), "1.2.3.4", "", "1.2.3.4"),
        ((), "1.2.3.4", "5.6.7.8", "1.2.3.4"),
        (("1.2.3.0/24",), "1.2.3.4", "5.6.7.8", "5.6.7.8"),
        (("1.2.3.4", "9.9.9.9"), "1.2.3.4", "6.6.6.6, 5.6.7.8, 9.9.9.9", "5.6.7.8"),
        (("1.2.3.4",), "1.2.3.4", "", "1.2.3.4"),
        (("1.2.3.4",), "1.2.3.4", "nonsense", "unknown"),
        (("::1",), "1.2.3.4", "5.6.7.8", "1.2.3.4"),
        ((), "2001:db8::1", "", "2001:db8::/64"),
        ((), "2001:db8::2:3:4:5", "", "2001:db8::/64"),
        ((), "fe80::1%eth0", "", "fe80::/64"),
        ((), "::ffff:1.2.3.4", "", "1.2.3.4"),
        (("1.2.3.0/24",), "::ffff:1.2.3.4", "5.6.7.8", "5.6.7.8"),
        ((), "::1", "", "::1"),
    ],
)
def test_the_address_is_what_those_say_who_are_trusted(
    proxies: tuple[str, ...], remote: str, forwarded: str, address: str
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    assert Peers(proxies).address(request) == address
