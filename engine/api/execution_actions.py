"""What is done to one execution: kill, pause, resume, restart, replay, and edits of what has ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from engine.api.input_shapes import ValidationShape, validation_shape
from engine.api.problems import BadRequest, Illegal
from engine.api.reached import check_files, head_of, record_of
from engine.api.routing import Call, Role, Route
from engine.api.shapes import ExecutionShape, LabelShape, Shape, whole_shape
from engine.api.transfer import FORM
from engine.api.uploads import uploaded
from engine.errors import Conflict, ExpressionError, Refused
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.record import Record
from engine.state.status import Status

TEXT = "text/plain"
SYSTEM = "system."


class ReplayQuery(msgspec.Struct, frozen=True, rename="camel"):
    """taskRunId: from this task run; by default from the start. revision: of the flow; by default that of before"""

    task_run_id: str | None = None
    revision: int | None = None
    breakpoints: str = ""


class RestartQuery(msgspec.Struct, frozen=True):
    """revision: restart as a new execution with this revision of the flow"""

    revision: int | None = None


class KillQuery(msgspec.Struct, frozen=True, rename="camel"):
    """isOnKillCascade: also the executions that its tasks started"""

    is_on_kill_cascade: bool = True


class StatusQuery(msgspec.Struct, frozen=True):
    status: Status


class UnqueueQuery(msgspec.Struct, frozen=True):
    """state: RUNNING, or CANCELLED or FAILED to end it"""

    state: Status = Status.RUNNING


class TaskState(msgspec.Struct, frozen=True, rename="camel"):
    task_run_id: str
    state: Status


class Evaluated(Shape, frozen=True):
    """What an expression came to, or why it came to nothing."""

    result: str | None = None
    error: str | None = None
    stack_trace: str | None = None


class ExecutionActions:
    """Each answers with the execution."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._control = engine.control
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        yield _action("DELETE", "kill", self.kill, "Stop an execution", query=KillQuery)
        yield _action("POST", "pause", self.pause, "Let an execution start nothing more")
        yield _action("POST", "resume", self.resume, "Let a paused execution go on", body=FORM)
        yield _action(
            "POST",
            "resume/validate",
            self.check_resume,
            "Check inputs that an execution would go on with",
            answers=ValidationShape,
            body=FORM,
        )
        yield _action("POST", "restart", self.restart, "Run again what failed", query=RestartQuery)
        yield _action("POST", "replay", self.replay, "Run it anew as another execution", query=ReplayQuery)
        yield _action(
            "POST",
            "replay-with-inputs",
            self.replay_with_inputs,
            "Run it anew as another execution, with other inputs",
            query=ReplayQuery,
            body=FORM,
        )
        yield _action("POST", "state", self.state, "Say that a task run ended otherwise, and go on", body=TaskState)
        yield _action("POST", "change-status", self.status, "Say that it ended otherwise", query=StatusQuery)
        yield _action("POST", "labels", self.label, "Set the labels of what has ended", body=list[LabelShape])
        yield _action("POST", "unqueue", self.unqueue, "Take it out of its queue", query=UnqueueQuery)
        yield _action("POST", "force-run", self.force_run, "Let it go on now, whatever it waits for")
        for path in ("eval", "eval/{taskRun}"):
            yield _action(
                "POST",
                path,
                self.evaluate,
                "Render an expression as a task of the execution would",
                answers=Evaluated,
                body=TEXT,
                role=Role.OPERATOR,
            )

    async def kill(self, call: Call) -> ExecutionShape:
        cascade = call.query(KillQuery).is_on_kill_cascade
        execution = await head_of(call, self._engine, Role.OPERATOR)
        try:
            await self._control.kill(execution.id, cascade=cascade)
        except Conflict:
            if not cascade:
                raise Conflict(
                    f"Execution is already finished, can't kill it; its state is {execution.state}"
                ) from None
        return await self._shown(execution.id)

    async def pause(self, call: Call) -> ExecutionShape:
        execution = await head_of(call, self._engine, Role.OPERATOR)
        await self._control.pause(execution.id)
        return await self._shown(execution.id)

    async def resume(self, call: Call) -> ExecutionShape:
        execution = await head_of(call, self._engine, Role.OPERATOR)
        async with uploaded(call.request) as inputs:
            check_files(call, inputs)
            await self._control.resume(execution.id, inputs, by=call.user.name, here=False)
        return await self._shown(execution.id)

    async def check_resume(self, call: Call) -> ValidationShape:
        execution = await head_of(call, self._engine, Role.OPERATOR)
        async with uploaded(call.request) as inputs:
            states = await self._control.preview_resume(execution.id, inputs)
        return validation_shape(execution.flow, execution.namespace, states)

    async def restart(self, call: Call) -> ExecutionShape:
        execution = await head_of(call, self._engine, Role.OPERATOR)
        try:
            return await self._seen(
                await self._control.restarted(execution.id, revision=call.query(RestartQuery).revision)
            )
        except Refused as error:
            if execution.finished:
                raise Illegal(str(error)) from None
            raise

    async def replay(self, call: Call) -> ExecutionShape:
        return await self._replayed(call, {})

    async def replay_with_inputs(self, call: Call) -> ExecutionShape:
        async with uploaded(call.request) as inputs:
            check_files(call, inputs)
            return await self._replayed(call, inputs)

    async def _replayed(self, call: Call, inputs: Any) -> ExecutionShape:
        query = call.query(ReplayQuery)
        if query.breakpoints:
            raise Illegal("there are no breakpoints here: leave the parameter breakpoints out")
        execution = await head_of(call, self._engine, Role.OPERATOR)
        made = await self._control.replayed(
            execution.id, query.task_run_id, query.revision, inputs=inputs or None, here=False
        )
        return await self._seen(made)

    async def state(self, call: Call) -> ExecutionShape:
        wanted: TaskState = await call.json(TaskState)
        execution = await head_of(call, self._engine, Role.OPERATOR)
        await self._control.change_status(execution.id, wanted.task_run_id, wanted.state)
        return await self._shown(execution.id)

    async def status(self, call: Call) -> ExecutionShape:
        status = call.query(StatusQuery).status
        execution = await head_of(call, self._engine, Role.OPERATOR)
        if not status.terminal:
            raise Illegal(f"You can only change the status to a terminal state, and {status} isn't one")
        await self._control.set_status(execution.id, status)
        return await self._shown(execution.id)

    async def label(self, call: Call) -> ExecutionShape:
        labels = label_map(await call.json(list[LabelShape]))
        execution = await head_of(call, self._engine, Role.OPERATOR)
        if not execution.state.terminal:
            raise BadRequest("The execution is not terminated")
        gone = [it.key for it in execution.labels if it.key not in labels and not it.key.startswith(SYSTEM)]
        with illegal():
            await self._control.set_labels(execution.id, labels, gone)
        return await self._shown(execution.id)

    async def unqueue(self, call: Call) -> ExecutionShape:
        state = call.query(UnqueueQuery).state
        execution = await head_of(call, self._engine, Role.OPERATOR)
        with illegal():
            await self._control.unqueue(execution.id, state)
        return await self._shown(execution.id)

    async def force_run(self, call: Call) -> ExecutionShape:
        execution = await head_of(call, self._engine, Role.OPERATOR)
        await self._control.force_run(execution.id)
        return await self._shown(execution.id)

    async def evaluate(self, call: Call) -> Evaluated:
        record = await record_of(call, self._engine, Role.OPERATOR)
        try:
            result = await self._control.evaluate(
                record.execution.id, await call.text(), call.path.get("taskRun"), onlooker=True
            )
        except ExpressionError as error:
            return Evaluated(error=str(error), stack_trace=str(error))
        return Evaluated(result="" if result is None else str(result))

    async def _shown(self, id: ExecutionId) -> ExecutionShape:
        return await self._seen((await self._engine.store.executions.load(id)).record)

    async def _seen(self, record: Record) -> ExecutionShape:
        return await whole_shape(record, self._clock.now())


def _action(method: str, name: str, handler: Any, summary: str, *, answers: Any = ExecutionShape, **more: Any) -> Route:
    path = f"/executions/{{execution}}/actions/{name}"
    old = (f"/executions/{{execution}}/{name}",)
    return Route(method, path, handler, summary, answers, old=old, **{"role": Role.OPERATOR, **more})


def label_map(labels: Iterable[LabelShape]) -> dict[str, str]:
    return {label.key: label.value for label in labels}


@contextmanager
def illegal() -> Iterator[None]:
    """Say of what is refused that the request was wrong, and not that it came at the wrong time."""
    try:
        yield
    except Refused as error:
        raise Illegal(str(error)) from None
