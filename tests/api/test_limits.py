"""How often somebody may ask, and how often he may be wrong."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from aiohttp import ClientSession

from engine.api.limits import Buckets, Lockout
from engine.api.problems import TooMany
from engine.api.server import serving
from engine.runtime.engine import Engine
from engine.settings import Limits, Server
from support.signing_in import PASSWORD, ROOT, basic, bearer

ME = "/api/v1/me"


@asynccontextmanager
async def limited(engine: Engine, limits: Limits, **more: object) -> AsyncIterator[ClientSession]:
    """A client of a server with users and these limits."""
    await engine.users.add(ROOT, PASSWORD, {})
    options = msgspec.structs.replace(Server(port=0, shutdown_seconds=1.0, limits=limits), **more)
    async with serving(engine, options) as url, ClientSession(url) as session:
        yield session


async def statuses(client: ClientSession, count: int, headers: dict[str, str], path: str = ME) -> list[int]:
    found = []
    for _ in range(count):
        async with client.get(path, headers=headers) as answer:
            found.append(answer.status)
            if answer.status == 429:
                assert int(answer.headers["Retry-After"]) >= 1
                assert re.search(r"try again in \d+ s", (await answer.json())["message"])
    return found


def test_a_bucket_fills_with_time() -> None:
    buckets = Buckets(rate=1000, burst=2)
    buckets.take("a")
    buckets.take("b")
    refused = taken = 0
    while not refused:
        try:
            buckets.take("a")
        except TooMany as error:
            refused = error.seconds
    assert refused == 1
    while taken < 3:
        with contextlib.suppress(TooMany):
            buckets.take("a")
            taken += 1


def test_failures_lock_a_user_at_an_address_and_after_more_the_address() -> None:
    lockout = Lockout(2, 1e6)
    for name in ("ann", "ann", "eve"):
        lockout.attempt(name, "1.1.1.1")
    with pytest.raises(TooMany):
        lockout.check("ann", "1.1.1.1")
    lockout.check("ann", "2.2.2.2")
    lockout.succeeded("eve", "1.1.1.1")
    for number in range(18):
        lockout.attempt(f"user{number}", "1.1.1.1")
    with pytest.raises(TooMany):
        lockout.check("ben", "1.1.1.1")


def test_a_lock_opens_by_itself_and_no_limit_is_none() -> None:
    short = Lockout(1, 0.0)
    none = Lockout(0, 1e6)
    for lockout in (short, none):
        for _ in range(5):
            lockout.attempt("ann", "1.1.1.1")
            lockout.check("ann", "1.1.1.1")


async def test_too_many_requests_of_a_user_are_told_when_to_come_again(engine: Engine) -> None:
    async with limited(engine, Limits(requests_per_second=0.001, burst=3)) as client:
        await engine.users.add("ann", PASSWORD, {"shop": 1})
        assert await statuses(client, 5, basic()) == [200, 200, 200, 429, 429]
        assert await statuses(client, 1, basic("ann")) == [200]
        assert await statuses(client, 5, {}, "/ping") == [200, 200, 200, 429, 429]


async def test_wrong_tokens_are_limited_by_address(engine: Engine) -> None:
    async with limited(engine, Limits(unknown_per_second=0.2)) as client:
        assert await statuses(client, 4, bearer("nix")) == [401, 401, 429, 429]
        assert await statuses(client, 1, basic()) == [200]


@pytest.mark.parametrize("name", [ROOT, "eve"])
async def test_after_wrong_passwords_the_right_one_is_refused_too(engine: Engine, name: str) -> None:
    async with limited(engine, Limits(failures=2)) as client:
        assert await statuses(client, 3, basic(name, "Wrong!1234")) == [401, 401, 429]
        async with client.post("/api/v1/login", json={"username": name, "password": PASSWORD}) as answer:
            assert answer.status == 429
        assert await statuses(client, 1, basic(name)) == [429]
        # Others at that address go on.
        await engine.users.add("ann", PASSWORD, {"shop": 1})
        assert await statuses(client, 1, basic("ann")) == [200]


async def test_many_requests_at_once_with_the_right_password_are_no_failures(engine: Engine) -> None:
    async with limited(engine, Limits(failures=2)) as client:
        found: list[int] = []

        async def ask() -> None:
            found.extend(await statuses(client, 1, basic()))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        assert found == [200] * 20


async def test_a_trusted_proxy_says_whose_request_it_passes_on(engine: Engine) -> None:
    wrong = basic("eve", "Wrong!1234")
    async with limited(engine, Limits(failures=1), proxies=("127.0.0.0/8",)) as client:
        for address, wanted in (("1.1.1.1", 401), ("1.1.1.1", 429), ("9.9.9.9, 2.2.2.2", 401), ("2.2.2.2", 429)):
            assert await statuses(client, 1, {**wrong, "X-Forwarded-For": address}) == [wanted]


async def test_what_others_say_of_their_address_is_not_believed(engine: Engine) -> None:
    wrong = basic("eve", "Wrong!1234")
    async with limited(engine, Limits(failures=1)) as client:
        assert await statuses(client, 1, {**wrong, "X-Forwarded-For": "1.1.1.1"}) == [401]
        assert await statuses(client, 1, {**wrong, "X-Forwarded-For": "2.2.2.2"}) == [429]
