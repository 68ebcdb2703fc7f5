"""Cases about flows, inputs and outputs as they are stored."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import sources, steps
from conformance.flow_matching import difference
from engine.clock import SystemClock
from engine.errors import InvalidInputs
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import StoredFlow

NAMESPACE = "io.kestra.tests"
LOG = {"id": "task", "type": "io.kestra.plugin.core.log.Log", "message": "hello"}


async def _save(bench: Bench, id: str, **properties: Any) -> StoredFlow:
    flow = {"id": id, "namespace": NAMESPACE, "tasks": [LOG], **properties}
    return await bench.engine.control.save_flow(json.dumps(flow))


async def _run(bench: Bench, flow: StoredFlow, raw: bool = False, **labels: str) -> Record:
    id = await bench.create(flow, {}, labels, raw=raw)
    await bench.engine.control.wait(id, wholly=True)
    return await bench.record(id)


async def _default_input(bench: Bench) -> list[str]:
    inputs = [{"id": "test", "type": "STRING", "defaults": "test"}]
    record = await _run(bench, await _save(bench, "default-input", inputs=inputs), raw=True)
    seen = await bench.engine.control.evaluate(record.execution.id, "{{inputs.test}}")
    return _problems(seen, bench.case["expect"]["result"])


async def _encrypted(bench: Bench) -> list[str]:
    sealed = bench.vault.seal("toto")
    return _problems([sealed["value"] != "toto", bench.vault.open(sealed["value"])], [True, "toto"])


async def _labels(bench: Bench) -> list[str]:
    record = await _run(bench, await _save(bench, "labels"), test="test-value")
    labels = {label.key: label.value for label in record.execution.labels}
    return _problems(labels, bench.case["expect"]["result"]["labels"])


async def _revisions(bench: Bench) -> list[str]:
    source = bench.case["start"]["unit"]["import"]
    changed = source.replace("id: task", "id: replaced_task")
    first = await bench.engine.control.save_flow(source)
    second = await bench.engine.control.save_flow(changed)
    held = await bench.engine.store.flows.get(first.namespace, first.id)
    return _problems([first.revision, second.revision, held.source], [1, 2, changed])


async def _last_versions(bench: Bench) -> list[str]:
    """Every flow shows its highest revision; one whose last revision says deleted is left out."""
    for revision in range(1, 4):
        await _save(bench, "kept-versions", description=f"revision {revision}")
        await _save(bench, "deleted-versions", description=f"revision {revision}")
    await bench.engine.store.flows.delete(NAMESPACE, "deleted-versions", bench.since)
    listed = {flow.id: flow.revision for flow in await bench.engine.store.flows.list(NAMESPACE)}
    return _problems([listed.get("kept-versions"), "deleted-versions" in listed], [3, False])


async def _histories(bench: Bench) -> list[str]:
    sleep = {"id": "sleep", "type": "io.kestra.plugin.core.flow.Sleep", "duration": "PT0.05S"}
    record = await _run(bench, await _save(bench, "worker", tasks=[sleep]))
    return _problems([change.state.value for change in record.runs["sleep"].history], ["CREATED", "RUNNING", "SUCCESS"])


async def _uri_outputs(bench: Bench) -> list[str]:
    options = steps(bench.case)[0]["typed_outputs"]
    (declared,) = options["declared"]
    refused = "error" in bench.case["expect"]
    found = []
    for text in options["data"][declared["id"]]["each_of"]:
        flow = await _save(bench, "typed-outputs", outputs=[{**declared, "value": text}])
        execution = (await _run(bench, flow)).execution
        wanted = ["FAILED", None] if refused else ["SUCCESS", {declared["id"]: text}]
        found += _problems([execution.state.value, execution.outputs], wanted)
    return found


async def _broken_inputs(bench: Bench) -> list[str]:
    flow = await _save(bench, "broken-inputs", inputs=steps(bench.case)[0]["resolve_inputs"]["declared"])
    try:
        await bench.create(flow, {}, {}, raw=False)
    except InvalidInputs as error:
        words = {"render error": "thisFunctionDoesNotExist", "value error, not a render error": "Missing required"}
        wanted = {id: {"contains": words[kind]} for id, kind in bench.case["expect"]["errors"].items()}
        return _problems(error.problems, wanted)
    return ["was not refused"]


async def _scheduled(bench: Bench) -> list[str]:
    control = bench.engine.control
    flow = await control.save_flow(sources(bench.case)[0])
    wanted = SystemClock().now() + 1000
    made = await control.create(flow.namespace, flow.id, scheduled=wanted)
    bench.started.append(made.id)
    ended = await control.wait(made.id)
    expect = bench.case["expect"]
    problems = _problems(made.state.value, expect["at_emit"]["state"]) + _problems(made.scheduled, wanted)
    began = next(change.at for change in ended.history if change.state is Status.RUNNING)
    return [*problems, *_problems(ended.state.value, expect["state"]), *_problems(began >= wanted, True)]


def _problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "run-context-default-input": _default_input,
    "run-context-encrypt": _encrypted,
    "execution-labels": _labels,
    "import-flow-revisions": _revisions,
    "keep-last-version": _last_versions,
    "worker-success": _histories,
    "outputs-uri-accepted": _uri_outputs,
    "outputs-uri-rejected": _uri_outputs,
    "inputs-rule-render-errors": _broken_inputs,
    "schedule-date-one-second": _scheduled,
}
