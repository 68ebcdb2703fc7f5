"""Cases about webhooks: one request, and the execution that it starts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import ClientSession

from conformance.bench import Bench
from conformance.flow_cases import sources
from conformance.flow_matching import difference
from engine.api.server import serving
from engine.ids import ExecutionId
from engine.settings import Server
from engine.state.execution import Execution

METHOD = "POST"


async def _run(bench: Bench) -> list[str]:
    options = bench.case["start"]["webhook"]
    expect = bench.case["expect"]
    for text in sources(bench.case):
        await bench.engine.control.save_flow(text)
    address = f"/api/v1/main/executions/webhook/{options['namespace']}/{options['flow']}/{options['key']}"
    async with serving(bench.engine, Server(port=0, shutdown_seconds=0.5)) as url, ClientSession(url) as client:
        problems = []
        for method in options.get("methods", [options.get("method", METHOD)]):
            problems += await _one(bench, client, method.partition(" ")[0], address, options, expect)
        return problems


async def _one(
    bench: Bench,
    client: ClientSession,
    method: str,
    address: str,
    options: Mapping[str, Any],
    expect: Mapping[str, Any],
) -> list[str]:
    body = options.get("body")
    sent = body if isinstance(body, str) or body is None else json.dumps(body)
    async with client.request(method, f"{address}?{options.get('query', '')}", data=sent) as answer:
        text = await answer.text()
    found: dict[str, Any] = {"status": answer.status}
    wanted: dict[str, Any] = {"status": expect.get("status", 200)}
    problems = [f"{text} lacks {it}" for it in [expect.get("error_contains", "")] if it not in text]
    if "body" in expect:
        found["body"], wanted["body"] = text or None, expect["body"]
    if expect.get("execution", "created") is not None and answer.status == 200:
        id = ExecutionId(json.loads(text)["id"])
        bench.started.append(id)
        execution, _ = await bench.engine.store.executions.head(id)
        found |= _seen(execution, expect)
        wanted |= {key: expect[key] for key in ("trigger_vars", "labels_in_order") if key in expect}
    problem = difference(found, wanted, {})
    return [*problems, problem] if problem else problems


def _seen(execution: Execution, expect: Mapping[str, Any]) -> dict[str, Any]:
    assert execution.trigger is not None
    variables = execution.trigger.variables
    labels = [{label.key: label.value} for label in execution.labels if not label.key.startswith("system.")]
    seen = {
        "trigger_vars": {key: variables.get(key) for key in expect.get("trigger_vars", {})},
        "labels_in_order": labels,
    }
    return {key: value for key, value in seen.items() if key in expect}


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = dict.fromkeys(
    (
        "webhook-post-json",
        "webhook-put-json-list",
        "webhook-post-string",
        "webhook-malformed-json",
        "webhook-flow-not-found",
        "webhook-dynamic-key",
        "webhook-condition-true",
        "webhook-condition-false",
    ),
    _run,
)
