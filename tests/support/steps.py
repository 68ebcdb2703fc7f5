"""Steps of made-up executions, for tests of the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from engine.ids import ExecutionId, NodeId, TaskRunId, derived_id
from engine.state.execution import Answer, Change, Execution, TaskRun
from engine.state.record import Record
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import Held, Timer, Write

Open = Callable[[], AbstractAsyncContextManager[Store]]

OWNER = "node"
START = 1_700_000_000_000
PATHS = ("first", "second")
TIMER = "timeout"


def execution(
    id: str, version: int = 1, *, state: Status = Status.RUNNING, flow: str = "flow", created: int = START
) -> Execution:
    """An execution of namespace `shop`."""
    return Execution(
        id=ExecutionId(id),
        namespace="shop",
        flow=flow,
        revision=1,
        history=(Change(Status.CREATED, created), Change(state, created + version)),
        version=version,
        created=created,
    )


def task_run(id: str, path: str, version: int = 1, text: str = "") -> TaskRun:
    """A task run whose outputs say which version wrote it."""
    return TaskRun(
        id=TaskRunId(derived_id(id, path)),
        path=path,
        node=NodeId(path.rpartition("/")[2]),
        order=0,
        history=(Change(Status.RUNNING, START),),
        outputs={"version": version, "text": text},
    )


def step(id: str, version: int = 1, owner: str = OWNER, text: str = "") -> Write:
    """A step that writes its version into every table, so that `whole` can tell if one of them is missing."""
    return Write(
        execution=execution(id, version),
        owner=owner,
        changed=tuple(task_run(id, path, version, text) for path in PATHS),
        answers={"loop": Answer(value=[version])},
        timers=(Timer(ExecutionId(id), "first", TIMER, START + version),),
    )


def whole(record: Record) -> bool:
    """Whether all rows of a record were written by the same step."""
    version = record.execution.version
    written = [(run.outputs or {}).get("version") for run in record.runs.values()]
    return written == [version] * len(PATHS) and record.answers["loop"].value == [version]


def version_of(held: Held) -> int:
    return held.record.execution.version
