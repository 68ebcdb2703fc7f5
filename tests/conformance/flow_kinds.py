"""What runs a case: what is bound to its id, else what its start asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from conformance.bench import Bench
from conformance.bindings import BINDINGS
from conformance.flow_api import run_api
from conformance.flow_cases import Unbound, kind_of, steps
from conformance.flow_conditions import run_condition
from conformance.flow_definitions import run_validation
from conformance.flow_fields import check_fields
from conformance.flow_graphs import run_graph
from conformance.flow_inputs import ACTIONS, run_inputs
from conformance.flow_runner import run_flow
from conformance.flow_tasks import run_task

Runner = Callable[[Bench], Awaitable[list[str]]]

KINDS: Mapping[str, Runner] = {
    "flow": run_flow,
    "validation": run_validation,
    "task": run_task,
    "condition": run_condition,
    "graph": run_graph,
    "api": run_api,
}


async def run_case(bench: Bench) -> list[str]:
    """What is wrong with the outcome of a case. Raises Unbound for what has no meaning here."""
    if bench.case["id"] in BINDINGS:
        return await BINDINGS[bench.case["id"]](bench)
    check_fields(bench.case)
    if steps(bench.case)[0].keys() & set(ACTIONS):
        return await run_inputs(bench)
    kind = kind_of(bench.case)
    if kind not in KINDS:
        raise Unbound(f"nothing runs cases of kind {kind}")
    return await KINDS[kind](bench)
