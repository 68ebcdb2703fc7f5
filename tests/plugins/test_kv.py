"""Tasks about keys, and the function kv()."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import ManualClock
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.sealed import SHOWN, is_sealed
from engine.state.status import Status
from support.running import messages, run, runs_of

SECRET = "correct-horse-battery"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings(), clock=clock) as opened:
        yield opened


def flow(*tasks: str, inputs: str = "[]", namespace: str = "shop.team") -> str:
    lines = [f"id: keys\nnamespace: {namespace}\ninputs: {inputs}\nvariables: {{map: {{a: 1}}, truth: true}}\ntasks:"]
    return "\n".join([*lines, *(f"  - {{id: t{number}, {task}}}" for number, task in enumerate(tasks))])


async def ran(engine: Engine, *tasks: str, **options: str) -> list[dict[str, Any]]:
    """Outputs of the tasks of a flow that ends well."""
    record = await run(engine, flow(*tasks, **options))
    assert record.execution.state is Status.SUCCESS, await messages(engine, record.execution.id)
    return [runs_of(record, f"t{number}")[0].outputs or {} for number in range(len(tasks))]


async def failed(engine: Engine, *tasks: str) -> str:
    """The error of the last task of a flow."""
    record = await run(engine, flow(*tasks))
    assert record.execution.state is Status.FAILED
    return runs_of(record, f"t{len(tasks) - 1}")[0].attempts[-1].error or ""


@pytest.mark.parametrize(
    ("given", "type", "value"),
    [
        ("text", "STRING", "text"),
        ("'{{ 1 + 41 }}'", "NUMBER", 42),
        ("'n {{ 1 + 41 }}'", "STRING", "n 42"),
        ("'{{ vars.truth }}'", "BOOLEAN", True),
        ("'{{ vars.map }}'", "JSON", {"a": 1}),
        ("{deep: ['{{ vars.map }}']}", "JSON", {"deep": [{"a": 1}]}),
        ("PT1H", "DURATION", "PT1H"),
        ('\'[{"some": "value"}]\', kvType: JSON', "JSON", [{"some": "value"}]),
        ("'42', kvType: NUMBER", "NUMBER", 42),
        ("'4.5', kvType: NUMBER", "NUMBER", 4.5),
        ("'true', kvType: BOOLEAN", "BOOLEAN", True),
        ("'{{ 42 }}', kvType: STRING", "STRING", "42"),
        ("'2024-01-31T10:00:00+01:00', kvType: DATETIME", "DATETIME", "2024-01-31T09:00:00Z"),
        ("'2024-01-31', kvType: DATE", "DATE", "2024-01-31"),
        ("pt5m, kvType: DURATION", "DURATION", "PT5M"),
    ],
)
async def test_a_value_keeps_its_type(engine: Engine, given: str, type: str, value: Any) -> None:
    outputs = await ran(engine, f"type: core.kv.Set, key: k, value: {given}", "type: core.kv.Get, key: k")
    assert outputs[1] == {"value": value}
    entry = await engine.keys.get("shop.team", "k")
    assert entry is not None
    assert (entry.type, entry.expires) == (type, None)


async def test_a_value_that_is_none_of_its_type_fails(engine: Engine) -> None:
    error = await failed(engine, "type: core.kv.Set, key: k, value: many, kvType: NUMBER")
    assert error == "The value is no NUMBER: it must be a number, but is many"


async def test_expressions_read_keys_of_the_namespace_and_those_above(engine: Engine) -> None:
    await engine.keys.set("shop", "limit", {"most": 3})
    await engine.keys.set("shop.team", "own", "mine")
    outputs = await ran(
        engine,
        "type: core.debug.Return, format: \"{{ kv('limit').most }} {{ kv('own') }} {{ kv('none', null, false) }}\"",
        "type: core.debug.Return, format: \"{{ kv('none', errorOnMissing=false) ?? 'else' }}\"",
    )
    assert [output["value"] for output in outputs] == ["3 mine ", "else"]
    error = await failed(engine, "type: core.debug.Return, format: \"{{ kv('none') }}\"")
    assert "The key 'none' does not exist in the namespace 'shop.team'." in error


async def test_keys_are_listed_and_deleted(engine: Engine) -> None:
    for key in ("test-key", "test-second-key", "another-key"):
        await engine.keys.set("shop.team", key, 1)
    outputs = await ran(
        engine,
        "type: core.kv.GetKeys, prefix: test",
        "type: core.kv.Delete, key: another-key",
        "type: core.kv.Delete, key: another-key",
        "type: core.kv.GetKeys",
        "type: core.kv.Get, key: another-key",
    )
    assert outputs[0] == {"keys": ["test-key", "test-second-key"]}
    assert outputs[1:3] == [{"deleted": True}, {"deleted": False}]
    assert outputs[3] == {"keys": ["test-key", "test-second-key"]}
    assert outputs[4] == {"value": None}


@pytest.mark.parametrize("type", ["Get", "Delete"])
async def test_a_missing_key_fails_where_that_is_wanted(engine: Engine, type: str) -> None:
    error = await failed(engine, f"type: core.kv.{type}, key: my-key, errorOnMissing: true")
    assert error == ("No value found for key 'my-key' in namespace 'shop.team' and `errorOnMissing` is set to true")


async def test_a_value_of_null_is_not_missing(engine: Engine) -> None:
    await engine.keys.set("shop.team", "empty", None)
    assert await ran(engine, "type: core.kv.Get, key: empty, errorOnMissing: true") == [{"value": None}]


async def test_a_taken_key_fails_where_it_must_not_be_replaced(engine: Engine) -> None:
    error = await failed(
        engine,
        "type: core.kv.Set, key: test-key, value: 1",
        "type: core.kv.Set, key: test-key, value: 2, overwrite: false",
    )
    assert error == "Cannot set value for key 'test-key'. Key already exists and `overwrite` is set to `false`."


async def test_a_malformed_key_is_refused(engine: Engine) -> None:
    assert "Key must start with an alphanumeric" in await failed(engine, "type: core.kv.Set, key: -k, value: 1")


async def test_other_namespaces_must_be_known(engine: Engine) -> None:
    await ran(engine, "type: core.kv.Set, key: k, value: 1, namespace: shop")
    assert [entry.namespace for entry in await engine.keys.list()] == ["shop"]
    error = await failed(engine, "type: core.kv.Set, key: k, value: 1, namespace: not-found")
    assert error == "Cannot access the KV store. The namespace 'not-found' does not exist."
    await engine.keys.set("attic", "k", 2)
    assert await ran(engine, "type: core.kv.Get, key: k, namespace: attic") == [{"value": 2}]


async def test_a_value_lives_as_long_as_it_was_given(engine: Engine, clock: ManualClock) -> None:
    await ran(engine, "type: core.kv.Set, key: k, value: v, ttl: PT5M, kvDescription: brief")
    entry = await engine.keys.get("shop.team", "k")
    assert entry is not None
    assert (entry.expires, entry.description) == (clock.now() + 300_000, "brief")
    clock.advance(299)
    assert await ran(engine, "type: core.debug.Return, format: \"{{ kv('k') }}\"") == [{"value": "v"}]
    clock.advance(1)
    assert await ran(engine, "type: core.kv.GetKeys") == [{"keys": []}]
    assert "The requested value has expired" in await failed(engine, "type: core.kv.Get, key: k")
    assert await engine.store.kv.list() == []
    assert await ran(engine, "type: core.kv.Get, key: k") == [{"value": None}]
    assert "must be longer than nothing" in await failed(engine, "type: core.kv.Set, key: k, value: v, ttl: PT0S")


async def test_purge_deletes_what_has_expired_or_all_that_matches(engine: Engine, clock: ManualClock) -> None:
    for namespace in ("shop", "shop.team", "shopping"):
        await engine.keys.set(namespace, "old", 1, ttl=1000)
        await engine.keys.set(namespace, "new", 1)
    clock.advance(2)
    purge = "type: core.kv.PurgeKV"
    assert await ran(engine, f"{purge}, namespaces: [shop], includeChildNamespaces: false") == [{"size": 1}]
    assert await ran(engine, f"{purge}, namespaces: [shop]") == [{"size": 1}]
    assert await ran(engine, f"{purge}, keyPattern: 'n*'") == [{"size": 0}]
    everything = "behavior: {type: key, expiredOnly: false}"
    assert await ran(engine, f"{purge}, namespacePattern: 'shop?*', keyPattern: 'n*', {everything}") == [{"size": 2}]
    assert await ran(engine, f"{purge}, expiredOnly: false") == [{"size": 2}]
    assert await ran(engine, f"{purge}, behavior: {{type: version, keepAmount: 1}}") == [{"size": 0}]
    assert "not both" in await failed(engine, f"{purge}, namespaces: [a], namespacePattern: b")


async def test_purge_deletes_earlier_values(engine: Engine, clock: ManualClock) -> None:
    for namespace in ("shop", "attic"):
        for value in range(4):
            await engine.keys.set(namespace, "k", value)
    purge = "type: core.kv.PurgeKV, namespaces: [shop]"
    assert await ran(engine, f"{purge}, behavior: {{type: version, before: 2000-01-01}}") == [{"size": 0}]
    assert await ran(engine, f"{purge}, behavior: {{type: version, keepAmount: 3}}") == [{"size": 1}]
    assert await ran(engine, f"{purge}, behavior: {{type: version}}") == [{"size": 2}]
    assert [it.revision for it in await engine.keys.revisions("shop", "k")] == [4]
    assert len(await engine.keys.revisions("attic", "k")) == 4


async def test_a_value_that_holds_a_secret_is_stored_encrypted(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", base64.b64encode(SECRET.encode()).decode())
    record = await run(
        engine,
        flow(
            "type: core.kv.Set, key: k, value: {auth: \"Bearer {{ secret('TOKEN') }}\"}",
            "type: core.kv.Get, key: k",
            "type: core.log.Log, message: \"{{ kv('k').auth }} {{ outputs.t1.value.auth | length }}\"",
        ),
    )
    assert await messages(engine, record.execution.id, "t2") == [f"{SHOWN} {len(SECRET) + 7}"]
    assert is_sealed((runs_of(record, "t1")[0].outputs or {})["value"])
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*.db*"))
    assert SECRET.encode() not in stored
