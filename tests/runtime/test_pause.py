"""Pause through the real engine: resumed, too late, killed, taken over by another process."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.errors import InvalidFlow, InvalidInputs, Refused
from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import SECONDS, end, run, runs_of, start, states, until

ASKS = """
id: asks
namespace: test
tasks:
  - id: before
    type: core.debug.Return
    format: "x"
  - id: approval
    type: core.flow.Pause
    onResume:
      - {id: reason, type: STRING}
      - {id: count, type: INT, defaults: 2}
  - id: after
    type: core.debug.Return
    format: "{{ outputs.approval.onResume.reason }} {{ outputs.approval.onResume.count + 1 }}"
"""


def paused_by(**properties: str) -> str:
    lines = "".join(f"    {name}: {value}\n" for name, value in properties.items())
    return f"""
id: timed
namespace: test
inputs: [{{id: wait, type: DURATION, defaults: PT0.05S}}]
tasks:
  - id: pause
    type: core.flow.Pause
{lines}
  - {{id: after, type: core.debug.Return, format: x}}
"""


async def paused(engine: Engine, source: str, path: str) -> ExecutionId:
    execution = await start(engine, source)
    await until(engine, execution.id, path, Status.PAUSED)
    return execution.id


async def test_it_goes_on_with_the_inputs_it_asked_for(engine: Engine) -> None:
    id = await paused(engine, ASKS, "approval")
    assert (await engine.store.executions.head(id))[0].state is Status.PAUSED
    assert not engine.driver.drives(id), "a paused execution is rows only"
    with pytest.raises(InvalidInputs, match="reason"):
        await engine.control.resume(id, {"count": "3"})
    await engine.control.resume(id, {"reason": "fine", "count": "3"}, by="anna")
    record = await end(engine, id)
    assert record.execution.state is Status.SUCCESS
    assert runs_of(record, "after")[0].outputs == {"value": "fine 4"}
    resumed = (runs_of(record, "approval")[0].outputs or {})["resumed"]
    assert (resumed["by"], resumed["to"]) == ("anna", "RUNNING")
    with pytest.raises(Refused, match="not paused"):
        await engine.control.resume(id)


@pytest.mark.parametrize(
    ("properties", "state", "seen"),
    [
        ({"pauseDuration": "'{{ inputs.wait }}'"}, "SUCCESS", {"pause": "SUCCESS", "after": "SUCCESS"}),
        ({"delay": "PT0.05S", "behavior": "WARN"}, "WARNING", {"pause": "WARNING", "after": "SUCCESS"}),
        ({"pauseDuration": "PT0.05S", "behavior": "FAIL"}, "FAILED", {"pause": "FAILED"}),
        ({"pauseDuration": "PT0.05S", "behavior": "\"{{ 'CANCEL' }}\""}, "CANCELLED", {"pause": "CANCELLED"}),
        ({"timeout": "PT0.05S"}, "FAILED", {"pause": "FAILED"}),
        ({"timeout": "'{{ nothing }}'"}, "FAILED", {"pause": "FAILED"}),
    ],
)
async def test_its_time(engine: Engine, properties: dict[str, str], state: str, seen: dict[str, str]) -> None:
    record = await run(engine, paused_by(**properties))
    assert record.execution.state == state
    assert states(record) == seen


@pytest.mark.parametrize(
    ("properties", "said"),
    [({"behavior": "GO"}, "RESUME"), ({"delay": "soon"}, "delay"), ({"onResume": "[{id: x, type: TEXT}]"}, "onResume")],
)
async def test_a_wrong_pause_is_refused(engine: Engine, properties: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidFlow, match=said):
        await engine.control.save_flow(paused_by(**properties))


async def test_kill_restart_and_another_state_of_a_paused_execution(engine: Engine) -> None:
    id = await paused(engine, paused_by(), "pause")
    await engine.control.kill(id)
    assert states(await end(engine, id)) == {"pause": "KILLED"}
    id = await paused(engine, paused_by(), "pause")
    await engine.control.restart(id)
    assert (await end(engine, id)).execution.state is Status.SUCCESS
    id = await paused(engine, paused_by(), "pause")
    await engine.control.change_status(id, "pause", Status.FAILED)
    assert states(await end(engine, id)) == {"pause": "FAILED"}


async def test_a_running_execution_pauses_at_its_next_task(engine: Engine) -> None:
    execution = await start(
        engine,
        "id: steps\nnamespace: test\ntasks:\n"
        "  - {id: one, type: core.flow.Sleep, duration: PT0.3S}\n  - {id: two, type: core.debug.Return, format: x}\n",
    )
    await until(engine, execution.id, "one", Status.RUNNING)
    await engine.control.pause(execution.id)
    with pytest.raises(Refused, match="not running"):
        await engine.control.pause(execution.id)
    await until(engine, execution.id, "one", Status.SUCCESS)
    record = (await engine.store.executions.load(execution.id)).record
    assert (record.execution.state, list(record.runs)) == (Status.PAUSED, ["one"])
    await engine.control.resume(execution.id)
    assert (await end(engine, execution.id)).execution.state is Status.SUCCESS


async def test_what_was_paused_by_a_process_that_is_gone_can_be_resumed(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", Settings()) as first:
        manual = await paused(first, ASKS, "approval")
        timed = await paused(first, paused_by(pauseDuration="PT0.5S"), "pause")
    async with open_engine(tmp_path / "data", Settings()) as second:
        await second.control.resume(manual, {"reason": "late"})
        assert (await end(second, manual)).execution.state is Status.SUCCESS
        await second.nodes.recover()
        with anyio.fail_after(SECONDS):
            assert (await end(second, timed)).execution.state is Status.SUCCESS


TELLS = """
id: tells
namespace: test
tasks:
  - id: pause
    type: core.flow.Pause
    onPause: {id: tell, type: core.log.Log, message: "waiting since {{ taskrun.startDate }}"}
    finally: [{id: last, type: core.debug.Return, format: x}]
"""


async def test_a_task_tells_of_the_wait(engine: Engine) -> None:
    id = await paused(engine, TELLS, "pause")
    await until(engine, id, "pause/tell", Status.SUCCESS)
    assert (await engine.store.executions.head(id))[0].state is Status.PAUSED
    await engine.control.resume(id)
    record = await end(engine, id)
    assert states(record) == {"pause": "SUCCESS", "pause/tell": "SUCCESS", "pause/last": "SUCCESS"}
