"""Cases about triggers and their states."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from conformance.bench import Bench
from conformance.flow_cases import sources
from conformance.flow_matching import difference
from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.store.rows import DeclaredTrigger


async def _toggle(bench: Bench) -> list[str]:
    triggers = bench.engine.triggers
    flow = await bench.engine.control.save_flow(sources(bench.case)[0])
    await triggers.set_disabled(flow.namespace, flow.id, "schedule", True)
    ended = await bench.engine.control.wait(await bench.create(flow, {}, {}, raw=False))
    runs = len((await bench.record(ended.id)).runs)
    state = await triggers.get(flow.namespace, flow.id, "schedule")
    expect = bench.case["expect"]
    found = {"state": ended.state.value, "task_runs": runs}
    found_state = {"triggerId": state.id, "disabled": state.disabled}
    problems = _problems(found, {key: expect[key] for key in found}) + _problems(found_state, expect["trigger_state"])
    return problems + ([] if state.updated >= bench.since else ["the state was not updated"])


async def _store(bench: Bench) -> list[str]:
    store = bench.engine.store
    place = ("conformance", "stored-states", "trigger")
    problems = []
    try:
        await store.triggers.get(*place)
        problems.append("it is found before it was saved")
    except NotFound:
        pass
    declared = (DeclaredTrigger(place[2], "core.trigger.Schedule", "x"),)
    await store.flows.save(*place[:2], "source", bench.since, triggers=declared)
    for name in ("first", "second"):
        state = await store.triggers.get(*place)
        await store.triggers.save(replace(state, execution=ExecutionId(name), version=state.version + 1))
        problems += _problems((await store.triggers.get(*place)).execution, name)
    return problems


def _problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "toggle-trigger-task": _toggle,
    "trigger-state-store": _store,
}
