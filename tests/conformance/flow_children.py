"""Finds and checks the executions that the execution of a case started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from conformance.bench import POLL_SECONDS, Bench
from conformance.flow_checks import Seen, problems_of
from conformance.flow_matching import difference
from engine.ids import ExecutionId
from engine.state.execution import Execution, ExecutionKind
from engine.store.rows import ExecutionFilter

CORRELATION = "system.correlationId"
OF_ALL = ("flow", "count", "same_ids", "one_has_state_in_history")
FORMAT = '"<index> - <value>", index from 0'


async def children_of(bench: Bench, parent: ExecutionId, flow: str | None) -> list[Execution]:
    """Executions of a flow that belong to the same chain; without a flow the iterations of loops."""
    if flow is None:
        where = ExecutionFilter(kinds=(ExecutionKind.LOOP,), caller=parent, limit=1000)
        return list(await bench.engine.store.executions.list(where))
    where = ExecutionFilter(flow=flow, since=bench.since, limit=1000)
    found = await bench.engine.store.executions.list(where)
    chain = _labels(await _head(bench, parent)).get(CORRELATION)
    return [it for it in found if _labels(it).get(CORRELATION) == chain and it.id != parent]


async def check_children(
    bench: Bench, parent: ExecutionId, wanted: Mapping[str, Any], before: Mapping[str, set[ExecutionId]]
) -> list[str]:
    """What is wrong with the executions that one started. `before`: those of each flow that there were already."""
    found = await _settled(bench, parent, wanted)
    head = await _head(bench, parent)
    bench.names |= await names_of_children(bench, parent, [wanted])
    names = {"parent execution id": parent, "parent flow id": head.flow, "parent id": parent}
    for run in (await bench.record(parent)).runs.values():
        names[f"run id of {run.node}"] = run.id
    bench.names |= names
    problem = difference(len(found), wanted.get("count", len(found) or 1), {})
    problems = [f"the number of executions {problem}"] if problem else []
    if wanted.get("same_ids") and {it.id for it in found} != before.get(wanted["flow"]):
        problems.append("they are others than before")
    passed = wanted.get("one_has_state_in_history")
    if passed and not any(change.state == passed for it in found for change in it.history):
        problems.append(f"none has been {passed}")
    own = {key: it for key, it in wanted.items() if key in CHECKS}
    rest = {key: it for key, it in wanted.items() if key not in (*OF_ALL, *CHECKS)}
    for child in found:
        seen = await bench.look(child.id)
        problems += [f"{key} {text}" for key, it in own.items() if (text := CHECKS[key](child, seen, it))]
        problems += problems_of(seen, _spelled(rest, child))
    return problems


async def names_of_children(bench: Bench, parent: ExecutionId, wanted: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What placeholders stand for where there is only one child."""
    flows = {item["flow"] for item in wanted if "flow" in item}
    if len(flows) != 1:
        return {}
    found = await children_of(bench, parent, flows.pop())
    return {"child execution id": found[0].id} if len(found) == 1 else {}


async def _settled(bench: Bench, parent: ExecutionId, wanted: Mapping[str, Any]) -> Sequence[Execution]:
    """They may still be on their way where nobody waits for them."""
    for _ in range(200):
        found = await children_of(bench, parent, wanted.get("flow"))
        if len(found) >= wanted.get("count", 1) and all(it.state.terminal for it in found):
            return found
        await anyio.sleep(POLL_SECONDS)
    return found


def _spelled(wanted: Mapping[str, Any], child: Execution) -> dict[str, Any]:
    """What is said in words of each iteration, as it is for this one."""
    if child.item is None:
        return dict(wanted)
    index, value = child.item.index, child.item.value
    tasks = {
        name: {key: f"{index} - {value}" if it == FORMAT else it for key, it in item.items()}
        for name, item in wanted.get("tasks", {}).items()
    }
    return {**wanted, "tasks": tasks} if tasks else dict(wanted)


def _trigger(child: Execution, seen: Seen, wanted: Mapping[str, Any]) -> str:
    assert child.trigger is not None
    shown = msgspec.to_builtins(child.trigger)
    shown["variables_contain"] = shown["variables"]
    return difference(shown, dict(wanted), seen.names)


def _iteration(child: Execution, seen: Seen, wanted: Mapping[str, Any]) -> str:
    assert child.trigger is not None
    assert child.caller is not None
    spelled = {key: child.caller.index if it == "starts at 0" else it for key, it in wanted.items()}
    return difference(child.trigger.variables, spelled, seen.names)


CHECKS: Mapping[str, Callable[[Execution, Seen, Any], str]] = {
    "inputs": lambda child, seen, wanted: difference(child.inputs, wanted, seen.names),
    "inputs_contain": lambda child, seen, wanted: difference(child.inputs, wanted, seen.names),
    "trigger": _trigger,
    "trigger_vars": _iteration,
    "namespace": lambda child, seen, wanted: difference(child.namespace, wanted, seen.names),
    "revision": lambda child, seen, wanted: difference(child.revision, wanted, seen.names),
}


async def _head(bench: Bench, id: ExecutionId) -> Execution:
    return (await bench.engine.store.executions.head(id))[0]


def _labels(execution: Execution) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels}
