"""Cases of the tasks about keys: what a namespace held before, and what it holds afterwards."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from conformance.bench import Bench
from conformance.bindings.several_tasks import (
    PLUGINS,
    error_of,
    namespace,
    outputs_of,
    own_task,
    problems,
    run_tasks,
)
from engine.errors import Refused

MINUTE = 60_000
VALUE = {"date": "2024-01-01T00:00:00Z", "int": 1, "string": "string"}


def _set(key: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": f"set-{key}", "type": f"{PLUGINS}.kv.Set", "key": key, "value": value, **more}


def _get(key: str, **more: Any) -> dict[str, Any]:
    return {"id": "get", "type": f"{PLUGINS}.kv.Get", "key": key, **more}


async def _existing(bench: Bench) -> list[str]:
    """Delete and Get of a key that is there; `value` in prose is the stored one."""
    inputs = {"namespace": namespace(bench), "key": "test-key", "value": VALUE}
    runs = await run_tasks(bench, [_set("test-key", "{{ inputs.value }}"), own_task(bench)], inputs)
    wanted = bench.case["expect"]["outputs"]
    return problems(outputs_of(runs["task"]), {"value": VALUE} if "value" in wanted else wanted)


async def _missing(bench: Bench) -> list[str]:
    """Of a key that is not there."""
    runs = await run_tasks(bench, [own_task(bench, namespace=namespace(bench))])
    expect = bench.case["expect"]
    if "error_is" in expect:
        return problems(error_of(runs["task"]), expect["error_is"].replace("<ns>", namespace(bench)))
    return problems(outputs_of(runs["task"]), expect["outputs"])


async def _listed(bench: Bench) -> list[str]:
    keys = ("test-key", "test-second-key", "another-key")
    prefix = {"prefix": "{{ inputs.prefix }}"} if "prefix" in bench.case["start"]["task"]["properties"] else {}
    runs = await run_tasks(bench, [*(_set(key, "x") for key in keys), own_task(bench, **prefix)], {"prefix": "test"})
    found = (runs["task"].outputs or {}).get("keys")
    return problems(sorted(found or ()), sorted(bench.case["expect"]["outputs"]["keys_any_order"]))


async def _stored(bench: Bench) -> list[str]:
    """What Set leaves: the value, and when it expires."""
    expect = bench.case["expect"]
    properties = bench.case["start"]["task"]["properties"]
    value = VALUE if expect.get("stored_value") == "the given map with typed values" else "test-value"
    wanted = value if isinstance(expect.get("stored_value"), str) else expect.get("stored_value", value)
    place = {"io.kestra": "io.kestra", "io.kestra.test": namespace(bench)}.get(properties.get("namespace"))
    own = own_task(bench, **({"namespace": place} if place else {}))
    where = {"namespace": place} if place else {}
    inputs = {"key": "test-key", "value": value}
    runs = await run_tasks(bench, [own, _get("test-key", **where)], inputs)
    entry = await bench.engine.store.kv.get(place or namespace(bench), "test-key")
    assert entry is not None
    found = problems(outputs_of(runs["get"]), {"value": wanted})
    if expect.get("expirationDate", "") is None:
        return found + problems(entry.expires, None)
    if "expirationDate" in expect and not 4 * MINUTE < (entry.expires or 0) - bench.since < 6 * MINUTE:
        found.append(f"expires at {entry.expires}")
    return found


async def _kept(bench: Bench) -> list[str]:
    inputs = {"key": "test-key", "value": "test-value"}
    runs = await run_tasks(bench, [_set("test-key", "x"), own_task(bench)], inputs)
    return problems(error_of(runs["task"]), bench.case["expect"]["error_is"])


async def _elsewhere(bench: Bench) -> list[str]:
    runs = await run_tasks(bench, [own_task(bench)], {"key": "test-key", "value": "test-value"})
    return problems(runs["task"].state.value, "FAILED")


async def _function(bench: Bench) -> list[str]:
    """`kv()` in a template."""
    show = {"id": "show", "type": f"{PLUGINS}.debug.Return", "format": "{{ kv('my-key').field }}"}
    runs = await run_tasks(bench, [_set("my-key", "{{ inputs.value }}"), show], {"value": {"field": "value"}})
    return problems((runs["show"].outputs or {}).get("value"), "value")


async def _values(bench: Bench) -> list[str]:
    """Null, nested, missing and expired."""
    tasks = [
        _set("none", "{{ null }}", kvType="JSON"),
        _set("nested", "{{ inputs.value }}"),
        _set("short", "x", ttl="PT0.001S"),
        {**_get("none"), "id": "get-none"},
        {**_get("nested"), "id": "get-nested"},
        {**_get("missing"), "id": "get-missing"},
        {"id": "keys", "type": f"{PLUGINS}.kv.GetKeys"},
    ]
    runs = await run_tasks(bench, tasks, {"value": VALUE})
    found = [outputs_of(runs[name]).get("value") for name in ("get-none", "get-nested", "get-missing")]
    keys = sorted(outputs_of(runs["keys"]).get("keys", ()))
    return problems([*found, keys], [None, VALUE, None, ["nested", "none"]])


async def _expiring(bench: Bench) -> list[str]:
    """The listing of keys that live for a while."""
    keys, place = bench.engine.keys, namespace(bench)
    lives = {"five": 5 * MINUTE, "ten": 10 * MINUTE}
    for key, ttl in {**lives, "short": 1}.items():
        await keys.set(place, key, "x", ttl=ttl)
    await anyio.sleep(0.005)
    found = {entry.key: (entry.expires or 0) - entry.created for entry in await keys.list(place)}
    return problems(found, lives)


async def _access(bench: Bench) -> list[str]:
    """Which namespaces have keys to look at, and from where."""
    keys, own = bench.engine.keys, "io.kestra.unittest"
    flow = {"id": "there", "namespace": own, "tasks": [_get("any")]}
    await bench.engine.control.save_flow(json.dumps(flow))
    await keys.set("system", "any", "x")
    found = {}
    for asked, place, caller in (
        (own, own, ""),
        (f"{own}.unknown", f"{own}.unknown", ""),
        (f"io.kestra asked from {own}", "io.kestra", own),
        ("system (no flow, but holds a key)", "system", own),
    ):
        try:
            await keys.check_namespace(place, caller)
            found[asked] = "store"
        except Refused as error:
            named = f"namespace '{place}' does not exist"
            found[asked] = f'error containing "{named}"' if named in str(error) else str(error)
    return problems(found, bench.case["expect"]["result"])


async def _states(bench: Bench) -> list[str]:
    """States with and without a name, inside and outside of a loop."""
    names = {"none": {}, **{name: {"name": name} for name in ("a", "b", "a-b")}}

    def tasks(kind: str, suffix: str) -> list[dict[str, Any]]:
        found = []
        for name, given in names.items():
            more = {"data": {"is": f"{name}{suffix}"}} if kind == "Set" else {}
            found.append({"id": f"{kind}-{name}{suffix}", "type": f"{PLUGINS}.state.{kind}", **given, **more})
        return found

    def loop(kind: str) -> dict[str, Any]:
        return {"id": kind, "type": f"{PLUGINS}.flow.ForEach", "values": ["x"], "tasks": tasks(kind, "-looped")}

    runs = await run_tasks(bench, [*tasks("Set", ""), loop("Set"), *tasks("Get", ""), loop("Get")])
    wanted = [f"{name}{suffix}" for name in names for suffix in ("", "-looped")]
    found = [(runs[f"Get-{it}"].outputs or {}).get("data", {}).get("is") for it in wanted]
    return problems(found, wanted)


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "task-kv-delete-existing": _existing,
    "task-kv-get": _existing,
    "task-kv-get-missing": _missing,
    "task-kv-get-error-on-missing": _missing,
    "task-kv-delete-error-on-missing": _missing,
    "task-kv-get-keys-all": _listed,
    "task-kv-get-keys-prefix": _listed,
    "task-kv-set-default-namespace": _stored,
    "task-kv-set-same-namespace": _stored,
    "task-kv-set-parent-namespace": _stored,
    "task-kv-set-ttl": _stored,
    "task-kv-set-type-json": _stored,
    "task-kv-set-no-overwrite": _kept,
    "task-kv-set-unrelated-namespace": _elsewhere,
    "kv-function-get": _function,
    "kv-store-get": _values,
    "kv-store-list": _expiring,
    "kv-namespace-access": _access,
    "state-store-optional-parts": _states,
}
