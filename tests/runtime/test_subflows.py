"""Subflow through the real engine: outputs, labels, states, kill."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import ExecutionKind
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import SECONDS, end, messages, run, runs_of, start, states, until

CHILD = """
id: child
namespace: test
inputs: [{id: n, type: INT}]
labels: {of: child, both: child}
tasks:
  - {id: work, type: core.debug.Return, format: "{{ inputs.n * 2 }} {{ trigger.flowId }} {{ trigger.taskId }}"}
outputs: [{id: result, type: STRING, value: "{{ outputs.work.value }}"}]
"""
SLEEPER = """
id: sleeper
namespace: test
tasks: [{id: sleep, type: core.flow.Sleep, duration: PT300S}]
"""
WAITER = """
id: waiter
namespace: test
tasks: [{id: pause, type: core.flow.Pause}]
"""
CALLS_MANY = """
id: calls_many
namespace: test
tasks:
  - id: each
    type: core.flow.ForEach
    values: [1, 2, 3, 4, 5, 6, 7]
    concurrencyLimit: 0
    tasks: [{id: call, type: core.flow.Subflow, namespace: test, flowId: FLOW, wait: false}]
  - {id: hold, type: core.flow.Pause}
"""
SPARED = """
id: parent
namespace: test
tasks:
  - id: all
    type: core.flow.Parallel
    tasks:
      - {id: one, type: core.flow.Subflow, namespace: test, flowId: waiter}
      - {id: long, type: core.flow.Sleep, duration: PT300S}
      - id: loop
        type: core.flow.Loop
        values: [a]
        tasks: [{id: inner, type: core.flow.Subflow, namespace: test, flowId: waiter}]
      - id: batches
        type: core.flow.Sequential
        tasks:
          - {id: lines, type: core.storage.Write, content: "1\\n2\\n"}
          - {id: each, type: core.flow.ForEachItem, items: "{{ outputs.lines.uri }}", namespace: test, flowId: waiter}
"""
FAILING = """
id: failing
namespace: test
tasks: [{id: no, type: core.execution.Fail}]
"""


def calling(flow: str, *more: str) -> str:
    lines = "".join(f"    {line}\n" for line in more)
    return f"""
id: parent
namespace: test
labels: {{of: parent, mine: yes!}}
tasks:
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: test
    flowId: {flow}
{lines}
  - {{id: after, type: core.debug.Return, format: "{{{{ outputs.call }}}}"}}
