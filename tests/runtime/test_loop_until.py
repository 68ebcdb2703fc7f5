"""LoopUntil through the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidFlow
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import end, messages, run, runs_of, start, states, until


def flow(condition: str, often: str = "{interval: PT0.01S}", more: str = "") -> str:
    return f"""
id: again
namespace: test
inputs: [{{id: most, type: INT, defaults: 2}}]
tasks:
  - id: loop
    type: core.flow.LoopUntil
    condition: "{condition}"
    checkFrequency: {often}
    {more}
    tasks:
      - id: look
        type: core.output.OutputValues
        values: {{pass: "{{{{ taskrun.iteration }}}}", count: "{{{{ outputs.loop.iterationCount }}}}"}}
  - {{id: after, type: core.debug.Return, format: "{{{{ outputs.look.values.count }}}}"}}
"""


async def test_it_repeats_until_the_condition_holds(engine: Engine) -> None:
    record = await run(engine, flow("{{ outputs.look.values.count == 3 }}"))
    assert states(record) == {"loop": "SUCCESS", "loop/look": "SUCCESS", "after": "SUCCESS"}
    assert record.runs["loop"].outputs == {"iterationCount": 3}
    assert record.runs["loop"].iteration == 2
    assert record.runs["loop/look"].outputs == {"values": {"pass": 2, "count": 3}}
    assert record.runs["after"].outputs == {"value": "3"}


async def test_limits_may_be_expressions(engine: Engine) -> None:
    often = "{interval: '{{ \\\"PT0.01S\\\" }}', maxIterations: '{{ inputs.most }}'}".replace('\\"', '"')
    record = await run(engine, flow("false", often, "failOnMaxReached: '{{ true }}'"))
    assert record.execution.state is Status.FAILED
    assert record.runs["loop"].outputs == {"iterationCount": 3}
    assert record.runs["loop/look"].outputs == {"values": {"pass": 1, "count": 2}}
    assert await messages(engine, record.execution.id, "loop") == ["Max iterations reached"]


@pytest.mark.parametrize(
    ("often", "text"),
    [
        ("{interval: soon}", "soon"),
        ("{maxIterations: many}", "must be a whole number from 0, but is 'many'"),
        ("{every: PT1S}", "every"),
    ],
)
async def test_mistakes_are_told_before_it_runs(engine: Engine, often: str, text: str) -> None:
    with pytest.raises(InvalidFlow, match=text):
        await engine.control.save_flow(flow("true", often))


async def test_a_limit_that_is_none_fails_it(engine: Engine) -> None:
    record = await run(engine, flow("true", "{maxIterations: '{{ inputs.most }} times'}"))
    assert record.execution.state is Status.FAILED
    assert record.runs["loop"].error == "LoopUntil: maxIterations must be a whole number, but is '2 times'"


async def test_somebody_resumes_it_before_its_time(engine: Engine) -> None:
    execution = await start(engine, flow("{{ outputs.loop.iterationCount == 2 }}", "{interval: PT1H}"))
    await until(engine, execution.id, "loop", Status.PAUSED)
    assert not engine.driver.drives(execution.id), "a loop that waits is rows only"
    await engine.control.resume(execution.id)
    assert (await end(engine, execution.id)).execution.state is Status.SUCCESS


async def test_a_kill_ends_the_wait(engine: Engine) -> None:
    execution = await start(engine, flow("false", "{interval: PT1H}"))
    await until(engine, execution.id, "loop", Status.PAUSED)
    await engine.control.kill(execution.id)
    assert states(await end(engine, execution.id)) == {"loop": "KILLED", "loop/look": "SUCCESS"}


async def test_another_process_goes_on_with_it(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", Settings()) as first:
        execution = await start(first, flow("{{ outputs.loop.iterationCount == 3 }}", "{interval: PT0.3S}"))
        await until(first, execution.id, "loop", Status.PAUSED)
    async with open_engine(tmp_path / "data", Settings(), recovers=True) as second:
        record = await end(second, execution.id)
        assert record.execution.state is Status.SUCCESS
        assert len(runs_of(record, "look")) == 1
        assert record.runs["loop"].outputs == {"iterationCount": 3}
