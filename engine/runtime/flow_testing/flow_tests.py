"""Runs tests of flows: each case is an execution of its own, on an engine and a data folder of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import anyio

from engine.definition.assertions import holds
from engine.definition.flow_test import LOCAL, Assertion, Case, Fixtures, LoadedSuite, beside, is_local
from engine.definition.forms import leaves
from engine.errors import ExpressionError, TidegateError, UndefinedError
from engine.files.addresses import flow_folder
from engine.ids import ExecutionId
from engine.plugin.index import Index
from engine.runtime.engine import Engine, open_engine
from engine.runtime.flow_testing.mocks import Mock, Mocks
from engine.settings import Settings
from engine.state.execution import Execution, ExecutionKind, TriggeredBy
from engine.state.record import Record
from engine.state.status import Status

SHOWN_LINES = 10


class Outcome(StrEnum):
    """How a test case went; ERROR where it could not be run."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    ERROR = "ERROR"
    SKIPPED = "SKIPPED"


class Asserted(NamedTuple):
    """What came of one operator of an assertion. `problem`: why it could not be judged."""

    line: int
    operator: str
    expected: Any
    actual: Any
    passed: bool
    expression: str
    description: str = ""
    problem: str = ""


class CaseResult(NamedTuple):
    """How a test case went.

    flow: as NAMESPACE.ID
    state: how the execution ended, or what it was at when time was over
    lines: the gravest log lines, where it didn't pass
    """

    suite: str
    case: str
    file: str
    flow: str
    outcome: Outcome
    seconds: float = 0.0
    state: Status | None = None
    asserted: tuple[Asserted, ...] = ()
    error: str = ""
    lines: tuple[str, ...] = ()
    description: str = ""

    @property
    def good(self) -> bool:
        return self.outcome in (Outcome.PASSED, Outcome.SKIPPED)


class Job(NamedTuple):
    """A test case to run.

    sources: texts of the flows that the execution may need, by file; the tested flow is one of them
    number: which case of its suite it is
    """

    file: Path
    loaded: LoadedSuite
    number: int
    sources: Mapping[str, str]

    @property
    def case(self) -> Case:
        return self.loaded.suite.test_cases[self.number]

    def result(self, outcome: Outcome, **more: Any) -> CaseResult:
        suite = self.loaded.suite
        flow = f"{suite.namespace}.{suite.flow_id}"
        described = self.case.description or ""
        return CaseResult(suite.id, self.case.id, str(self.file), flow, outcome, description=described, **more)


async def run_case(job: Job, settings: Settings, root: Path, timeout: float, index: Index | None = None) -> CaseResult:
    """Run a test case below the folder `root`, for `timeout` seconds at most."""
    suite = job.loaded.suite
    if job.case.disabled or suite.disabled or suite.deleted:
        return job.result(Outcome.SKIPPED)
    began = monotonic()
    with _folder(root) as folder:
        mocks = _mocks(job)
        async with open_engine(folder, settings, index=index, mocks=mocks) as engine:
            try:
                result = await _on_engine(engine, job, mocks, timeout)
            except TidegateError as error:
                result = job.result(Outcome.ERROR, error=str(error))
    return result._replace(seconds=monotonic() - began)


@contextmanager
def _folder(root: Path) -> Iterator[Path]:
    """A data folder that is thrown away, with the environments of all cases."""
    environments = root / "environments"
    environments.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as name:
        os.symlink(environments, Path(name) / "environments")
        yield Path(name)


def _mocks(job: Job) -> Mocks:
    suite = job.loaded.suite
    fixtures = job.case.fixtures
    above = f"{flow_folder(suite.namespace, suite.flow_id)}/tests"
    tasks = tuple(Mock(it.id, it.outputs or {}, Status(it.state), it.value) for it in fixtures.tasks)
    return Mocks(suite.namespace, suite.flow_id, tasks, {name: f"{above}/{name}" for name in fixtures.files})


async def _on_engine(engine: Engine, job: Job, mocks: Mocks, timeout: float) -> CaseResult:
    suite, fixtures = job.loaded.suite, job.case.fixtures
    for file, source in job.sources.items():
        await engine.control.save_flow(source, file)
    await _provide(engine, job, mocks)
    execution = await engine.control.create(
        suite.namespace,
        suite.flow_id,
        inputs=await _inputs(engine, job, mocks),
        trigger=_trigger(fixtures),
        kind=ExecutionKind.TEST,
    )
    ended: Execution | None = None
    with anyio.move_on_after(timeout):
        ended = await engine.control.wait(execution.id, wholly=True)
    await engine.logs.flushed()
    if ended is None:
        record = (await engine.store.executions.load(execution.id)).record
        error = f"did not end within {timeout:g} s: {_waiting(record)}"
        return job.result(Outcome.FAILED, state=record.execution.state, error=error)
    asserted = await _judged(engine, job, mocks, ended)
    error = _wrong_state(job.case, ended)
    if not error and all(one.passed for one in asserted):
        return job.result(Outcome.PASSED, state=ended.state, asserted=asserted)
    lines = await _gravest(engine, ended.id)
    return job.result(Outcome.FAILED, state=ended.state, asserted=asserted, error=error, lines=lines)


