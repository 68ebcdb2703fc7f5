"""Cases of the API about keys and files of namespaces, which say in words what is there before and afterwards."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conformance.bench import Bench
from conformance.bindings.asking import Asking, asking, form
from conformance.flow_cases import sources, steps
from engine.expressions.ion import loads
from engine.runtime.engine import Engine

NAMESPACE = "io.namespace"
KV = f"/api/v1/namespaces/{NAMESPACE}/kv"
FILES = f"/api/v1/namespaces/{NAMESPACE}/files"
MINUTE = 60_000
TYPES = {
    "map": "JSON",
    "list": "JSON",
    "string": "STRING",
    "decimal": "NUMBER",
    "boolean": "BOOLEAN",
    "local date": "DATE",
    "instant": "DATETIME",
    "duration": "DURATION",
}


async def _clear(engine: Engine) -> None:
    for entry in await engine.keys.list(NAMESPACE):
        await engine.keys.delete(NAMESPACE, entry.key)
    for path in await engine.namespaces.list(NAMESPACE):
        await engine.namespaces.delete(NAMESPACE, path)


async def _list(bench: Bench) -> list[str]:
    await _clear(bench.engine)
    ages = {"my-key": 5 * MINUTE, "my-second-key": 10 * MINUTE}
    for key, ttl in ages.items():
        await bench.engine.keys.set(NAMESPACE, key, "value", ttl=ttl)
    async with asking(bench) as client:
        answer = await client.ask("GET", KV)
        stored = {entry.key: entry for entry in await bench.engine.keys.list(NAMESPACE)}
        client.same("keys", sorted(it["key"] for it in answer.json), sorted(ages))
        for it in answer.json:
            entry = await client.ask("GET", f"{KV}/{it['key']}")
            client.same("the date of the put", it["updateDate"], entry.json["updated"])
            client.same("the date of creation", it["creationDate"], it["updateDate"])
            client.same("has an end", "expirationDate" in it, stored[it["key"]].expires is not None)
    return client.problems


async def _get(bench: Bench) -> list[str]:
    setup, asked = steps(bench.case)
    given = setup["setup"]
    await _clear(bench.engine)
    await bench.engine.keys.set(NAMESPACE, given["key"], loads(given["stored_ion"]))
    async with asking(bench) as client:
        client.check(await client.send(asked["request"]), bench.case["expect"])
    return client.problems


async def _expired(bench: Bench) -> list[str]:
    await _clear(bench.engine)
    await bench.engine.keys.set(NAMESPACE, "my-key", "value", ttl=-5 * MINUTE)
    async with asking(bench) as client:
        client.check(await client.send(steps(bench.case)[1]["request"]), bench.case["expect"])
    return client.problems


async def _put(bench: Bench) -> list[str]:
    expect = bench.case["expect"]
    await _clear(bench.engine)
    async with asking(bench) as client:
        request = steps(bench.case)[0]["request"]
        client.check(await client.send({**request, "headers": {**request["headers"]}}), {"status": 200})
        entries = await bench.engine.keys.list(NAMESPACE)
        client.same("the number of keys", len(entries), expect["keys"])
        client.same("the type", entries[0].type, TYPES[expect["stored_value_type"]])
        left = (entries[0].expires or 0) - entries[0].updated
        client.same("lives 4 to 6 minutes", 4 * MINUTE < left < 6 * MINUTE, True)
    return client.problems


async def _store(engine: Engine, paths: list[str]) -> None:
    await _clear(engine)
    for path in paths:
        await engine.namespaces.put(NAMESPACE, path, b"content")


async def _search(bench: Bench) -> list[str]:
    setup, asked = steps(bench.case)
    await _store(bench.engine, setup["setup"])
    async with asking(bench) as client:
        for wanted, paths in bench.case["expect"]["results_any_order"].items():
            answer = await client.ask("GET", asked["request"]["path"].replace("...", wanted))
            client.same(f"what is found by {wanted}", sorted(answer.json), sorted(paths))
    return client.problems


async def _folder(bench: Bench) -> list[str]:
    setup, root, below = steps(bench.case)
    await _store(bench.engine, setup["setup"])
    async with asking(bench) as client:
        names = [it["fileName"] for it in (await client.send(root["request"])).json]
        client.same("the root", names, root["expect"]["names"])
        names = [it["fileName"] for it in (await client.send(below["request"])).json]
        client.same("the folder", sorted(names), sorted(bench.case["expect"]["names_any_order"]))
    return client.problems


async def _no_folder(bench: Bench) -> list[str]:
    await _clear(bench.engine)
    async with asking(bench) as client:
        client.same("the root", (await client.send(steps(bench.case)[1]["request"])).json, [])
        root = await client.ask("GET", f"{FILES}/stats")
        client.same("what the root is", root.json["type"], "Directory")
    return client.problems


async def _content(client: Asking, path: str) -> str | None:
    answer = await client.ask("GET", f"{FILES}?path={path}")
    return answer.text if answer.status == 200 else None


async def _create(bench: Bench) -> list[str]:
    await _clear(bench.engine)
    async with asking(bench) as client:
        sent = form("fileContent", "test.txt", b"Hello")
        client.check(await client.send(steps(bench.case)[0]["request"], sent), {"status": 200})
        for path, content in bench.case["expect"]["stored"].items():
            client.same(path, await _content(client, path), content)
    return client.problems


async def _unpack(bench: Bench) -> list[str]:
    await _clear(bench.engine)
    expect = bench.case["expect"]
    (flow,) = sources(bench.case)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in expect["stored"].items():
            archive.writestr(f"{path[1:]}/" if content is None else path[1:], content or "")
        archive.writestr("_flows/task-flow.yml", flow)
    async with asking(bench) as client:
        sent = form("fileContent", "files.zip", target.getvalue())
        client.check(await client.send(steps(bench.case)[1]["request"], sent), {"status": 200})
        for path, content in expect["stored"].items():
            client.same(path, await _content(client, path), content)
        stored = await client.ask("GET", f"/api/v1/flows/{expect['flow_created']['namespace']}/task-flow")
        client.same("the namespace of the first task", stored.json["tasks"][0]["namespace"], "io.kestra.tests")
    return client.problems


async def _delete(bench: Bench) -> list[str]:
    setup, asked = steps(bench.case)
    await _store(bench.engine, setup["setup"])
    async with asking(bench) as client:
        client.check(await client.send(asked["request"]), {"error": False})
        client.same("what is there", list(await bench.engine.namespaces.list(NAMESPACE)), setup["setup"][1:])
        client.check(await client.ask("DELETE", f"{FILES}?path=/folderWithMultipleFiles"), {"error": False})
        client.same("the root", (await client.ask("GET", f"{FILES}/directory")).json, [])
    return client.problems


async def _forbidden(bench: Bench) -> list[str]:
    wanted: Any = bench.case["expect"]["each_error_starts_with"]
    async with asking(bench) as client:
        for step in steps(bench.case):
            answer = await client.send(step["request"])
            client.same(f"{step['request']} is refused", answer.message.startswith(wanted), True)
    return client.problems


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "api-kv-list": _list,
    **{f"api-kv-get-{number}": _get for number in (2, 3, 4, 6, 7, 8, 9, 10)},
    "api-kv-get-expired": _expired,
    **{f"api-kv-put-{number}": _put for number in (1, 2, 3, 5, 6, 7, 8, 9, 10)},
    "api-namespace-files-search": _search,
    "api-namespace-files-list": _folder,
    "api-namespace-files-list-empty": _no_folder,
    "api-namespace-files-create-file": _create,
    "api-namespace-files-upload-zip": _unpack,
    "api-namespace-files-delete-file-and-keep-parent": _delete,
    "api-namespace-files-forbidden-paths": _forbidden,
}
