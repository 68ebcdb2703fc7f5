"""The tasks of a folder: run one after another by the attempt that owns it, each told of as it begins and ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from engine.errors import ExpressionError, TaskError
from engine.executor.finish import STOPS, softened, worse
from engine.executor.lanes import truthy
from engine.executor.names import CREATED, FAILED, RETRYING, RUNNING, SKIPPED, SUCCESS
from engine.executor.plan import Node
from engine.executor.retry import final, next_date
from engine.executor.work import replace
from engine.ids import TaskRunId, derived_id, random_seed
from engine.plugin.base import FolderBlock
from engine.runtime.attempts.context import TaskContext
from engine.runtime.attempts.folder import WorkingFolder
from engine.runtime.attempts.shared import Services
from engine.runtime.flows.plans import Prepared
from engine.runtime.rendering.places import placed
from engine.state.event import Patch, Report, Reported, TaskEnded, TaskStarted
from engine.state.execution import Attempt, Change, TaskRun
from engine.state.status import Status

if TYPE_CHECKING:
    from engine.runtime.attempts.attempt import Assignment

RunAttempt = Callable[[Services, "Assignment"], Awaitable[TaskEnded | TaskStarted]]


class Members:
    """The tasks of one attempt of a folder. `ended`: those that have, in order."""

    def __init__(self, services: Services, work: Assignment, ctx: TaskContext, run_attempt: RunAttempt) -> None:
        self._services = services
        self._work = work
        self._ctx = ctx
        self._run_attempt = run_attempt
        self.ended: list[TaskRun] = []

    async def run(self) -> tuple[Status, str | None]:
        """Run the tasks up to the first that fails; the state that they come to, and what to say of a failure."""
        state = SUCCESS
        for node, prepared in self._work.prepared.members:
            end = await self._member(node, prepared)
            state = worse(state, end)
            if end in STOPS:
                return state, f"The task '{node.id}' failed"
        return state, None

    async def _member(self, node: Node, prepared: Prepared) -> Status:
        above = self._work.run
        run = TaskRun(
            id=TaskRunId(derived_id(above.id, "member", above.attempt, node.id)),
            path=f"{above.path}/{node.id}",
            node=node.id,
            order=above.order,
            history=(Change(CREATED, self._now()),),
            value=above.value,
            iteration=above.iteration,
            reported=True,
        )
        run = await self._judged(node, run)
        patch = None
        while not run.state.terminal:
            run, patch = await self._attempt(node, prepared, run)
        self.ended.append(run)
        await self._tell(run, patch)
        return run.state

    async def _judged(self, node: Node, run: TaskRun) -> TaskRun:
        """The task run as its runIf leaves it: SKIPPED, FAILED where that can't be told, or as it was."""
        if node.run_if is None:
            return run
        ctx = TaskContext(self._services, self._work.execution, run, node.type, node.log_level, self._variables(run))
        try:
            if truthy(await ctx.render(node.run_if)):
                return run
            return self._entered(run, SKIPPED)
        except ExpressionError as error:
            said = f"Unable to evaluate the runIf condition for task {node.id}: {placed(error, node.run_if, 'runIf')}"
            said = ctx.masked(said)
            ctx.log(said, "ERROR")
            return self._entered(replace(run, error=said), softened(node, FAILED))

    async def _attempt(self, node: Node, prepared: Prepared, run: TaskRun) -> tuple[TaskRun, Patch | None]:
        """One attempt, and the wait for the next one where there will be one."""
        began = self._now()
        attempt = Attempt(run.attempt + 1, (Change(CREATED, began), Change(RUNNING, began)))
        run = self._entered(replace(run, attempts=(*run.attempts, attempt)), RUNNING)
        await self._tell(run)
        ended = await self._run_attempt(self._services, self._assignment(node, prepared, run))
        assert isinstance(ended, TaskEnded)
        attempt = replace(
            attempt,
            history=(*attempt.history, Change(ended.state, ended.at)),
            error=ended.error,
            log_file=ended.log_file,
        )
        run = replace(run, attempts=(*run.attempts[:-1], attempt), outputs=ended.outputs)
        due = _next_date(node, run, ended) if ended.state is FAILED else None
        if due is None:
            return self._entered(run, final(node, run, ended.state)), ended.patch
        run = self._entered(run, RETRYING)
        await self._tell(run)
        await self._services.clock.sleep(max(0, due - self._now()) / 1000)
        return self._entered(run, CREATED), None

    def _assignment(self, node: Node, prepared: Prepared, run: TaskRun) -> Assignment:
        return self._work._replace(
            run=run,
            type=node.type,
            prepared=prepared,
            timeout=node.timeout,
            log_level=node.log_level,
            log_to_file=node.log_to_file,
            cache=node.cache,
            beside=tuple(self.ended),
            folder=self._ctx.folder,
        )

    def _variables(self, run: TaskRun) -> Any:
        return self._work.view.of(run, self.ended)

    async def _tell(self, run: TaskRun, patch: Patch | None = None) -> None:
        above = self._work.run
        report = Report(
            id=run.id,
            name=run.node,
            node=run.node,
            history=run.history,
            attempts=run.attempts,
            outputs=run.outputs,
            error=run.error,
            value=run.value,
            iteration=run.iteration,
        )
        event = Reported(at=self._now(), path=above.path, attempt=above.attempt, runs=(report,), patch=patch)
        await self._services.report(self._work.execution.id, event)
        # Where that ended the execution, this attempt is cancelled here.
        await anyio.lowlevel.checkpoint()

    def _entered(self, run: TaskRun, state: Status) -> TaskRun:
        return replace(run, history=(*run.history, Change(state, self._now())))

    def _now(self) -> int:
        return self._services.clock.now()


def _next_date(node: Node, run: TaskRun, ended: TaskEnded) -> int | None:
    # A new execution can only be had for the whole folder.
    if node.retry is None or node.retry.new_execution:
        return None
    return next_date(node.retry, run, ended.at, random_seed())


async def run_folder(
    services: Services, work: Assignment, ctx: TaskContext, block: FolderBlock, run_attempt: RunAttempt
) -> tuple[Status, str | None, Any]:
    """Fill the folder, run its tasks in it, keep what they leave: state, error and outputs. May raise as a task may."""
    await block.prepare(ctx)
    assert isinstance(ctx.folder, WorkingFolder)
    state, error = await Members(services, work, ctx, run_attempt).run()
    try:
        outputs = await block.collect(ctx)
    except TaskError as second:
        if error is None:
            raise
        ctx.log(str(second), "ERROR")
        outputs = second.outputs
    return state, error, outputs
