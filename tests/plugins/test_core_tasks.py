"""The small core tasks: debug, log, output, execution, sleep."""

from __future__ import annotations

import pytest

from engine.errors import InvalidFlow
from engine.plugin.testing import run_task
from plugins.core.debug import Echo, Return
from plugins.core.execution import Fail
from plugins.core.flow import Sleep
from plugins.core.log import Log
from plugins.core.output import OutputValues


async def test_return_gives_what_an_expression_renders_to() -> None:
    ran = await run_task(Return, {"format": "{{ vars.name }}!"}, variables={"name": "tide"})
    assert ran.state == "SUCCESS"
    assert ran.outputs == {"value": "tide!"}
    assert [(line.level, line.message) for line in ran.logs] == [("DEBUG", "tide!")]
    assert {metric.name: metric.type for metric in ran.metrics} == {"length": "counter", "duration": "timer"}
    assert next(metric.value for metric in ran.metrics if metric.name == "length") == 5


async def test_return_without_a_format_gives_nothing() -> None:
    ran = await run_task(Return)
    assert (ran.state, ran.outputs, ran.logs) == ("SUCCESS", {"value": None}, ())


async def test_echo_logs_at_its_level() -> None:
    ran = await run_task(Echo, {"format": "careful", "level": "WARN"})
    assert [(line.level, line.message) for line in ran.logs] == [("WARN", "careful")]
    assert ran.outputs == {}


async def test_log_writes_a_line_for_each_message() -> None:
    ran = await run_task(
        Log,
        {"message": ["one", "{{ vars.two }}"], "level": "{{ vars.level }}"},
        variables={"two": "zwei", "level": "ERROR"},
    )
    assert [(line.level, line.message) for line in ran.logs] == [("ERROR", "one"), ("ERROR", "zwei")]


async def test_an_instance_runs_as_it_was_made() -> None:
    ran = await run_task(Log(message="made", level="DEBUG"))
    assert [(line.level, line.message) for line in ran.logs] == [("DEBUG", "made")]


async def test_a_wrong_level_is_refused_before_anything_runs() -> None:
    with pytest.raises(InvalidFlow, match="level"):
        await run_task(Log, {"message": "x", "level": "LOUD"})


async def test_output_values_keep_their_shape() -> None:
    ran = await run_task(
        OutputValues,
        {"values": {"text": "{{ vars.x }}", "number": 3, "deep": {"list": ["{{ vars.x }}", True]}}},
        variables={"x": "1"},
    )
    assert ran.outputs == {"values": {"text": "1", "number": 3, "deep": {"list": ["1", True]}}}


async def test_an_output_value_that_is_one_expression_keeps_its_type() -> None:
    values = {"number": "{{ vars.n }}", "deep": ["{{ vars.list }}"], "text": "n is {{ vars.n }}"}
    ran = await run_task(OutputValues, {"values": values}, variables={"n": 3, "list": [1, "a"]})
    assert ran.outputs == {"values": {"number": 3, "deep": [[1, "a"]], "text": "n is 3"}}
    assert (await run_task(OutputValues, {"values": "text"})).state == "FAILED"


async def test_fail_fails_with_its_message() -> None:
    ran = await run_task(Fail, {"errorMessage": "no luck with {{ vars.what }}"}, variables={"what": "this"})
    assert ran.state == "FAILED"
    assert ran.messages == ["no luck with this"]
    assert (await run_task(Fail)).messages == ["Task failure"]


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("{{ vars.n > 2 }}", "FAILED"),
        ("{{ vars.n > 3 }}", "SUCCESS"),
        ("", "SUCCESS"),
        ("0", "SUCCESS"),
        ("no", "FAILED"),
    ],
)
async def test_fail_on_a_condition(condition: str, state: str) -> None:
    ran = await run_task(Fail, {"condition": condition, "errorMessage": "too many"}, variables={"n": 3})
    assert ran.state == state
    assert ran.messages == (["too many", "Fail on a condition"] if state == "FAILED" else [])


async def test_sleep_says_how_long_and_waits() -> None:
    ran = await run_task(Sleep, {"duration": "PT0.05S"})
    assert ran.state == "SUCCESS"
    assert ran.messages == ["Waiting for PT0.05S"]
    with pytest.raises(InvalidFlow, match="duration"):
        await run_task(Sleep, {"duration": "soon"})
