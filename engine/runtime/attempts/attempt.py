"""One attempt: render, validate, run, store the outputs, say how it ended."""

from __future__ import annotations

from typing import Any, NamedTuple

import anyio
import msgspec
from pydantic import ValidationError

from engine.definition.collect import misfits
from engine.definition.diagnostic import path_text
from engine.durations import parse_duration
from engine.errors import ExpressionError, TaskError, TidegateError
from engine.executor.plan import Cache
from engine.plugin.base import Call, FolderBlock, Result, Task
from engine.runtime.attempts.context import TaskContext
from engine.runtime.attempts.folder import WorkingFolder
from engine.runtime.attempts.log_file import LogFile, log_address
from engine.runtime.attempts.members import run_folder
from engine.runtime.attempts.shared import Services
from engine.runtime.attempts.task_cache import find_slot
from engine.runtime.flows.plans import Prepared
from engine.runtime.keeping.outputs import offload, plain
from engine.runtime.rendering.places import placed
from engine.runtime.rendering.variables import View
from engine.state.event import Patch, TaskEnded, TaskStarted
from engine.state.execution import Execution, Label, TaskRun
from engine.state.status import Status


class Assignment(NamedTuple):
    """What a worker needs to run an attempt.

    beside: task runs that the same attempt of a folder ended before; folder: the one that they share
    """

    execution: Execution
    run: TaskRun
    type: str
    prepared: Prepared
    timeout: str | None
    log_level: str | None
    view: View
    log_to_file: bool = False
    cache: Cache | None = None
    beside: tuple[TaskRun, ...] = ()
    folder: WorkingFolder | None = None

    @property
    def log_file(self) -> str | None:
        """Where the log lines will lie, if not in the log. What another execution does has no log here."""
        return log_address(self.execution, self.run) if self.log_to_file and not self.prepared.plugin.calls else None


class Ending(NamedTuple):
    """How a body ended."""

    state: Status
    outputs: dict[str, Any] | None = None
    error: str | None = None
    patch: Patch | None = None
    handed: bool = False


async def run_attempt(services: Services, work: Assignment) -> TaskEnded | TaskStarted:
    """Run an attempt until it ends, or another execution has its work. Cancellation passes after the clean-up."""
    started = services.clock.now()
    variables = work.view.of(work.run, work.beside)
    address = work.log_file
    log_file = None if address is None else LogFile(services.files, address, services.work_folder)
    ctx = TaskContext(
        services, work.execution, work.run, work.type, work.log_level, variables, shared=work.folder, log_file=log_file
    )
    try:
        ending = await _run(services, work, ctx)
        if ending.error is not None:
            error = ctx.masked(ending.error)
            ending = ending._replace(error=error)
            ctx.log(error, "ERROR" if ending.state is Status.FAILED else "WARN")
        if ctx.wrote_logs and log_file is None:
            await services.logs.flushed()
    finally:
        if log_file is not None:
            await log_file.store()
        if ctx.made_folder:
            with anyio.CancelScope(shield=True):
                await ctx.folder.close()
    if ending.handed:
        return TaskStarted(at=started, path=work.run.path, attempt=work.run.attempt, outputs=ending.outputs)
    return TaskEnded(
        at=services.clock.now(),
        path=work.run.path,
        attempt=work.run.attempt,
        state=ending.state,
        started=started,
        outputs=ending.outputs,
        error=ending.error,
        patch=ending.patch,
        log_file=address,
    )


async def _run(services: Services, work: Assignment, ctx: TaskContext) -> Ending:
    try:
        if work.timeout is None:
            return await _body(services, work, ctx)
        with anyio.move_on_after(await _seconds(work.timeout, ctx)) as scope:
            return await _body(services, work, ctx)
        assert scope.cancelled_caught
        return Ending(Status.FAILED, error=f"Timeout: the task did not end within {work.timeout}")
    except TaskError as error:
        outputs = None if error.outputs is None else await _stored(services, ctx, error.outputs)
        return Ending(Status.FAILED, outputs=outputs, error=str(error))
    except ExpressionError as error:
        return Ending(Status.FAILED, error=placed(error, work.prepared.literal))
    except ValidationError as error:
        # Of a model that the task itself made.
        first = error.errors(include_url=False)[0]
        return Ending(Status.FAILED, error=f"{path_text(first['loc'])}: {first['msg']}")
    except TidegateError as error:
        return Ending(Status.FAILED, error=str(error))
    except Exception as error:
        # A plugin may raise anything: it fails its task, never the engine.
        return Ending(Status.FAILED, error=f"{type(error).__name__}: {error}")