"""


async def child_of(engine: Engine, record: Record) -> Record:
    return await end(engine, ExecutionId((runs_of(record, "call")[0].outputs or {})["executionId"]))


async def test_it_waits_and_has_the_outputs_of_its_execution(engine: Engine) -> None:
    await engine.control.save_flow(CHILD)
    record = await run(engine, calling("child", 'inputs: {n: "{{ 20 + 1 }}"}', "labels: {both: task}"))
    assert record.execution.state is Status.SUCCESS
    child = await child_of(engine, record)
    assert runs_of(record, "call")[0].outputs == {
        "executionId": child.execution.id,
        "state": "SUCCESS",
        "outputs": {"result": "42 parent call"},
    }
    labels = {label.key: label.value for label in child.execution.labels}
    assert labels == {"of": "child", "both": "task", "system.correlationId": record.execution.id}
    assert [change.state for change in runs_of(record, "call")[0].history] == ["CREATED", "RUNNING", "SUCCESS"]


async def test_labels_are_inherited_when_asked_for(engine: Engine) -> None:
    await engine.control.save_flow(CHILD)
    record = await run(
        engine, calling("child", "inputs: {n: 1}", "inheritLabels: true", "labels: [{key: k, value: 1}]")
    )
    labels = {label.key: label.value for label in (await child_of(engine, record)).execution.labels}
    assert {"of": "parent", "mine": "yes!", "both": "child", "k": "1"}.items() <= labels.items()


@pytest.mark.parametrize(
    ("more", "call", "state"),
    [
        ((), "FAILED", "FAILED"),
        (("allowFailure: true",), "WARNING", "WARNING"),
        (("transmitFailed: false",), "SUCCESS", "SUCCESS"),
        (("wait: false",), "SUCCESS", "SUCCESS"),
    ],
)
async def test_how_it_ends_when_its_execution_fails(
    engine: Engine, more: tuple[str, ...], call: str, state: str
) -> None:
    await engine.control.save_flow(FAILING)
    record = await run(engine, calling("failing", *more))
    assert record.execution.state == state
    assert states(record)["call"] == call
    assert (await child_of(engine, record)).execution.state is Status.FAILED


async def test_a_retry_starts_another_execution(engine: Engine) -> None:
    await engine.control.save_flow(FAILING)
    record = await run(engine, calling("failing", "retry: {type: constant, interval: PT0.05S, maxAttempts: 2}"))
    assert [attempt.state for attempt in runs_of(record, "call")[0].attempts] == [Status.FAILED, Status.FAILED]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("revision: 7", "inputs: {n: 1}"), "Unable to find flow 'test'.'child' with revision '7'"),
        ((), "n"),
        (("inputs: {n: 1}", 'labels: \'{{ {"system.x": "y"} }}\''), "System labels"),
    ],
)
async def test_what_can_not_be_started_fails_the_task(engine: Engine, more: tuple[str, ...], said: str) -> None:
    await engine.control.save_flow(CHILD)
    record = await run(engine, calling("child", *more))
    assert states(record) == {"call": "FAILED"}
    assert said in "\n".join(await messages(engine, record.execution.id, "call", "ERROR"))


@pytest.mark.parametrize("wait", [True, False])
async def test_a_kill_reaches_the_executions_that_were_started(engine: Engine, wait: bool) -> None:
    await engine.control.save_flow(SLEEPER)
    slow = "\n  - {id: slow, type: core.flow.Sleep, duration: PT300S}"
    execution = await start(engine, calling("sleeper", f"wait: {str(wait).lower()}") + slow)
    await until(engine, execution.id, "call" if wait else "slow", Status.RUNNING)
    with anyio.fail_after(SECONDS):
        while True:
            record = (await engine.store.executions.load(execution.id)).record
            if runs_of(record, "call")[0].outputs:
                break
            await anyio.sleep(0.01)
    await engine.control.kill(execution.id)
    assert (await end(engine, execution.id)).execution.state is Status.KILLED
    assert (await child_of(engine, record)).execution.state is Status.KILLED


async def test_a_kill_of_what_has_ended_reaches_what_it_started(engine: Engine) -> None:
    await engine.control.save_flow(SLEEPER)
    record = await run(engine, calling("sleeper", "wait: false"))
    assert record.execution.state is Status.SUCCESS
    with pytest.raises(Conflict, match="has ended already"):
        await engine.control.kill(record.execution.id, cascade=False)
    await engine.control.kill(record.execution.id)
    assert (await child_of(engine, record)).execution.state is Status.KILLED
    with pytest.raises(Conflict, match="has ended already"):
        await engine.control.kill(record.execution.id)


async def test_an_execution_for_later_waits_for_its_date(engine: Engine) -> None:
    await engine.control.save_flow(CHILD)
    record = await run(
        engine,
        calling("child", "inputs: {n: 1}", "scheduleDate: \"{{ now() | dateAdd(1, 'SECONDS') }}\""),
    )
    child = (await child_of(engine, record)).execution
    assert child.scheduled is not None
    assert child.history[1].at >= child.scheduled


@pytest.mark.parametrize(
    ("flow", "path", "state"), [(WAITER, "pause", Status.PAUSED), (SLEEPER, "sleep", Status.RUNNING)]
)
async def test_a_kill_reaches_all_that_it_started_however_many(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, flow: str, path: str, state: Status
) -> None:
    monkeypatch.setattr("engine.runtime.actions.control.PAGE", 2)
    stored = await engine.control.save_flow(flow)
    parent = await start(engine, CALLS_MANY.replace("FLOW", stored.id))
    await until(engine, parent.id, "hold", Status.PAUSED)
    children = [child.id for child in await engine.store.executions.list(ExecutionFilter(caller=parent.id))]
    assert len(children) == 7
    for child in children:
        await until(engine, child, path, state)
    await engine.control.kill(parent.id)
    for child in children:
        assert (await end(engine, child)).execution.state is Status.KILLED


async def paused_waiters(engine: Engine, count: int) -> list[ExecutionId]:
    """Ids of the executions of `waiter` once so many are paused."""
    with anyio.fail_after(SECONDS):
        while True:
            found = await engine.store.executions.list(ExecutionFilter(flow="waiter", states=(Status.PAUSED,)))
            if len(found) == count:
                return [child.id for child in found]
            await anyio.sleep(0.01)


async def test_a_kill_without_cascade_lets_what_was_started_go_on(engine: Engine) -> None:
    await engine.control.save_flow(WAITER)
    parent = await start(engine, SPARED)
    children = await paused_waiters(engine, 4)
    await engine.control.kill(parent.id, cascade=False)
    ended = await end(engine, parent.id)
    assert ended.execution.state is Status.KILLED
    assert set(states(ended).values()) <= {"KILLED", "SUCCESS"}
    loops = await engine.store.executions.list(ExecutionFilter(kinds=(ExecutionKind.LOOP,), caller=parent.id))
    assert [(await end(engine, one.id)).execution.state for one in loops] == [Status.KILLED]
    for child in children:
        await engine.control.resume(child)
        assert (await end(engine, child)).execution.state is Status.SUCCESS
    assert (await end(engine, parent.id)).execution.version == ended.execution.version


async def test_many_are_killed_without_cascade(engine: Engine) -> None:
    await engine.control.save_flow(WAITER)
    parents = [(await start(engine, calling("waiter"))).id for _ in range(2)]
    children = await paused_waiters(engine, 2)
    outcome = await engine.bulk.kill(parents, cascade=False)
    assert set(outcome.done) == set(parents)
    for parent in parents:
        assert (await end(engine, parent)).execution.state is Status.KILLED
    assert set(await paused_waiters(engine, 2)) == set(children)


async def test_a_later_kill_may_reach_what_the_first_one_spared(engine: Engine) -> None:
    await engine.control.save_flow(WAITER)
    slow = """
