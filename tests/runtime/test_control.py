"""Kill, restart, replay, change of status, and expressions against a finished execution."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from engine.clock import SystemClock
from engine.errors import Conflict, NotFound
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import end, run, runs_of, start, states, until

SLEEPING = """
id: sleeping
namespace: test
tasks:
  - {id: sleep, type: core.flow.Sleep, duration: PT60S}
  - {id: never, type: core.log.Log, message: never}
"""
FAILS_ONCE = """
id: fails
namespace: test
inputs:
  - {id: marker, type: STRING}
tasks:
  - {id: first, type: core.debug.Return, format: "{{ uuid() }}"}
  - id: second
    type: scripts.shell.Commands
    taskRunner: {type: core.runner.Process}
    commands: ["test -e {{ inputs.marker }}"]
  - {id: third, type: core.debug.Return, format: "{{ outputs.first.value }}"}
"""


async def test_kill_stops_what_runs_and_is_final(engine: Engine) -> None:
    execution = await start(engine, SLEEPING)
    await until(engine, execution.id, "sleep", Status.RUNNING)
    await engine.control.kill(execution.id)
    record = await end(engine, execution.id)
    assert record.execution.state is Status.KILLED
    assert states(record) == {"sleep": "KILLED"}
    with pytest.raises(Conflict, match="ended already"):
        await engine.control.kill(execution.id)


async def test_kill_reaches_a_script_and_all_it_started(engine: Engine, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    execution = await start(
        engine,
        f"""
id: stubborn
namespace: test
tasks:
  - id: script
    type: scripts.shell.Commands
    taskRunner: {{type: core.runner.Process}}
    commands:
      - "trap '' TERM; sleep 600 & echo $! $$ > {pids}; echo ready; wait; sleep 600"
""",
    )
    await until(engine, execution.id, "script", Status.RUNNING)
    while not pids.exists() or len(pids.read_text().split()) < 2:
        await anyio.sleep(0.02)
    await engine.control.kill(execution.id)
    record = await end(engine, execution.id)
    assert record.execution.state is Status.KILLED
    for pid in pids.read_text().split():
        assert not _alive(int(pid))


async def test_restart_goes_on_where_it_failed(engine: Engine, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    record = await run(engine, FAILS_ONCE, {"marker": str(marker)})
    assert record.execution.state is Status.FAILED
    before = runs_of(record, "first")[0]
    marker.touch()
    await engine.control.restart(record.execution.id)
    again = await end(engine, record.execution.id)
    assert again.execution.state is Status.SUCCESS
    assert runs_of(again, "first")[0].outputs == before.outputs
    assert len(runs_of(again, "first")) == 1
    assert runs_of(again, "third")[0].outputs == before.outputs


async def test_replay_is_another_execution_with_the_same_inputs(engine: Engine, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    record = await run(engine, FAILS_ONCE, {"marker": str(marker)})
    whole = await engine.control.replay(record.execution.id)
    assert whole.id != record.execution.id
    assert (await end(engine, whole.id)).execution.inputs == record.execution.inputs
    part = await engine.control.replay(record.execution.id, runs_of(record, "second")[0].id)
    replayed = await end(engine, part.id)
    assert replayed.execution.state is Status.SUCCESS
    assert runs_of(replayed, "first")[0].outputs == runs_of(record, "first")[0].outputs


async def test_a_changed_status_lets_the_execution_go_on(engine: Engine, tmp_path: Path) -> None:
    record = await run(engine, FAILS_ONCE, {"marker": str(tmp_path / "absent")})
    failed = runs_of(record, "second")[0]
    await engine.control.change_status(record.execution.id, failed.id, Status.SUCCESS)
    changed = await end(engine, record.execution.id)
    assert changed.execution.state is Status.SUCCESS
    assert runs_of(changed, "third")[0].state is Status.SUCCESS


async def test_expressions_see_what_the_tasks_saw(engine: Engine, tmp_path: Path) -> None:
    record = await run(engine, FAILS_ONCE, {"marker": str(tmp_path)})
    id = record.execution.id
    first = (runs_of(record, "first")[0].outputs or {})["value"]
    assert await engine.control.evaluate(id, "{{ outputs.first.value }}") == first
    assert await engine.control.evaluate(id, "{{ task.id }}", "third") == "third"
    with pytest.raises(NotFound, match="fourth"):
        await engine.control.evaluate(id, "{{ task.id }}", "fourth")


async def test_a_process_takes_up_what_another_left(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", Settings()) as first:
        execution = await start(
            first,
            """
id: left
namespace: test
tasks:
  - {id: before, type: core.debug.Return, format: "{{ uuid() }}"}
  - {id: sleep, type: core.flow.Sleep, duration: PT0.5S}
  - {id: after, type: core.debug.Return, format: done}
""",
        )
        await until(first, execution.id, "sleep", Status.RUNNING)
        held = (await first.store.executions.load(execution.id)).record
    async with open_engine(tmp_path / "data", Settings()) as second:
        assert await second.nodes.recover() == [execution.id]
        record = await end(second, execution.id)
    assert record.execution.state is Status.SUCCESS
    assert runs_of(record, "before")[0] == runs_of(held, "before")[0]
    assert len(runs_of(record, "sleep")[0].attempts) == 2


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


async def test_an_execution_is_of_the_latest_revision_whoever_stored_it(tmp_path: Path) -> None:
    flow = "id: changing\nnamespace: test\ntasks: [{{id: say, type: core.debug.Return, format: '{}'}}]\n"
    async with open_engine(tmp_path / "data", Settings()) as one, open_engine(tmp_path / "data", Settings()) as two:
        assert (await run(one, flow.format("first"))).execution.revision == 1
        await two.control.save_flow(flow.format("second"))
        record = await end(one, (await one.control.create("test", "changing")).id)
        assert record.execution.revision == 2
        assert runs_of(record, "say")[0].outputs == {"value": "second"}
        old = await end(one, (await one.control.create("test", "changing", revision=1)).id)
        assert runs_of(old, "say")[0].outputs == {"value": "first"}
        await two.store.flows.delete("test", "changing", 0)
        with pytest.raises(NotFound, match="changing"):
            await one.control.create("test", "changing")


async def test_a_task_that_asks_for_it_is_tried_again_as_a_new_execution(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: anew
namespace: test
tasks:
  - id: fails
    type: core.execution.Fail
    condition: "{{ execution.id == execution.originalId }}"
    retry: {type: constant, interval: PT0.05S, maxAttempts: 3, behavior: CREATE_NEW_EXECUTION}
""",
    )
    assert record.execution.state is Status.RETRIED
    with anyio.fail_after(20):
        while True:
            others = [
                one
                for one in await engine.store.executions.list(ExecutionFilter())
                if one.id != record.execution.id and one.state.terminal
            ]
            if others:
                break
            await anyio.sleep(0.02)
    (again,) = others
    assert again.state is Status.SUCCESS
    assert again.original == record.execution.id
    assert again.tried_since == record.execution.created


async def test_an_execution_begins_on_its_date(engine: Engine) -> None:
    stored = await engine.control.save_flow("id: later\nnamespace: n\ntasks: [{id: t, type: core.debug.Return}]\n")
    date = SystemClock().now() + 300
    made = await engine.control.create(stored.namespace, stored.id, scheduled=date)
    assert made.state is Status.CREATED
    ended = (await end(engine, made.id)).execution
    assert ended.state is Status.SUCCESS
    assert next(change.at for change in ended.history if change.state is Status.RUNNING) >= date
