"""From a flow without mistakes to the plan that the executor walks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from engine.definition.flow import Flow
from engine.definition.task import Task
from engine.executor.plan import Cache, Kind, Node, Plan, Retry, make_plan
from engine.ids import NodeId
from engine.state.status import Status

ROOT = NodeId("")

# How children end because of a failure beside them, by `onChildFailure`.
STOPS = {"FAIL": Status.FAILED, "CANCEL": Status.CANCELLED}


def compile_flow(flow: Flow, revision: int) -> Plan:
    """The plan of one revision. Disabled tasks are left out; retries are handed down to where they count."""
    retry = flow.retry.compiled() if flow.retry else None
    root = Node(id=ROOT, type="", kind=Kind.SEQUENTIAL, branches=_branches(flow.branches, Around(retry)))
    return make_plan(
        namespace=flow.namespace,
        flow=flow.id,
        revision=revision,
        root=root,
        outputs=tuple(output.compiled() for output in flow.outputs or ()),
        variables=flow.variables,
        listeners=flow.listener_conditions,
        slas=tuple(sla.compiled() for sla in flow.sla or ()),
    )


class Around(NamedTuple):
    """What the tasks of a block have of it.

    retry: that of the block, else of those around it, else the flow's
    nearest: that of the block itself
    apart: they run in executions of their own, which no new execution can take the place of
    """

    retry: Retry | None = None
    nearest: Retry | None = None
    apart: bool = False


def _branches(branches: Mapping[str, tuple[Task, ...]], around: Around) -> dict[str, tuple[Node, ...]]:
    # A branch whose tasks are all disabled stays: a Switch with such a case has that case.
    return {
        name: tuple(_node(task, around) for task in tasks if not task.fields.disabled)
        for name, tasks in branches.items()
    }


def _node(task: Task, around: Around) -> Node:
    fields = task.fields
    own = fields.retry.compiled() if fields.retry else None
    retry = own or around.retry
    if around.apart and _anew(retry):
        # It is for the whole execution, by the retry of the loop in it.
        retry = None
    inside = Around(retry, own, around.apart)
    shape = task.shape
    branches = _branches(task.branches, inside)
    if shape and shape.kind is Kind.LOOP:
        branches |= _branches({"tasks": task.branches.get("tasks", ())}, inside._replace(apart=True))
    return Node(
        id=NodeId(fields.id),
        type=task.type_name,
        kind=shape.kind if shape else Kind.TASK,
        branches=branches,
        ask=shape.ask if shape else None,
        run_if=fields.run_if if fields.when is None else fields.when,
        # Only what does the work is tried again; a block hands its retry down.
        retry=_own_retry(task, retry, around),
        allow_failure=fields.allow_failure,
        allow_warning=fields.allow_warning,
        concurrent=shape.concurrent if shape else 0,
        depends_on=_dependencies(task) if shape else {},
        stops=STOPS.get(shape.on_child_failure) if shape else None,
        fail_when_lost=fields.on_lost == "FAIL",
        timeout=fields.timeout,
        log_level=fields.log_level,
        log_to_file=fields.log_to_file,
        cache=Cache(fields.task_cache.ttl) if fields.task_cache and fields.task_cache.enabled else None,
        properties=task.properties if shape is None or shape.kind is Kind.FOLDER else shape.properties,
        inputs=task.inputs,
        transmit=shape.transmit if shape else True,
        waits=shape.waits if shape else True,
        outputs=task.outputs,
        call=shape.call if shape else None,
    )


def _own_retry(task: Task, retry: Retry | None, around: Around) -> Retry | None:
    if task.shape is None:
        return retry
    if task.shape.kind is Kind.ITEMS:
        return retry if around.nearest else None
    if task.shape.kind in (Kind.FOLDER, Kind.LOOP) and not around.apart:
        # Its tasks are tried again inside of it, but a new execution can only be had for all of it.
        return next((found for found in (retry, *_below(task.branches.get("tasks", ()))) if _anew(found)), None)
    return None


def _below(tasks: Iterable[Task]) -> Iterator[Retry]:
    """The retries that tasks have, and those in them."""
    for task in tasks:
        if task.fields.retry:
            yield task.fields.retry.compiled()
        for children in task.branches.values():
            yield from _below(children)


def _anew(retry: Retry | None) -> bool:
    return retry is not None and retry.new_execution


def _dependencies(task: Task) -> dict[NodeId, tuple[NodeId, ...]]:
    """For each enabled child what it waits for; in the place of a disabled one, what that would have waited for."""
    assert task.shape is not None
    declared = task.shape.depends_on
    disabled = {child.fields.id for tasks in task.branches.values() for child in tasks if child.fields.disabled}
    enabled: dict[NodeId, tuple[NodeId, ...]] = {}
    for child, waits in declared.items():
        if child in disabled:
            continue
        found: list[NodeId] = []
        todo = list(reversed(waits))
        seen: set[NodeId] = set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in disabled:
                todo.extend(reversed(declared.get(name, ())))
            else:
                found.append(name)
        enabled[child] = tuple(found)
    return enabled