afterExecution: [{id: slow, type: core.flow.Sleep, duration: PT300S}]
"""
    parent = await start(engine, calling("waiter") + slow)
    (child,) = await paused_waiters(engine, 1)
    await engine.control.kill(parent.id, cascade=False)
    await until(engine, parent.id, "slow", Status.RUNNING)
    await engine.control.kill(parent.id)
    assert (await end(engine, child)).execution.state is Status.KILLED


@pytest.mark.parametrize("forced", [False, True])
async def test_to_resume_the_parent_is_to_resume_what_it_waits_for(engine: Engine, forced: bool) -> None:
    await engine.control.save_flow(WAITER)
    parent = await start(engine, calling("waiter"))
    (child,) = await paused_waiters(engine, 1)
    await until(engine, parent.id, "call", Status.PAUSED)
    await (engine.control.force_run(parent.id) if forced else engine.control.resume(parent.id))
    assert (await end(engine, child)).execution.state is Status.SUCCESS
    assert (await end(engine, parent.id)).execution.state is Status.SUCCESS


async def test_the_first_of_those_that_are_paused_is_resumed(engine: Engine) -> None:
    await engine.control.save_flow(WAITER)
    each = "type: core.flow.ForEachItem, items: '{{ outputs.lines.uri }}', namespace: test, flowId: waiter"
    lines = 'id: lines, type: core.storage.Write, content: "1\\n2\\n"'
    parent = await start(engine, f"id: parent\nnamespace: test\ntasks: [{{{lines}}}, {{id: each, {each}}}]\n")
    first, second = sorted(await paused_waiters(engine, 2), key=await indices(engine, parent.id))
    for child in (first, second):
        await until(engine, parent.id, "each/each_items", Status.PAUSED)
        await engine.control.resume(parent.id, task_run="each_items")
        assert (await end(engine, child)).execution.state is Status.SUCCESS
    assert (await end(engine, parent.id)).execution.state is Status.SUCCESS


async def indices(engine: Engine, parent: ExecutionId) -> Callable[[ExecutionId], int]:
    """Which item of its parent an execution is for."""
    found = await engine.store.executions.list(ExecutionFilter(caller=parent))
    known = {child.id: child.caller.index or 0 for child in found if child.caller is not None}
    return known.__getitem__
