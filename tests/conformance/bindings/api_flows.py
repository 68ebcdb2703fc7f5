"""Cases of the API about flows, which tell of their bodies and of what is stored in words."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from conformance.api_answers import Answer
from conformance.api_setups import SETUPS, VALID
from conformance.bench import Bench
from conformance.bindings.asking import asking, form
from conformance.flow_cases import sources, steps
from engine.errors import NotFound
from engine.store.rows import StoredFlow

FLOWS = "/api/v1/flows"
NAMESPACE = "io.kestra.unittest"
RETURN = "io.kestra.plugin.core.debug.Return"
YAML = {"Content-Type": "application/x-yaml"}


def _flow(id: str, namespace: str = NAMESPACE, **more: Any) -> str:
    """A flow of one task, as JSON."""
    tasks = [{"id": "test", "type": RETURN, "format": "test"}]
    return json.dumps({"id": id, "namespace": namespace, "tasks": tasks, **more})


def _with_input(name: str, id: str = "made") -> str:
    return _flow(id, inputs=[{"id": name, "type": "STRING"}])


async def _forget(bench: Bench, namespace: str, id: str) -> None:
    try:
        await bench.engine.control.delete_flow(namespace, id)
    except NotFound:
        return


async def _all_valid(bench: Bench) -> Sequence[StoredFlow]:
    await SETUPS[f"all flows of {VALID}/ loaded"](bench)
    return await bench.engine.store.flows.list()


async def _graph(bench: Bench) -> list[str]:
    for text in sources(bench.case):
        await bench.engine.control.save_flow(text)
    wanted = dict(bench.case["expect"]["body"])
    front = wanted.pop("no_cluster_uid_starts_with")
    async with asking(bench) as client:
        answer = await client.send(steps(bench.case)[0]["request"])
        for name, count in wanted.items():
            client.same(name, len(answer.json[name]), count)
        uids = [it["cluster"]["uid"] for it in answer.json["clusters"]]
        client.same("a uid so", any(uid.startswith(front) for uid in uids), False)
    return client.problems


async def _search_all(bench: Bench) -> list[str]:
    stored = await _all_valid(bench)
    async with asking(bench) as client:
        client.same("total", (await client.send(steps(bench.case)[1]["request"])).json["total"], len(stored))
    return client.problems


async def _namespaces(bench: Bench) -> list[str]:
    stored = await _all_valid(bench)
    async with asking(bench) as client:
        answer = await client.send(steps(bench.case)[1]["request"])
        client.same("the namespaces", answer.json, sorted({flow.namespace for flow in stored}))
    return client.problems


async def _export(bench: Bench) -> list[str]:
    stored = [it for it in await _all_valid(bench) if f"{it.namespace}.".startswith("io.kestra.tests.")]
    async with asking(bench) as client:
        answer = await client.send(steps(bench.case)[1]["request"])
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            names = sorted(archive.namelist())
        client.same("the entries", names, sorted(f"{it.namespace}.{it.id}.yml" for it in stored))
    return client.problems


async def _of_namespace(bench: Bench) -> list[str]:
    for text in sources(bench.case):
        flow = await bench.engine.control.save_flow(text)
        if "deleted: true" in text:
            await _forget(bench, flow.namespace, flow.id)
    async with asking(bench) as client:
        client.check(await client.send(steps(bench.case)[0]["request"]), bench.case["expect"])
    return client.problems


async def _replace(bench: Bench) -> list[str]:
    body = "---\n".join(_flow(id, "io.kestra.updatenamespace") + "\n" for id in ("a", "b", "c"))
    async with asking(bench) as client:
        client.check(await client.send(steps(bench.case)[0]["request"], body), bench.case["expect"])
    return client.problems


async def _create(bench: Bench) -> list[str]:
    await _forget(bench, NAMESPACE, "made")
    async with asking(bench) as client:
        source = f"# kept\n{_with_input('a')}"
        client.same("the source", (await client.ask("POST", FLOWS, source, **YAML)).json["source"], source)
        answer = await client.ask("GET", f"{FLOWS}/{NAMESPACE}/made")
        client.check(answer, {"body": {"id": "made", "first_input": "a"}})
    return client.problems


async def _update(bench: Bench) -> list[str]:
    await _forget(bench, NAMESPACE, "made")
    async with asking(bench) as client:
        await client.ask("POST", FLOWS, _with_input("a"), **YAML)
        answer = await client.ask("PUT", f"{FLOWS}/{NAMESPACE}/made", _with_input("b"), **YAML)
        client.check(answer, {"body": steps(bench.case)[1]["expect"]})
        answer = await client.ask("PUT", f"{FLOWS}/{NAMESPACE}/unknown", _with_input("b"), **YAML)
        client.check(answer, bench.case["expect"])
    return client.problems


async def _update_task(bench: Bench) -> list[str]:
    await _forget(bench, NAMESPACE, "made")
    below = [{"id": id, "type": RETURN, "format": id} for id in ("test1", "test2")]
    tasks = [{"id": "seq", "type": "io.kestra.plugin.core.flow.Sequential", "tasks": below}]
    async with asking(bench) as client:
        await client.ask("POST", FLOWS, _flow("made", tasks=tasks), **YAML)
        of, changed = f"{FLOWS}/{NAMESPACE}/made", {"id": "test2", "type": RETURN, "format": "updated task"}
        answer = await client.ask("PATCH", f"{of}/test2", changed)
        client.same("the task", answer.json["tasks"][0]["tasks"][1], changed)
        client.check(await client.ask("PATCH", f"{of}/test6", changed), {"status": 422})
        client.check(await client.ask("PATCH", f"{of}/test6", {**changed, "id": "test6"}), bench.case["expect"])
    return client.problems


async def _update_names(bench: Bench) -> list[str]:
    await _forget(bench, NAMESPACE, "made")
    async with asking(bench) as client:
        await client.ask("POST", FLOWS, _flow("made"), **YAML)
        other = _flow("other", f"{NAMESPACE}2")
        client.check(await client.ask("PUT", f"{FLOWS}/{NAMESPACE}/made", other, **YAML), bench.case["expect"])
    return client.problems


async def _import(bench: Bench) -> list[str]:
    flows = {id: _flow(id, "io.kestra.imported") for id in ("a", "b", "c")}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for id, text in flows.items():
            archive.writestr(f"io.kestra.imported.{id}.yml", text)
    async with asking(bench) as client:
        for file, content in (
            ("flows.yaml", "\n---\n".join(flows.values()).encode()),
            ("flows.zip", target.getvalue()),
        ):
            answer = await client.ask("POST", f"{FLOWS}/import", form("fileUpload", file, content))
            client.check(answer, bench.case["expect"])
            client.same("those that failed", answer.json, [])
            stored = await bench.engine.store.flows.list("io.kestra.imported")
            client.same("the flows", [flow.id for flow in stored], list(flows))
    return client.problems


async def _switch(bench: Bench) -> list[str]:
    stored = [await bench.engine.control.save_flow(text) for text in sources(bench.case)]
    ids = [{"namespace": flow.namespace, "id": flow.id} for flow in stored]
    off, on = steps(bench.case)
    async with asking(bench) as client:
        for step, expect in ((off, off["expect"]), (on, bench.case["expect"])):
            answer = await client.send(step["request"], ids)
            count = expect["count"] if "count" in expect else expect["body"]["count"]
            client.same("count", answer.json["count"], count)
            for flow in stored:
                shown = await client.ask("GET", f"{FLOWS}/{flow.namespace}/{flow.id}")
                client.same(f"{flow.id} disabled", shown.json["disabled"], expect["all_disabled"])
    return client.problems


async def _labels(bench: Bench) -> list[str]:
    flow = await bench.engine.control.save_flow(_flow("labelled", labels={"project": "foo,bar"}))
    query = "labels=project:foo,bar"
    async with asking(bench) as client:
        found = await client.ask("GET", f"{FLOWS}/search?{query}")
        client.same("what is found", [it["id"] for it in found.json["results"]], [flow.id])
        client.check(await client.ask("GET", f"{FLOWS}/export/by-query?{query}"), bench.case["expect"])
        for method, verb in (("POST", "disable"), ("POST", "enable"), ("DELETE", "delete")):
            answer = client.check(await client.ask(method, f"{FLOWS}/{verb}/by-query?{query}"), bench.case["expect"])
            client.same(verb, answer.json, {"count": 1})
    return client.problems


async def _part(bench: Bench) -> list[str]:
    """A task or trigger alone; the table shows its one answer in a list."""
    (text,) = sources(bench.case)
    async with asking(bench) as client:
        answer = await client.send(steps(bench.case)[0]["request"], text)
        client.check(Answer(answer.status, b"[%s]" % answer.body, {}), bench.case["expect"])
    return client.problems


async def _as_json(bench: Bench) -> list[str]:
    """What a flow is as JSON: what it says, without what its types would fill in."""
    flow = await bench.engine.control.save_flow(sources(bench.case)[0])
    async with asking(bench) as client:
        text = (await client.ask("GET", f"{FLOWS}/{flow.namespace}/{flow.id}")).text
        for part in bench.case["expect"]["json_contains"]:
            client.same(f"{part} is there", part in text, True)
        for part in bench.case["expect"]["json_not_contains"]:
            client.same(f"{part} is there", part in text, False)
    return client.problems


async def _namespace(bench: Bench) -> list[str]:
    await bench.engine.control.save_flow(_flow("only", "my.ns"))
    async with asking(bench) as client:
        client.check(await client.send(steps(bench.case)[1]["request"]), bench.case["expect"])
    return client.problems


async def _topology(bench: Bench) -> list[str]:
    of = "topology.namespace"
    call = {"type": "io.kestra.plugin.core.flow.Subflow", "namespace": of}
    calls = [{"id": id, "flowId": id, **call} for id in ("flow-b", "flow-c")]
    for text in (_flow("flow-b", of), _flow("flow-c", of), _flow("flow-a", of, tasks=calls)):
        await bench.engine.control.save_flow(text)
    async with asking(bench) as client:
        answer = await client.send(steps(bench.case)[1]["request"])
        for name, count in bench.case["expect"]["body"].items():
            client.same(name, len(answer.json[name]), count)
    return client.problems


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "api-flow-graph": _graph,
    "api-flow-search-all": _search_all,
    "api-flow-by-namespace": _of_namespace,
    "api-flow-replace-namespace-yaml": _replace,
    "api-flow-create": _create,
    "api-flow-update": _update,
    "api-flow-update-task": _update_task,
    "api-flow-update-id-and-namespace": _update_names,
    "api-flow-distinct-namespaces": _namespaces,
    "api-flow-export-by-query": _export,
    "api-flow-import": _import,
    "api-flow-disable-enable-by-ids": _switch,
    "api-flow-comma-in-label": _labels,
    "api-flow-validate-task-unknownprop": _part,
    "api-flow-validate-trigger-valid": _part,
    "api-flow-validate-trigger-unknowntype": _part,
    "api-flow-validate-trigger-unknownprop": _part,
    "validate-serialize-without-defaults": _as_json,
    "api-namespace-get": _namespace,
    "api-namespace-dependencies": _topology,
}
