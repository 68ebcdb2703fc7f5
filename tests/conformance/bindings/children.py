"""Cases of executions that start others which the tables tell in prose."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from conformance.bench import Bench
from conformance.bindings.several_tasks import namespace, run_tasks
from conformance.flow_cases import sources
from conformance.flow_children import check_children, children_of
from conformance.flow_matching import difference
from conformance.flow_runner import run_flow, scripted
from engine.executor.finish import softened
from engine.executor.names import TASK
from engine.executor.plan import Node
from engine.ids import ExecutionId, NodeId
from engine.runtime.actions.subflows import result_of
from engine.state.event import ChildPaused
from engine.state.execution import Execution
from engine.state.status import Status
from executor.world import World, node, plan_of

CHILD = """
id: child
namespace: {namespace}
tasks: [{{id: work, type: io.kestra.plugin.core.debug.Return, format: done}}]
{outputs}
"""
OUTPUTS = "outputs: [{id: key, type: STRING, value: value}]"


def _case(bench: Bench, change: Callable[[dict[str, Any]], None]) -> Bench:
    case = copy.deepcopy(dict(bench.case))
    change(case)
    return replace(bench, case=case)


async def _subflow_outputs(bench: Bench) -> list[str]:
    """The number of lines in a file stands beside what is checked of any flow."""
    wanted = bench.case["expect"]["task_runs_by_index"][3]["outputs"]["subflowOutputs"]["file_lines"]
    problems = await run_flow(_case(bench, lambda case: case["expect"]["task_runs_by_index"].pop(3)))
    runs = (await bench.record(bench.started[-1])).runs.values()
    merged = next(run for run in runs if run.node.endswith("_merge"))
    read = bench.engine.files.read((merged.outputs or {})["subflowOutputs"])
    content = b"".join([chunk async for chunk in read])
    return [*problems, *filter(None, [difference(len(content.splitlines()), wanted, {})])]


async def _result(bench: Bench, declared: str, more: Mapping[str, Any]) -> list[str]:
    await bench.engine.control.save_flow(CHILD.format(namespace=namespace(bench), outputs=declared))
    call = {"id": "call", "type": "io.kestra.plugin.core.flow.Subflow", "namespace": namespace(bench), **more}
    run = (await run_tasks(bench, [{**call, "flowId": "child"}]))["call"]
    expect = bench.case["expect"]
    outputs = {**expect["outputs"], "executionId": (run.outputs or {}).get("executionId")}
    states = [change.state.value for change in run.attempts[-1].history]
    return [*filter(None, [difference(run.outputs, outputs, {}), difference(states, expect["attempt_states"], {})])]


async def _flow_outputs(bench: Bench) -> list[str]:
    return await _result(bench, OUTPUTS, {})


def _final(child: Status, row: Mapping[str, Any], transmit: bool) -> Status:
    if child is Status.PAUSED and transmit:
        world = World(plan_of(node("call"))).start()
        world.send(ChildPaused(at=world.now, path="call", paused=True))
        return world.states["call"]
    called = Node(
        id=NodeId("call"),
        type="",
        kind=TASK,
        allow_failure=bool(row.get("allowFailure")),
        allow_warning=bool(row.get("allowWarning")),
    )
    return softened(called, result_of(child, transmit))


async def _final_states(bench: Bench) -> list[str]:
    rows = bench.case["expect"]["rows"]
    return [f"{row} is {end}" for row in rows if (end := _final(Status(row["child"]), row, True)) != row["result"]]


async def _not_transmitted(bench: Bench) -> list[str]:
    ends = {_final(state, {}, False) for state in Status}
    return [] if ends == {Status(bench.case["expect"]["result"])} else [f"are {ends}"]


async def _parent_and_child(bench: Bench, outcome: str | None = None) -> tuple[ExecutionId, Execution]:
    """Run the flows of a case to their ends; `outcome` of the task of the child."""
    texts = sources(bench.case)
    child = scripted(texts[1], {"child-task": outcome}) if outcome else texts[1]
    await bench.engine.control.save_flow(child)
    parent = await bench.engine.control.save_flow(texts[0])
    id = await bench.create(parent, {}, {}, raw=False)
    await bench.engine.control.wait(id)
    flow = next(iter(bench.case["expect"].get("executions", [{}]))).get("flow", "simple-child")
    found = await children_of(bench, id, flow)
    return id, found[0]


async def _first_cycle(bench: Bench) -> list[str]:
    """The child began CREATED while the run of the task that waits for it was RUNNING."""
    id, child = await _parent_and_child(bench)
    run = next(iter((await bench.record(id)).runs.values()))
    problems = [] if "RUNNING" in [it.state for it in run.history] else [f"{run.node} never was RUNNING"]
    if child.history[0].state is not Status.CREATED or child.created > run.history[-1].at:
        problems.append("the child did not begin while its parent was running")
    for wanted in bench.case["expect"]["executions"]:
        said = {key: it for key, it in wanted.items() if key != "state"}
        problems += await check_children(bench, id, said, {})
    return problems


async def _wait_false(bench: Bench) -> list[str]:
    id, child = await _parent_and_child(bench)
    record = await bench.record(id)
    states = [record.execution.state, *(run.state for run in record.runs.values()), child.history[0].state]
    return list(filter(None, [difference(states, ["SUCCESS", "SUCCESS", "CREATED"], {})]))


async def _child_failed(bench: Bench) -> list[str]:
    id, child = await _parent_and_child(bench, "FAILED")
    record = await bench.record(id)
    states = [child.state, record.execution.state, *(run.state for run in record.runs.values())]
    return list(filter(None, [difference(states, ["FAILED", "FAILED", "FAILED"], {})]))


async def _killed(bench: Bench) -> list[str]:
    """A child that sleeps, so that it can be killed, in a namespace that no other case stores it in."""
    texts = [text.replace("io.kestra.tests", namespace(bench)) for text in sources(bench.case)]
    sleeping = texts[1].replace(
        "io.kestra.plugin.core.log.Log\n  message: work", "io.kestra.plugin.core.flow.Sleep\n  duration: PT60S"
    )
    await bench.engine.control.save_flow(sleeping)
    parent = await bench.engine.control.save_flow(texts[0])
    id = await bench.create(parent, {}, {}, raw=False)
    while not (found := await children_of(bench, id, "child")) or found[0].state is not Status.RUNNING:
        await bench.until(id, Status.RUNNING)
    await bench.engine.control.kill(id)
    await bench.engine.control.kill_if_alive(found[0].id)
    ended = await bench.engine.control.wait(id)
    problem = difference(ended.state.value, bench.case["expect"]["state"], {})
    return [*([problem] if problem else []), *await check_children(bench, id, {"flow": "child", "count": 1}, {})]


async def _empty_values(bench: Bench) -> list[str]:
    loop = {
        "id": "loop",
        "type": "io.kestra.plugin.core.flow.Loop",
        "values": [],
        "tasks": [{"id": "a", "type": "core.debug.Echo", "format": "x"}],
    }
    run = (await run_tasks(bench, [loop]))["loop"]
    return list(
        filter(None, [difference((run.state.value, (run.outputs or {})["iterationCount"]), ["SUCCESS", 0], {})])
    )


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "foreachitem-subflow-outputs": _subflow_outputs,
    "subflow-result-flow-outputs-win": _flow_outputs,
    "subflow-final-state-table": _final_states,
    "subflow-final-state-not-transmitted": _not_transmitted,
    "subflow-decision-wait-default": _first_cycle,
    "subflow-decision-inputs": _first_cycle,
    "subflow-decision-wait-false": _wait_false,
    "subflow-decision-child-failed": _child_failed,
    "subflow-retry-killed": _killed,
    "loop-empty-values": _empty_values,
}
