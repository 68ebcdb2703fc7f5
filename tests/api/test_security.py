"""Who may reach a server that asks nobody who he is."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from engine.api.security import check_bind, is_loopback
from engine.errors import Refused


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_only_this_machine_s_own_programs_are_served(
    client: ClientSession, headers: dict[str, str], status: int
) -> None:
    async with client.get("/api/v1/configs", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.0.1"])
def test_a_loopback_address_needs_no_users(host: str) -> None:
    assert is_loopback(host)
    check_bind(host, authenticates=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", ""])
def test_another_address_does(host: str) -> None:
    with pytest.raises(Refused, match=r"listen on 127\.0\.0\.1"):
        check_bind(host, authenticates=False)
    check_bind(host, authenticates=True)


async def test_what_is_not_there_or_not_possible_is_told(client: ClientSession) -> None:
    async with client.get("/nix") as answer:
        assert (answer.status, (await answer.json())["detail"]) == (404, "There is nothing at /nix")
    async with client.patch("/api/v1/main/flows") as answer:
        told = await answer.json()
        assert (answer.status, told["type"].rpartition("/")[2]) == (405, "method-not-allowed")


async def test_whether_it_answers_can_be_asked_without_the_api(client: ClientSession) -> None:
    async with client.get("/ping") as answer:
        assert (answer.status, await answer.text()) == (200, "pong")
