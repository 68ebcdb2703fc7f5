"""Listeners: tasks that run after the end of an execution, where their conditions hold."""

from __future__ import annotations

import pytest

from engine.errors import InvalidFlow
from engine.runtime.engine import Engine
from engine.state.status import Status
from support import running

FLOW = """
id: heard
namespace: n
inputs: [{id: fails, type: BOOL, defaults: false}]
listeners:
  - conditions: [{type: core.condition.ExecutionStatus, in: [FAILED]}]
    tasks: [{id: failed, type: core.debug.Return, format: "{{ execution.state }}"}]
  - description: breaks
    tasks:
      - {id: breaks, type: core.execution.Fail}
      - {id: never, type: core.debug.Return, format: x}
  - conditions:
      - {type: core.condition.Expression, expression: "{{ not inputs.fails }}"}
      - {type: core.condition.ExecutionOutputsCondition, expression: "{{ trigger.outputs.o == 'x' }}"}
    tasks: [{id: succeeded, type: core.debug.Return, format: "{{ outputs.main.value }}"}]
  - conditions: [{type: core.condition.Expression, expression: "{{ nothing.there }}"}]
    tasks: [{id: unknown, type: core.debug.Return, format: x}]
tasks:
  - {id: main, type: core.debug.Return, format: x}
  - {id: fail, type: core.execution.Fail, runIf: "{{ inputs.fails }}"}
outputs: [{id: o, type: STRING, value: "{{ outputs.main.value }}"}]
afterExecution:
  - {id: last, type: core.debug.Return, format: x}
"""


async def test_those_whose_conditions_hold_run_after_the_end(engine: Engine) -> None:
    record = await running.run(engine, FLOW)
    ran = sorted(record.runs, key=lambda path: record.runs[path].order)
    assert ran == ["main", "fail", "breaks", "succeeded", "last"]
    assert record.execution.state is Status.SUCCESS
    assert record.execution.finished
    told = await running.messages(engine, record.execution.id, None, "WARN")
    assert any("The condition Expression can't be told" in text for text in told)


async def test_a_failed_execution_is_heard_by_others(engine: Engine) -> None:
    record = await running.run(engine, FLOW, {"fails": True})
    assert {"failed", "breaks", "last"} <= record.runs.keys()
    assert "succeeded" not in record.runs
    assert (record.runs["failed"].outputs or {})["value"] == "FAILED"


TASKS = "tasks: [{id: a, type: core.debug.Return}]"


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        (f"{{{TASKS}, conditions: [{{type: core.nix}}]}}", "conditions[0].type: Invalid type"),
        (f"{{{TASKS}, conditions: [{{type: core.log.Log}}]}}", "is not a condition"),
        (f"{{{TASKS}, conditions: [{{type: core.condition.DayWeek}}]}}", "'dayOfWeek' is required"),
        ("{tasks: []}", "listeners[0].tasks: must not be empty"),
    ],
)
async def test_mistakes_have_their_place(engine: Engine, listener: str, said: str) -> None:
    source = f"id: f\nnamespace: n\nlisteners:\n  - {listener}\ntasks: [{{id: t, type: core.debug.Return}}]\n"
    with pytest.raises(InvalidFlow) as refusal:
        await engine.control.save_flow(source)
    assert said in str(refusal.value)