def _wrong_state(case: Case, ended: Execution) -> str:
    if case.expected_state is None or ended.state == case.expected_state:
        return ""
    return f"the execution ended {ended.state}, not {case.expected_state}"


def _trigger(fixtures: Fixtures) -> TriggeredBy | None:
    given = fixtures.trigger
    return TriggeredBy(id=given.id, type=given.type, variables=given.variables) if given else None


async def _provide(engine: Engine, job: Job, mocks: Mocks) -> None:
    """Put files, keys and secrets where the execution finds them."""
    fixtures, namespace = job.case.fixtures, job.loaded.suite.namespace
    for name, given in fixtures.files.items():
        await engine.files.put(mocks.files[name], await _content(job, given))
    for path, given in fixtures.namespace_files.items():
        await engine.namespaces.put(namespace, path, await _content(job, given))
    for key, value in fixtures.kv.items():
        await engine.keys.set(namespace, key, value)
    for key, secret in fixtures.secrets.items():
        await engine.secrets.set(key, secret)


async def _content(job: Job, given: str) -> bytes:
    if not given.startswith(LOCAL):
        return given.encode()
    return await anyio.Path(beside(job.file.parent, given)).read_bytes()


async def _inputs(engine: Engine, job: Job, mocks: Mocks) -> dict[str, Any]:
    """The inputs with their expressions rendered; local files for FILE inputs are brought to internal storage."""
    suite = job.loaded.suite
    flow = (await engine.plans.get(suite.namespace, suite.flow_id)).flow
    files = {leaf.id for leaf in leaves(flow.inputs or ()) if leaf.input.type == "FILE"}
    given: dict[str, Any] = {}
    for name, value in job.case.fixtures.inputs.items():
        rendered = engine.renderer.render_now(value, {"files": dict(mocks.files)}, typed=True)
        if name in files and is_local(value):
            address = f"{flow_folder(suite.namespace, suite.flow_id)}/tests/inputs/{name}/{Path(rendered).name}"
            rendered = (await engine.files.put_path(address, beside(job.file.parent, rendered))).address
        given[name] = rendered
    return given


async def _judged(engine: Engine, job: Job, mocks: Mocks, ended: Execution) -> tuple[Asserted, ...]:
    record = (await engine.store.executions.load(ended.id)).record
    lines = await engine.store.logs.lines(ended.id, limit=10_000)
    logs = [{"level": line.level, "message": line.message, "taskId": line.task} for _, line in lines]
    more = {"files": dict(mocks.files), "logs": logs, "state": ended.state.value}
    ran = {run.node for run in record.runs.values()}
    found: list[Asserted] = []
    for index, assertion in enumerate(job.case.assertions):
        task = assertion.task_id if assertion.task_id in ran else None

        async def render(value: Any, task: str | None = task) -> Any:
            return await engine.control.evaluate(ended.id, value, task, typed=True, more=more)

        found += await _asserted(assertion, job.loaded.line(job.number, index), render)
    return tuple(found)


async def _asserted(assertion: Assertion, line: int, render: Any) -> Sequence[Asserted]:
    """What comes of each operator of an assertion. What doesn't exist is null where it is asked whether it is."""
    claims = list(assertion.claims)
    missing = ""
    actual = None
    try:
        actual = await render(assertion.value)
    except UndefinedError as error:
        missing = str(error)
    except ExpressionError as error:
        return [_problem(assertion, line, name, wanted, str(error)) for name, wanted in claims]
    found = []
    for operator, wanted in claims:
        if missing and operator not in ("isNull", "isNotNull"):
            found.append(_problem(assertion, line, operator, wanted, missing))
            continue
        try:
            expected = await render(wanted)
            passed = holds(operator, actual, expected)
        except (ExpressionError, ValueError) as error:
            found.append(_problem(assertion, line, operator, wanted, str(error), actual))
            continue
        told = assertion.error_message if assertion.error_message and not passed else assertion.description
        found.append(Asserted(line, operator, expected, actual, passed, str(assertion.value), told or ""))
    return found


def _problem(assertion: Assertion, line: int, operator: str, wanted: Any, problem: str, actual: Any = None) -> Asserted:
    described = assertion.error_message or assertion.description or ""
    return Asserted(line, operator, wanted, actual, False, str(assertion.value), described, problem)


async def _gravest(engine: Engine, id: ExecutionId) -> tuple[str, ...]:
    for levels in (("ERROR",), ("WARN",)):
        lines = await engine.store.logs.lines(id, levels=levels, limit=SHOWN_LINES)
        if lines:
            return tuple(f"{line.level} {line.task or ''}: {line.message}" for _, line in lines)
    return ()


def _waiting(record: Record) -> str:
    """What an execution waits for, by task."""
    open_runs = [run for run in record.runs.values() if not run.state.terminal and run.block is None]
    named = ", ".join(f"'{run.node}' is {run.state}" for run in open_runs[:SHOWN_LINES])
    return f"{named or f'it is {record.execution.state}'}; a task that waits needs a fixture"
