"""What expressions see of an execution."""

from __future__ import annotations

from engine.runtime.engine import Engine
from support.running import messages, run

FLOW = """
id: looking
namespace: test
%s
tasks:
  - {id: look, type: core.log.Log, message: "{{ inputs.name }}", allowFailure: true}
  - {id: fall_back, type: core.log.Log, message: "{{ inputs.name ?? 'nobody' }}"}
"""


async def test_an_execution_without_inputs_has_no_variable_of_that_name(engine: Engine) -> None:
    record = await run(engine, FLOW % "")
    assert record.execution.state == "WARNING"
    first, second = await messages(engine, record.execution.id)
    assert "Unable to find `inputs` used in the expression `{{ inputs.name }}`" in first
    assert second == "nobody"


async def test_inputs_that_are_declared_are_seen(engine: Engine) -> None:
    record = await run(engine, FLOW % "inputs: [{id: name, type: STRING}]", {"name": "me"})
    assert await messages(engine, record.execution.id) == ["me", "me"]
