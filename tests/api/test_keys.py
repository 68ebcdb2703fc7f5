"""Keys of namespaces over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from engine.clock import ManualClock
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings

KV = "/api/v1/main/namespaces/company.team/kv"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings(), clock=clock) as opened:
        yield opened


async def put(client: ClientSession, key: str, body: str, of: str = KV, **headers: str) -> int:
    async with client.put(f"{of}/{key}", data=body, headers={"Content-Type": "text/plain", **headers}) as answer:
        return answer.status


async def get(client: ClientSession, path: str) -> tuple[int, Any]:
    async with client.get(path) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("body", "type", "value"),
    [
        ('"hello"', "STRING", "hello"),
        ("42", "NUMBER", 42),
        ("1.50", "NUMBER", 1.5),
        ("false", "BOOLEAN", False),
        ('{"a": [1, null]}', "JSON", {"a": [1, None]}),
        ("2021-09-01", "DATE", "2021-09-01"),
        ("2021-09-01T01:02:03Z", "DATETIME", "2021-09-01T01:02:03Z"),
        ('"PT5S"', "DURATION", "PT5S"),
    ],
)
async def test_a_value_keeps_its_type(client: ClientSession, body: str, type: str, value: Any) -> None:
    assert await put(client, "k", body) == 200
    status, answered = await get(client, f"{KV}/k")
    assert (status, answered["type"], answered["value"], answered["revision"]) == (200, type, value, 1)


async def test_a_key_lives_as_long_as_its_header_says(client: ClientSession, clock: ManualClock) -> None:
    await put(client, "short", "1", ttl="PT5M", description="brief")
    await put(client, "long", "1")
    _, entries = await get(client, KV)
    assert [(entry["key"], "expirationDate" in entry) for entry in entries] == [("long", False), ("short", True)]
    assert entries[1]["description"] == "brief"
    clock.advance(301)
    status, told = await get(client, f"{KV}/short")
    assert status == 410
    assert told["message"].startswith("Resource has expired: The requested value has expired")
    assert (await get(client, f"{KV}/short"))[0] == 404


async def test_keys_are_deleted(client: ClientSession) -> None:
    for key in "abc":
        await put(client, key, "1")
    async with client.delete(f"{KV}/a") as first, client.delete(f"{KV}/a") as second:
        assert (await first.json(), await second.json()) == (True, False)
    async with client.delete(KV, json={"keys": ["a", "b"]}) as answer:
        assert await answer.json() == {"keys": ["b"]}
    assert [entry["key"] for entry in (await get(client, KV))[1]] == ["c"]


async def test_keys_of_namespaces_above_are_inherited_unless_a_nearer_one_has_them(client: ClientSession) -> None:
    above = "/api/v1/main/namespaces/company/kv"
    await put(client, "own", "1")
    await put(client, "own", "2", of=above)
    await put(client, "shared", "3", of=above)
    _, entries = await get(client, f"{KV}/inheritance")
    assert [(entry["namespace"], entry["key"]) for entry in entries] == [("company", "shared")]


@pytest.mark.parametrize(
    ("key", "body", "headers", "said"),
    [
        ("k", '{"a":', {}, "must be JSON or Ion"),
        ("k", "1", {"ttl": "soon"}, "header ttl"),
        ("k", "1", {"ttl": "PT0S"}, "longer than nothing"),
        ("-k", "1", {}, "Key must start with"),
    ],
)
async def test_what_can_not_be_stored_is_told(
    client: ClientSession, key: str, body: str, headers: dict[str, str], said: str
) -> None:
    async with client.put(f"{KV}/{key}", data=body, headers=headers) as answer:
        assert answer.status == 422
        assert said in (await answer.json())["detail"]


async def test_a_missing_key_is_told(client: ClientSession) -> None:
    status, told = await get(client, f"{KV}/none")
    assert (status, told["message"]) == (
        404,
        "Not Found: No value found for key 'none' in namespace 'company.team'",
    )


async def test_a_value_that_holds_a_secret_is_covered(engine: Engine, client: ClientSession) -> None:
    await engine.keys.set("company.team", "token", "s3cr3t-text", masks=["s3cr3t-text"])
    _, answered = await get(client, f"{KV}/token")
    assert answered["value"] == "******"


async def test_secrets_are_stored_named_and_never_answered(engine: Engine, client: ClientSession) -> None:
    of = "/api/v1/main/namespaces/company.team"
    await engine.secrets.set("everywhere", "x" * 20)
    async with client.put(f"{of}/secrets", json={"key": "token", "value": "s3cr3t-text", "description": "d"}) as answer:
        assert answer.status == 200
        assert [it["key"] for it in await answer.json()] == ["TOKEN"]
    for path in (f"{of}/secrets", "/api/v1/main/secrets?namespace=company.team&q=tok"):
        _, page = await get(client, path)
        assert page["total"] == 1
        (shown,) = page["results"]
    assert "s3cr3t" not in str(page)
    assert (shown["key"], shown["namespace"], shown["description"]) == ("TOKEN", "company.team", "d")
    async with client.patch(f"{of}/secrets/token", json={"description": "e"}) as answer:
        assert [it["description"] for it in await answer.json()] == ["e"]
    async with client.patch(f"{of}/secrets/none", json={"description": "e"}) as answer:
        assert answer.status == 404
    assert await engine.secrets.find("company.team", "token") == "s3cr3t-text"
    _, names = await get(client, f"{of}.below/inherited-secrets")
    assert names["company.team"] == ["TOKEN"]
    assert "EVERYWHERE" in names[""]
    async with client.delete(f"{of}/secrets/token") as first, client.delete(f"{of}/secrets/token") as second:
        assert (first.status, second.status) == (204, 404)


async def test_keys_of_all_namespaces_are_searched(client: ClientSession) -> None:
    for namespace in ("company", "company.team", "other"):
        for key in ("a", "b"):
            await put(client, key, "1", of=f"/api/v1/main/namespaces/{namespace}/kv")
    query = "filters[namespace][PREFIX]=company&filters[q][EQUALS]=B&sort=namespace:desc"
    _, page = await get(client, f"/api/v1/main/kv?{query}")
    assert [(it["namespace"], it["key"]) for it in page["results"]] == [("company.team", "b"), ("company", "b")]
    _, page = await get(client, "/api/v1/main/kv?page=2&size=5")
    assert (len(page["results"]), page["total"]) == (1, 6)
    assert (await get(client, "/api/v1/main/kv?filters[nix][EQUALS]=1"))[0] == 400