async def _body(services: Services, work: Assignment, ctx: TaskContext) -> Ending:
    prepared = _chosen(work)
    task = prepared.fixed or await _build(prepared, ctx)
    if isinstance(task, FolderBlock):
        state, error, outputs = await run_folder(services, work, ctx, task, run_attempt)
        return Ending(state, outputs=await _stored(services, ctx, outputs), error=error)
    slot = await find_slot(services, work, ctx, task, work.cache) if work.cache is not None else None
    if slot is not None and (known := await slot.get()) is not None:
        ctx.log("taskCache: the outputs of an equal earlier run are used")
        return Ending(Status.SUCCESS, outputs=known)
    outcome = await task.run(ctx)
    if isinstance(outcome, Call):
        outputs, ended = await services.subflows.start(work.execution, work.run, work.type, outcome)
        if ended is not None:
            return Ending(ended.state, ended.outputs, ended.error)
        ctx.log(f"Started the execution '{outputs['executionId']}' of {outcome.namespace}.{outcome.flow}")
        return Ending(Status.SUCCESS, outputs=outputs, handed=outcome.wait)
    ending = await _success(services, ctx, outcome)
    if slot is not None and ending.state is Status.SUCCESS and ending.patch is None:
        await slot.put(ending.outputs)
    return ending


def _chosen(work: Assignment) -> Prepared:
    """What is run: the task, or what stands in its place at the value of the nearest loop."""
    prepared = work.prepared
    return prepared.mocks.get(work.view.loop_value(work.run) or "", prepared) if prepared.mocks else prepared


async def _build(prepared: Prepared, ctx: TaskContext) -> Task | FolderBlock:
    """The task with its properties rendered."""
    rendered = dict(prepared.literal)
    for name, template in prepared.templates.items():
        try:
            value = await ctx.render(template)
        except ExpressionError as error:
            raise TaskError(placed(error, template, name)) from None
        rendered[name] = _structured(value) if isinstance(template, str) and name in prepared.structured else value
    try:
        return prepared.plugin.model_validate(rendered)
    except ValidationError as error:
        wrong = "; ".join(f"{path_text(path)}: {text}" for path, text in misfits(rendered, error))
        raise TaskError(f"Properties don't fit after rendering: {wrong}") from None


def _structured(value: Any) -> Any:
    """A list or map property may be one expression that renders to JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


async def _success(services: Services, ctx: TaskContext, outcome: Any) -> Ending:
    result = outcome if isinstance(outcome, Result) else Result(outcome)
    patch = None
    if result.labels or result.variables is not None or result.removed or result.end:
        patch = Patch(
            # Labels are there to be seen, so what may not be seen is no part of them.
            labels=tuple(Label(key, ctx.masked(value)) for key, value in (result.labels or {}).items()),
            variables=None
            if result.variables is None
            else services.vault.seal_secrets(plain(result.variables), ctx.masks),
            removed=tuple(result.removed),
            end=Status(result.end) if result.end else None,
            sparing=result.sparing,
        )
    outputs = await _stored(services, ctx, result.outputs)
    return Ending(Status(result.state), outputs=outputs, patch=patch)


async def _stored(services: Services, ctx: TaskContext, outputs: Any) -> dict[str, Any]:
    built = services.vault.seal_secrets(plain(outputs), ctx.masks)
    if not built or len(msgspec.json.encode(built)) <= services.settings.outputs.inline_bytes:
        return built
    return await offload(built, services.settings.outputs.inline_bytes, services.files, ctx.address)


async def _seconds(timeout: str, ctx: TaskContext) -> float:
    try:
        return parse_duration(str(await ctx.render(timeout))) / 1000
    except (ExpressionError, ValueError) as error:
        raise TaskError(f"timeout: {error}") from None
