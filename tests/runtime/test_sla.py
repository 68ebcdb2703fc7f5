"""SLAs and checks of flows, through the real engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import Blocked
from engine.runtime.engine import Engine
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import end, messages, run, start, states

SLEEP = {"id": "sleep", "type": "core.flow.Sleep", "duration": "PT20S"}
RETURN = {"id": "return", "type": "core.debug.Return", "format": "true"}


def flow(*tasks: dict[str, Any], id: str = "watched", **properties: Any) -> str:
    return json.dumps({"id": id, "namespace": "shop", "tasks": list(tasks), **properties})


def sla(behavior: str, **properties: Any) -> dict[str, Any]:
    return {
        "id": "limit",
        "type": "MAX_DURATION" if "duration" in properties else "EXECUTION_ASSERTION",
        "behavior": behavior,
        "labels": {"sla": "violated"},
        **properties,
    }


def labels(execution: Any) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels}


@pytest.mark.parametrize(("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED")])
async def test_an_execution_that_takes_too_long_is_ended(engine: Engine, behavior: str, state: str) -> None:
    record = await run(engine, flow(SLEEP, sla=[sla(behavior, duration="PT0.1S")]))
    assert record.execution.state == state
    assert states(record) == {"sleep": state}
    assert labels(record.execution)["sla"] == "violated"
    (line,) = await messages(engine, record.execution.id, None, "ERROR", "WARN")
    word = {"FAIL": "failed", "CANCEL": "cancelled"}[behavior]
    assert line.startswith(f"Execution {word} due to SLA 'limit' violated: execution duration of PT0.")
    assert line.endswith("S exceed the maximum duration of PT0.1S.")
    assert await engine.store.timers.due(engine.node.id, 2**62, 10) == []


async def test_one_that_only_labels_lets_the_execution_go_on(engine: Engine) -> None:
    sleep = {**SLEEP, "duration": "PT0.3S"}
    record = await run(engine, flow(sleep, sla=[sla("NONE", duration="PT0.1S"), sla("FAIL", duration="PT10S")]))
    assert record.execution.state is Status.SUCCESS
    assert labels(record.execution)["sla"] == "violated"
    assert await engine.store.timers.due(engine.node.id, 2**62, 10) == []


async def test_an_assertion_is_looked_at_when_the_execution_changes(engine: Engine) -> None:
    says = {"id": "says", "type": "core.output.OutputValues", "values": {"good": "no"}}
    watched = flow(says, SLEEP, sla=[sla("FAIL", **{"assert": "{{ outputs.says.values.good == 'yes' }}"})])
    record = await run(engine, watched)
    assert record.execution.state is Status.FAILED
    assert states(record)["says"] == "SUCCESS"
    reason = "assertion is false: {{ outputs.says.values.good == 'yes' }}."
    assert await messages(engine, record.execution.id, None, "ERROR") == [
        f"Execution failed due to SLA 'limit' violated: {reason}"
    ]
    # Before the task has run nobody can tell, which is said once.
    assert len(await messages(engine, record.execution.id, None, "WARN")) == 1


async def test_a_subflow_is_left_alone(engine: Engine) -> None:
    await engine.control.save_flow(flow({**SLEEP, "duration": "PT0.5S"}, id="child"))
    call = {"id": "call", "type": "core.flow.Subflow", "namespace": "shop", "flowId": "child"}
    record = await run(engine, flow(call, sla=[sla("FAIL", duration="PT0.2S")]))
    assert states(record) == {"call": "FAILED"}
    assert record.execution.state is Status.FAILED
    (child,) = await engine.store.executions.list(ExecutionFilter(flow="child"))
    assert not child.state.terminal
    assert (await end(engine, child.id)).execution.state is Status.SUCCESS


async def test_a_queued_execution_keeps_its_deadline(engine: Engine) -> None:
    limited = {"concurrency": {"limit": 1}, "sla": [sla("CANCEL", duration="PT0.2S")]}
    pause = {"id": "pause", "type": "core.flow.Pause"}
    first = await start(engine, flow(pause, **limited))
    second = await engine.control.create("shop", "watched")
    assert (await end(engine, second.id)).execution.state is Status.CANCELLED
    assert (await end(engine, first.id)).execution.state is Status.CANCELLED
    await engine.slots.check()
    assert engine.slots.repaired == 0


async def test_a_restart_has_the_whole_time_again(engine: Engine) -> None:
    record = await run(engine, flow({**SLEEP, "duration": "PT0.3S"}, sla=[sla("FAIL", duration="PT0.2S")]))
    await engine.control.restart(record.execution.id)
    record = await end(engine, record.execution.id)
    assert record.execution.state is Status.FAILED
    assert len(record.runs["sleep"].attempts) == 2


def check(condition: str, behavior: str | None = None, message: str = "no") -> dict[str, Any]:
    return {"condition": condition, "message": message, **({"behavior": behavior} if behavior else {})}


async def test_a_check_blocks_the_execution(engine: Engine) -> None:
    checks = [
        check("{{ inputs.n > 3 }}", message="{{ inputs.n }} is too small"),
        check("{{ false }}", "FAIL_EXECUTION"),
        check("{{ true }}"),
    ]
    source = flow(RETURN, checks=checks, inputs=[{"id": "n", "type": "INT", "defaults": 2}])
    with pytest.raises(Blocked) as raised:
        await start(engine, source)
    assert str(raised.value) == "2 is too small"
    assert [one.message for one in raised.value.checked.unmet] == ["2 is too small", "no"]
    assert await engine.store.executions.count(ExecutionFilter()) == 0


async def test_a_check_fails_the_execution(engine: Engine) -> None:
    source = flow(RETURN, checks=[check("{{ false }}", "FAIL_EXECUTION"), check("{{ false }}", "CREATE_EXECUTION")])
    record = await run(engine, source)
    assert [change.state.value for change in record.execution.history] == ["CREATED", "FAILED"]
    assert record.runs == {}
    assert await messages(engine, record.execution.id, None, "ERROR") == ["no"]


async def test_a_check_may_only_say_something(engine: Engine) -> None:
    record = await run(engine, flow(RETURN, checks=[check("{{ false }}", "CREATE_EXECUTION"), check("{{ 1 == 1 }}")]))
    assert record.execution.state is Status.SUCCESS


async def test_a_check_that_can_not_be_rendered_blocks(engine: Engine) -> None:
    with pytest.raises(Blocked, match="Failed to evaluate check condition"):
        await start(engine, flow(RETURN, checks=[check("{{ nothing.here }}", "CREATE_EXECUTION")]))


async def test_checks_of_a_subflow_fail_the_task(engine: Engine) -> None:
    await engine.control.save_flow(flow(RETURN, id="child", checks=[check("{{ false }}")]))
    call = {"id": "call", "type": "core.flow.Subflow", "namespace": "shop", "flowId": "child"}
    record = await run(engine, flow(call))
    assert record.execution.state is Status.FAILED
    assert "The checks of flow 'shop'.'child' do not hold: no" in str(record.runs["call"].attempts[-1].error)
