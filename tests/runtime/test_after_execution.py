"""Tasks that run once the execution has ended, in the real engine."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support import running

FLOW = """
id: after
namespace: n
inputs:
  - {id: fails, type: BOOL, defaults: false}
tasks:
  - {id: main, type: core.debug.Return, format: "x"}
  - {id: fail, type: core.execution.Fail, runIf: "{{ inputs.fails }}"}
outputs:
  - {id: o, type: STRING, value: "{{ outputs.main.value }}"}
afterExecution:
  - {id: seen, type: core.debug.Return, format: "{{ execution.state }} {{ execution.outputs.o }}"}
"""


async def test_they_see_how_it_ended(engine: Engine) -> None:
    record = await running.run(engine, FLOW)
    assert (record.runs["seen"].outputs or {})["value"] == "SUCCESS x"
    record = await running.run(engine, FLOW, {"fails": True})
    assert (record.runs["seen"].outputs or {})["value"] == "FAILED x"
    assert record.execution.state is Status.FAILED


CALLED = """
id: called
namespace: n
tasks:
  - {id: main, type: core.debug.Return, format: "x"}
afterExecution:
  - {id: long, type: core.flow.Sleep, duration: PT1H}
"""
CALLER = """
id: caller
namespace: n
tasks:
  - {id: call, type: core.flow.Subflow, namespace: n, flowId: called}
"""


async def test_a_caller_waits_for_the_end_only(engine: Engine) -> None:
    await engine.control.save_flow(CALLED)
    record = await running.run(engine, CALLER)
    assert record.execution.state is Status.SUCCESS
    child = (record.runs["call"].outputs or {})["executionId"]
    await engine.control.kill(child)
    with anyio.fail_after(running.SECONDS):
        ended = await engine.control.wait(child, wholly=True)
    assert ended.state is Status.SUCCESS
    assert ended.finished


async def test_they_are_taken_up_after_a_process_died(tmp_path: Path) -> None:
    settings = Settings()
    async with open_engine(tmp_path, settings) as engine:
        execution = await running.start(engine, CALLED.replace("PT1H", "PT0.4S"))
        await running.until(engine, execution.id, "long", Status.RUNNING)
    async with open_engine(tmp_path, settings, recovers=True) as engine:
        record = await running.end(engine, execution.id)
    assert running.states(record) == {"main": "SUCCESS", "long": "SUCCESS"}
    assert [attempt.state for attempt in record.runs["long"].attempts] == [Status.KILLED, Status.SUCCESS]
