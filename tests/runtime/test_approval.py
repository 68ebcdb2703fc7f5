"""Approval through the real engine: decided by people, too late, taken over by another process."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidFlow, InvalidInputs, Refused
from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import end, run, start, states, until

ASKS = """
id: asks
namespace: test
tasks:
  - id: ask
    type: core.flow.Approval
    commentRequired: "{{ 'ON_DENY' }}"
    timeout: PT1H
    inputs:
      - {id: amount, type: INT, defaults: 2}
      - {id: reason, type: STRING, required: false}
    onWait: [{id: tell, type: core.debug.Return, format: "{{ outputs.ask.url }}"}]
    onApprove: [{id: "yes", type: core.debug.Return, format: "{{ outputs.ask.inputs.amount + 1 }}"}]
    onDeny: [{id: "no", type: core.debug.Return, format: "{{ outputs.ask.comment }}"}]
  - {id: after, type: core.debug.Return, format: "{{ outputs.ask.decision }}"}
"""


def timed(**properties: str) -> str:
    lines = "".join(f"    {name}: {value}\n" for name, value in properties.items())
    return f"""
id: timed
namespace: test
inputs: [{{id: wait, type: DURATION, defaults: PT0.05S}}]
tasks:
  - id: ask
    type: core.flow.Approval
{lines}
  - {{id: after, type: core.debug.Return, format: x}}
"""


async def asking(engine: Engine, source: str) -> ExecutionId:
    execution = await start(engine, source)
    await until(engine, execution.id, "ask", Status.PAUSED)
    return execution.id


async def test_it_goes_on_as_it_was_decided(engine: Engine) -> None:
    id = await asking(engine, ASKS)
    assert not engine.driver.drives(id), "a waiting execution is rows only"
    with pytest.raises(Refused, match="approve or deny: ask"):
        await engine.control.resume(id)
    with pytest.raises(InvalidInputs, match="amount"):
        await engine.control.review(id, "APPROVED", inputs={"amount": "many"})
    await engine.control.review(id, "APPROVED", inputs={"amount": "4"}, by="anna")
    record = await end(engine, id)
    assert states(record) == {"ask": "SUCCESS", "ask/tell": "SUCCESS", "ask/yes": "SUCCESS", "after": "SUCCESS"}
    values = {path: (run.outputs or {}).get("value") for path, run in record.runs.items()}
    assert values["ask/tell"] == f"/ui/main/executions/test/asks/{id}"
    assert (values["ask/yes"], values["after"]) == ("5", "APPROVED")
    seen = record.runs["ask"].outputs or {}
    assert (seen["by"], seen["auto"], seen["comment"]) == ("anna", False, None)
    assert seen["due"] is not None
    with pytest.raises(Refused, match="doesn't wait"):
        await engine.control.review(id, "APPROVED")


async def test_a_denial_may_need_a_comment(engine: Engine) -> None:
    id = await asking(engine, ASKS)
    with pytest.raises(Refused, match="without a comment"):
        await engine.control.review(id, "DENIED", task_run="ask")
    await engine.control.review(id, "DENIED", task_run="ask", comment="too much")
    record = await end(engine, id)
    assert (record.execution.state, record.runs["ask"].state) == (Status.CANCELLED, Status.CANCELLED)
    assert record.runs["ask/no"].outputs == {"value": "too much"}


@pytest.mark.parametrize(
    ("properties", "state", "seen"),
    [
        ({"timeout": "'{{ inputs.wait }}'"}, "CANCELLED", {"ask": "CANCELLED"}),
        ({"timeout": "PT0.05S", "expireBehavior": "WARN"}, "WARNING", {"ask": "WARNING", "after": "SUCCESS"}),
        ({"timeout": "PT0.05S", "expireBehavior": "SUCCEED"}, "SUCCESS", {"ask": "SUCCESS"}),
        ({"autoApprove": "\"{{ flow.id == 'timed' }}\""}, "SUCCESS", {"ask": "SUCCESS", "after": "SUCCESS"}),
        ({"autoApprove": "true", "approveBehavior": "KILL"}, "KILLED", {"ask": "KILLED"}),
        ({"denyBehavior": "\"{{ 'GO' }}\""}, "FAILED", {"ask": "FAILED"}),
    ],
)
async def test_without_anybody(engine: Engine, properties: dict[str, str], state: str, seen: dict[str, str]) -> None:
    record = await run(engine, timed(**properties))
    assert record.execution.state == state
    assert states(record) == seen


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"denyBehavior": "GO"}, "CONTINUE"),
        ({"commentRequired": "SOMETIMES"}, "ON_DENY"),
        ({"timeout": "soon"}, "timeout"),
        ({"inputs": "[{id: x, type: TEXT}]"}, "inputs"),
        ({"decisions": "{maybe: x}"}, "maybe"),
    ],
)
async def test_a_wrong_one_is_refused(engine: Engine, properties: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidFlow, match=said):
        await engine.control.save_flow(timed(**properties))


async def test_kill_and_restart_of_one_that_waits(engine: Engine) -> None:
    id = await asking(engine, timed())
    with pytest.raises(Refused, match="No task found"):
        await engine.control.restart(id)
    await engine.control.kill(id)
    assert states(await end(engine, id)) == {"ask": "KILLED"}
    await engine.control.restart(id)
    await until(engine, id, "ask", Status.PAUSED)
    await engine.control.review(id, "APPROVED")
    assert states(await end(engine, id)) == {"ask": "SUCCESS", "after": "SUCCESS"}


async def test_what_waits_outlives_its_process(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", Settings()) as first:
        manual = await asking(first, ASKS)
        late = await asking(first, timed(timeout="PT0.5S"))
    async with open_engine(tmp_path / "data", Settings()) as second:
        await second.control.review(manual, "APPROVED")
        assert (await end(second, manual)).execution.state is Status.SUCCESS
        await second.nodes.recover()
        assert (await end(second, late)).execution.state is Status.CANCELLED
