"""Cases about limits on executions and about checks before them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import anyio

from conformance.bench import POLL_SECONDS, Bench
from conformance.flow_cases import sources
from conformance.flow_matching import difference
from engine.ids import ExecutionId
from engine.runtime.actions.checks import most_restrictive
from engine.state.status import Status
from engine.store.rows import ExecutionFilter


async def _behaviors(bench: Bench) -> list[str]:
    given = bench.case["start"]["unit"]["behaviors_of_the_matching_checks"]
    return _problems(most_restrictive(given), bench.case["expect"]["result"])


async def _subflows(bench: Bench) -> list[str]:
    """The first one runs while the second is turned away; the third starts when the first has ended."""
    flow, _ = [await bench.engine.control.save_flow(text) for text in sources(bench.case)]
    first = await bench.create(flow, {}, {}, raw=False)
    await bench.until(await _child(bench, first), Status.RUNNING)
    ends = {1: first}
    for number, before in ((2, None), (3, first)):
        if before is not None:
            await bench.engine.control.wait(before)
        ends[number] = await bench.create(flow, {}, {}, raw=False)
        await bench.engine.control.wait(ends[number])
    problems = []
    for wanted in bench.case["expect"]["executions"]:
        id = ends[wanted["id"]]
        state = (await bench.engine.control.wait(id)).state.value
        child = (await bench.engine.control.wait(await _child(bench, id))).state.value
        found = {"id": wanted["id"], "state": state, "child_state": child}
        problems += _problems({key: found[key] for key in wanted}, wanted)
    return problems


async def _child(bench: Bench, id: ExecutionId) -> ExecutionId:
    while True:
        found = await bench.engine.store.executions.list(ExecutionFilter(caller=id))
        if found:
            return found[0].id
        await anyio.sleep(POLL_SECONDS)


def _problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "checks-empty": _behaviors,
    "checks-fail-wins-over-create": _behaviors,
    "checks-null-behavior": _behaviors,
    "concurrency-new-subflow": _subflows,
}
