"""Flows through the real engine: states, outputs, log lines."""

from __future__ import annotations

import pytest

from engine.errors import InvalidFlow, InvalidInputs, NotFound, Refused
from engine.runtime.engine import Engine
from engine.state.status import Status
from support.running import messages, run, runs_of, start, states


async def test_outputs_reach_later_tasks_and_the_flow(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: greet
namespace: test
inputs:
  - id: who
    type: STRING
    defaults: world
variables:
  greeting: "hello {{ inputs.who }}"
tasks:
  - id: values
    type: core.output.OutputValues
    values: {text: "{{ render(vars.greeting) }}", number: 3}
  - id: say
    type: core.log.Log
    message: "{{ outputs.values.values.text }}!"
outputs:
  - id: said
    type: STRING
    value: "{{ outputs.values.values.text }}"
""",
        {"who": "tide"},
    )
    assert record.execution.state is Status.SUCCESS
    assert record.execution.outputs == {"said": "hello tide"}
    assert await messages(engine, record.execution.id, "say") == ["hello tide!"]


async def test_a_failure_runs_errors_and_finally_and_nothing_after(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: failing
namespace: test
tasks:
  - {id: bad, type: core.execution.Fail, errorMessage: no luck}
  - {id: never, type: core.log.Log, message: never}
errors:
  - {id: alert, type: core.log.Log, message: "alert"}
finally:
  - {id: tidy, type: core.log.Log, message: "tidy"}
""",
    )
    assert record.execution.state is Status.FAILED
    assert states(record) == {"bad": "FAILED", "alert": "SUCCESS", "tidy": "SUCCESS"}
    assert "no luck" in await messages(engine, record.execution.id, "bad", "ERROR")


async def test_blocks_end_to_end(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: blocks
namespace: test
tasks:
  - id: together
    type: core.flow.Parallel
    tasks:
      - {id: one, type: core.debug.Return, format: "1"}
      - {id: two, type: core.debug.Return, format: "2"}
  - id: choose
    type: core.flow.If
    condition: "{{ outputs.one.value == '1' }}"
    then:
      - {id: yes_, type: core.debug.Return, format: "yes"}
    else:
      - {id: no_, type: core.debug.Return, format: "no"}
  - id: way
    type: core.flow.Switch
    value: "{{ outputs.two.value }}"
    cases:
      "1": [{id: first, type: core.debug.Return, format: a}]
      "2": [{id: second, type: core.debug.Return, format: b}]
    defaults: [{id: other, type: core.debug.Return, format: c}]
  - id: order
    type: core.flow.Dag
    tasks:
      - task: {id: last, type: core.debug.Return, format: "{{ outputs.middle.value }}z"}
        dependsOn: [middle]
      - task: {id: middle, type: core.debug.Return, format: y}
  - id: lenient
    type: core.flow.AllowFailure
    tasks:
      - {id: breaks, type: core.execution.Fail}
""",
    )
    assert record.execution.state is Status.WARNING
    ran = states(record)
    assert ran["choose/yes_"] == "SUCCESS"
    assert "choose/no_" not in ran
    assert ran["way/second"] == "SUCCESS"
    assert runs_of(record, "last")[0].outputs == {"value": "yz"}
    assert ran["lenient"] == "WARNING"


async def test_loop_outputs_are_found_by_value_also_nested(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: loops
namespace: test
tasks:
  - id: outer
    type: core.flow.ForEach
    values: ["a", "b"]
    concurrencyLimit: 2
    tasks:
      - id: inner
        type: core.flow.ForEach
        values: [1, 2]
        tasks:
          - {id: leaf, type: core.debug.Return, format: "{{ parent.taskrun.value }}{{ taskrun.value }}"}
  - {id: look, type: core.debug.Return, format: "{{ outputs.leaf.b['2'].value }}"}
""",
    )
    assert record.execution.state is Status.SUCCESS
    assert runs_of(record, "look")[0].outputs == {"value": "b2"}
    assert len(runs_of(record, "leaf")) == 4


async def test_retries_go_on_until_success(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: retrying
namespace: test
tasks:
  - id: flaky
    type: core.execution.Fail
    condition: "{{ taskrun.attemptsCount < 2 }}"
    retry: {type: constant, interval: PT0.05S, maxAttempts: 5}
""",
    )
    flaky = runs_of(record, "flaky")[0]
    assert record.execution.state is Status.SUCCESS
    assert [attempt.state.value for attempt in flaky.attempts][-1] == "SUCCESS"
    assert len(flaky.attempts) > 1


async def test_a_timeout_fails_the_task(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: slow
namespace: test
tasks:
  - {id: sleep, type: core.flow.Sleep, duration: PT20S, timeout: PT0.1S}
""",
    )
    assert states(record) == {"sleep": "FAILED"}
    assert any("Timeout" in message for message in await messages(engine, record.execution.id, "sleep", "ERROR"))


async def test_run_if_skips_and_disabled_leaves_out(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: skipping
namespace: test
tasks:
  - {id: skipped, type: core.log.Log, message: no, runIf: "{{ 1 > 2 }}"}
  - {id: absent, type: core.log.Log, message: no, disabled: true}
  - {id: kept, type: core.log.Log, message: "yes", runIf: "{{ 1 < 2 }}"}
""",
    )
    assert states(record) == {"skipped": "SKIPPED", "kept": "SUCCESS"}


async def test_an_undefined_variable_fails_its_task_with_one_clear_line(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: undefined
namespace: test
tasks:
  - {id: wrong, type: core.log.Log, message: "{{ outputs.nothing.value }}"}
""",
    )
    assert record.execution.state is Status.FAILED
    (error,) = await messages(engine, record.execution.id, "wrong", "ERROR")
    assert "nothing" in error
    assert "Traceback" not in error


async def test_large_outputs_move_to_storage_and_still_read_as_values(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: large
namespace: test
tasks:
  - {id: big, type: core.debug.Return, format: "{% for i in range(0, 59999) %}0123456789{% endfor %}"}
  - {id: size, type: core.debug.Return, format: "{{ outputs.big.value | length }}"}
""",
    )
    assert runs_of(record, "size")[0].outputs == {"value": "600000"}
    stored = runs_of(record, "big")[0].outputs
    assert stored is not None
    assert len(str(stored)) < 1000


async def test_a_wrong_start_is_refused_with_a_reason(engine: Engine) -> None:
    flow = """
id: typed
namespace: test
inputs:
  - {id: count, type: INT}
tasks:
  - {id: say, type: core.log.Log, message: "{{ inputs.count }}"}
"""
    with pytest.raises(InvalidInputs, match="count"):
        await start(engine, flow)
    with pytest.raises(InvalidInputs, match="count"):
        await start(engine, flow, {"count": "three"})
    with pytest.raises(NotFound, match="missing"):
        await engine.control.create("test", "missing")
    with pytest.raises(Refused, match="disabled"):
        await start(engine, flow + "disabled: true\n", {"count": 1})
    with pytest.raises(InvalidFlow):
        await engine.control.save_flow("id: x\nnamespace: y\ntasks: []\n")
