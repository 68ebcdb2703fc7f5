"""What people and triggers ask of executions: create, wait, kill, pause, resume; `operations` has what edits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio

from engine.clock import Clock
from engine.definition.flow import Flow
from engine.definition.inputs import InputState
from engine.errors import Conflict, ExpressionError, NotFound, Refused
from engine.executor.limits import FORCED
from engine.expressions.masks import masked, masked_value
from engine.files.protocol import InternalStorage
from engine.ids import ExecutionId
from engine.runtime.actions.asked import Asked
from engine.runtime.actions.checks import Checks
from engine.runtime.actions.creation import Creation
from engine.runtime.actions.inputs import Inputs
from engine.runtime.actions.operations import Operations
from engine.runtime.driving.admission import unqueued
from engine.runtime.driving.driver import Driver
from engine.runtime.driving.reach import Reach
from engine.runtime.flows.plans import Compiled, Plans
from engine.runtime.flows.triggers import declared_triggers
from engine.runtime.keeping.outputs import plain
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.onlookers import Onlooker
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.variables import View
from engine.state.event import AnyEvent, KillAsked, PauseAsked, Started
from engine.state.execution import Execution, ExecutionKind
from engine.state.record import Record
from engine.state.status import TERMINAL, Status
from engine.store.protocols import Store
from engine.store.rows import Concurrency, ExecutionFilter, Held, NewFlow, StoredFlow

# How often the store is asked for the end of an execution that another process drives, or of one of our own.
WAIT_SECONDS = 0.2
OWN_WAIT_SECONDS = 5.0

ALIVE = tuple(status for status in Status if status not in TERMINAL)
PAGE = 500


class Control:
    """The operations on executions of one data folder."""

    def __init__(
        self,
        *,
        store: Store,
        files: InternalStorage,
        plans: Plans,
        driver: Driver,
        reach: Reach,
        operations: Operations,
        renderer: Renderer,
        look_ups: LookUps,
        inputs: Inputs,
        clock: Clock,
    ) -> None:
        self._store = store
        self._files = files
        self._plans = plans
        self._driver = driver
        self._renderer = renderer
        self.look_ups = look_ups
        self._inputs = inputs
        self._clock = clock
        self._head, self._held, self._tell = reach.head, reach.held, reach.tell
        self.restart, self.replay, self.change_status = operations.restart, operations.replay, operations.change_status
        self.restarted, self.replayed = operations.restarted, operations.replayed
        self.set_status, self.set_labels = operations.set_status, operations.set_labels
        self.delete = operations.delete
        creation = Creation(store, plans, driver, inputs, Checks(renderer, look_ups), clock)
        self.create, self.preview_inputs = creation.create, creation.preview_inputs
        self.preview_checks = creation.preview_checks

    async def save_flow(self, source: str, file: str | None = None, *, fresh: bool = False) -> StoredFlow:
        """Store a flow's source as its latest revision. Raises InvalidFlow with every mistake.

        fresh: raises Conflict where there is such a flow
        """
        flow = self._plans.read(source, file)
        new = _new(flow, source)
        stored = await self._store.flows.save(
            new.namespace, new.id, source, self._clock.now(), new.concurrency, new.triggers, fresh
        )
        self._plans.keep(flow, stored)
        return stored

    async def replace_flows(
        self, flows: Sequence[tuple[Flow, str]], gone: Sequence[tuple[str, str]] = ()
    ) -> Sequence[StoredFlow]:
        """Store flows, given with their sources, and delete others, all of it or nothing."""
        stored = await self._store.flows.replace([_new(*given) for given in flows], gone, self._clock.now())
        for namespace, id in (*((flow.namespace, flow.id) for flow in stored), *gone):
            # They are compiled when they are wanted.
            self._plans.outdated(namespace, id)
        return stored

    async def delete_flow(self, namespace: str, id: str) -> None:
        """Delete a flow; its executions stay, and those that run go on. Raises NotFound."""
        await self._store.flows.delete(namespace, id, self._clock.now())
        self._plans.outdated(namespace, id)

    async def wait(self, id: ExecutionId, *, wholly: bool = False) -> Execution:
        """The execution when it has ended, whichever process drives it; `wholly`: its afterExecution tasks too."""
        watches = self._driver.finishes if wholly else self._driver.watches
        with watches.open(id) as watch:
            while watch.execution is None:
                ours = self._driver.drives(id)
                if not ours:
                    execution, _ = await self._head(id)
                    if execution.finished if wholly else execution.state.terminal:
                        return execution
                with anyio.move_on_after(OWN_WAIT_SECONDS if ours else WAIT_SECONDS):
                    await watch.wait()
            return watch.execution

    async def kill(self, id: ExecutionId, *, cascade: bool = True) -> None:
        """Ask an execution to stop; it ends KILLED. Raises NotFound, Conflict when it has ended.

        cascade: also those that its tasks started, be it ended or not; the iterations of its loops are part of it and
            stop in any case
        """
        execution, owner = await self._head(id)
        if not execution.finished:
            await self._tell(id, owner, KillAsked(at=self._clock.now(), cascade=cascade))
            await self._kill_below(id, cascade)
        elif not (cascade and await self._kill_below(id, cascade)):
            raise Conflict(f"Execution '{id}' has ended already, its state is {execution.state}")

    async def _kill_below(self, id: ExecutionId, cascade: bool) -> bool:
        """Kill what an execution started; whether there was anything."""
        asked: set[ExecutionId] = set()
        kinds = () if cascade else (ExecutionKind.LOOP,)
        while True:
            # Those that were asked may be on their way to their end, and must not hide the others.
            where = ExecutionFilter(kinds=kinds, caller=id, states=ALIVE, limit=PAGE + len(asked))
            fresh = [child.id for child in await self._store.executions.list(where) if child.id not in asked]
            if not fresh:
                return bool(asked)
            for child in fresh:
                await self.kill_if_alive(child, cascade=cascade)
            asked.update(fresh)

    async def kill_if_alive(self, id: ExecutionId, *, cascade: bool = True) -> None:
        """Kill an execution; one that has ended or does not exist is left alone."""
        try:
            await self.kill(id, cascade=cascade)
        except (Conflict, NotFound):
            return

    async def tell(self, id: ExecutionId, event: AnyEvent) -> None:
        """Bring an event to an execution, whoever drives it; one that has ended or was deleted needs none."""
        try:
            execution, owner = await self._store.executions.head(id)
        except NotFound:
            return
        if not execution.finished:
            await self._tell(id, owner, event)

    async def exists(self, id: ExecutionId) -> bool:
        """Whether there is an execution of that id."""
        return bool(await self.heads([id]))

    async def heads(self, ids: Sequence[ExecutionId]) -> Sequence[Execution]:
        """Those of some executions that exist, without their task runs."""
        return await self._store.executions.heads(ids)

    async def pause(self, id: ExecutionId) -> None:
        """Let an execution open nothing more until it is resumed. Raises NotFound, Refused when it isn't running."""
        execution, owner = await self._head(id)
        if execution.state not in (Status.RUNNING, Status.RETRYING, Status.PAUSING):
            raise Refused(f"The execution is not running, its state is {execution.state}")
        await self._tell(id, owner, PauseAsked(at=self._clock.now()))

    async def resume(
        self,
        id: ExecutionId,
        inputs: Mapping[str, Any] | None = None,
        *,
        task_run: str | None = None,
        by: str | None = None,
        here: bool = True,
    ) -> None:
        """Let a paused execution go on: what `pause` stopped, and its first paused task run or the one named.

        Where that only waits for another execution that is paused, e.g. of a Subflow, that one goes on.
        inputs: values for the `onResume` of that Pause; FILE inputs are local paths or storage URIs
        Raises NotFound, Refused when nothing is paused, InvalidInputs with every problem.
        """
        asked = await self._asked(id, here)
        if (child := await self._paused_child(id, asked.behind(task_run))) is not None:
            await self.resume(child, inputs, by=by, here=here)
            return
        for event in await asked.resumed(task_run, inputs or {}, by):
            _, owner = await self._head(id)
            await self._tell(id, owner, event)

    async def _paused_child(self, id: ExecutionId, paths: Mapping[str, int]) -> ExecutionId | None:
        """The first paused execution that one of these task runs waits for."""
        if not paths:
            return None
        where = ExecutionFilter(kinds=(), caller=id, states=(Status.PAUSED,), limit=PAGE)
        found = [
            (paths[caller.path], caller.index or 0, child.id)
            for child in await self._store.executions.list(where)
            if (caller := child.caller) is not None and caller.path in paths and caller.waits and caller.transmit
        ]
        return min(found)[2] if found else None

    async def review(
        self,
        id: ExecutionId,
        decision: str,
        *,
        task_run: str | None = None,
        comment: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        by: str | None = None,
        here: bool = True,
    ) -> None:
        """Decide on an Approval that waits, APPROVED or DENIED: the only one, or the task run named.

        inputs: values for the `inputs` of that Approval; FILE inputs are local paths or storage URIs
        Raises NotFound, Refused when nothing waits or the comment is missing, InvalidInputs with every problem.
        """
        event = await (await self._asked(id, here)).reviewed(decision, task_run, comment, inputs or {}, by)
        _, owner = await self._head(id)
        await self._tell(id, owner, event)

    async def _asked(self, id: ExecutionId, here: bool) -> Asked:
        held = await self._held(id)
        plan = (await self._compiled(held)).plan
        view = View(plan, held.record, await self._driver.around(held.record.execution))
        return Asked(plan, view, self._inputs, self._clock.now(), here)

    async def preview_resume(self, id: ExecutionId, inputs: Mapping[str, Any] | None = None) -> list[InputState]:
        """What would become of inputs to resume an execution with. Raises NotFound, Refused when nothing is paused."""
        return await (await self._asked(id, False)).previewed(None, inputs or {})

    async def unqueue(self, id: ExecutionId, state: Status = Status.RUNNING) -> None:
        """Take an execution out of its queue: let it run whatever the limit of its flow, or end CANCELLED or FAILED.

        Raises NotFound, Refused when it isn't queued.
        """
        execution, owner = await self._head(id)
        await self._tell(id, owner, unqueued(execution, state, self._clock.now()))

    async def force_run(self, id: ExecutionId) -> None:
        """Let an execution go on now: queued, created for later, or paused; one that runs is left alone.

        Raises NotFound, Conflict when it has ended, InvalidInputs when a Pause of it asks for inputs.
        """
        execution, owner = await self._head(id)
        if execution.state.terminal:
            raise Conflict(f"Execution '{id}' has ended already, its state is {execution.state}")
        if execution.state is Status.PAUSED:
            for _ in range(max(1, execution.paused)):
                await self.resume(id)
        elif execution.state in (Status.CREATED, Status.QUEUED):
            await self._tell(id, owner, Started(at=self._clock.now(), admission=FORCED))

    async def evaluate(
        self,
        id: ExecutionId,
        expression: Any,
        task: str | None = None,
        typed: bool = False,
        more: Mapping[str, Any] | None = None,
        *,
        onlooker: bool = False,
    ) -> Any:
        """Render an expression as a task of the execution sees it, and `more` variables; secrets become stars.

        onlooker: whoever asks may see the execution, but not all that its flow may
        Raises NotFound, ExpressionError.
        """
        held = await self._held(id)
        compiled = await self._compiled(held)
        view = View(compiled.plan, held.record, await self._driver.around(held.record.execution))
        variables = view.of_flow() if task is None else view.of(held.record.runs[_path_of(held.record, task)])
        if more:
            variables = variables.extended(more)
        masks: set[str] = set()
        look_up = self.look_ups.for_execution(held.record.execution, variables)
        if onlooker:
            look_up = Onlooker(look_up, held.record.execution.namespace)
        try:
            rendered = await self._renderer.render(expression, variables, typed=typed, look_up=look_up, masks=masks)
        except ExpressionError as error:
            error.args = (masked(str(error), masks),)
            raise
        return masked_value(rendered, masks)

    async def rendered(self, id: ExecutionId, values: Mapping[str, Any]) -> dict[str, Any]:
        """Templates as the flow's own outputs see things at the end of an execution, fit to be stored.

        Raises NotFound, ExpressionError.
        """
        held = await self._held(id)
        compiled = await self._compiled(held)
        execution = held.record.execution
        variables = View(compiled.plan, held.record, await self._driver.around(execution)).of_flow()
        masks: set[str] = set()
        look_up = self.look_ups.for_execution(execution, variables)
        try:
            found = await self._renderer.render(dict(values), variables, typed=False, look_up=look_up, masks=masks)
        except ExpressionError as error:
            raise ExpressionError(masked(str(error), masks)) from None
        return self.look_ups.vault.seal_secrets(plain(found), masks)

    async def _compiled(self, held: Held) -> Compiled:
        return await self._plans.of(held.record.execution)


def _new(flow: Flow, source: str) -> NewFlow:
    limit = flow.concurrency
    concurrency = None if limit is None else Concurrency(limit.limit, limit.behavior)
    return NewFlow(flow.namespace, flow.id, source, concurrency, declared_triggers(flow))


def _path_of(record: Record, task: str) -> str:
    """Path of a task run given by task id (the latest one), task run id or path."""
    if task in record.runs:
        return task
    found = [run for run in record.runs.values() if task in (run.id, run.node)]
    if not found:
        known = ", ".join(sorted({run.node for run in record.runs.values()}))
        raise NotFound("task run", task, f"this execution ran {known or 'no task'}")
    return max(found, key=lambda run: run.order).path
