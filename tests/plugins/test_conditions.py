"""Conditions of listeners and triggers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.definition.collect import Collector
from engine.definition.conditions import read_condition
from engine.definition.document import read_yaml
from engine.plugin import Condition, Subject, installed
from engine.runtime.rendering.conditions import Sight, all_hold

SUBJECT = Subject("company.team", "child", "FAILED", {"env": "prod"}, {"n": 3}, (("FAILED", "SUCCESS"), ("SUCCESS",)))
FRIDAY = "2024-03-29T10:00:00+01:00"


def sight(date: str = FRIDAY, subject: Subject | None = SUBJECT) -> Sight:
    async def render(source: Any) -> Any:
        return str(source).replace("{{ trigger.date }}", date)

    return Sight("company.other", "mine", render, subject)


def condition(type: str, **properties: Any) -> Condition:
    raw = {"type": f"core.condition.{type}", **properties}
    collector = Collector(read_yaml(json.dumps(raw)), None)
    found = read_condition(raw, (), collector, installed())
    assert found is not None, collector.sorted()
    return found


DAY = {"type": "core.condition.DayWeek", "dayOfWeek": "FRIDAY"}
OTHER_DAY = {"type": "core.condition.DayWeek", "dayOfWeek": "MONDAY"}


@pytest.mark.parametrize(
    ("type", "properties", "expected"),
    [
        ("Expression", {"expression": "yes"}, True),
        ("Expression", {"expression": "false"}, False),
        ("Expression", {"expression": ""}, False),
        ("VariableCondition", {"expression": "x"}, True),
        ("Not", {"conditions": [OTHER_DAY]}, True),
        ("Not", {"conditions": [OTHER_DAY, DAY]}, False),
        ("Or", {"conditions": [OTHER_DAY, DAY]}, True),
        ("OrCondition", {"conditions": [OTHER_DAY]}, False),
        ("FlowCondition", {"namespace": "company.other", "flowId": "mine"}, True),
        ("FlowNamespaceCondition", {"namespace": "company", "prefix": True}, True),
        ("FlowNamespaceCondition", {"namespace": "company"}, False),
        ("ExecutionFlow", {"namespace": "company.team", "flowId": "child"}, True),
        ("ExecutionFlow", {"namespace": "company.team", "flowId": "other"}, False),
        ("ExecutionNamespace", {"namespace": "company.team"}, True),
        ("ExecutionNamespace", {"namespace": "company", "prefix": True}, True),
        ("ExecutionNamespace", {"namespace": "team", "comparison": "SUFFIX"}, True),
        ("ExecutionNamespace", {"namespace": "company", "comparison": "EQUALS", "prefix": True}, False),
        ("ExecutionLabels", {"labels": {"env": "prod"}}, True),
        ("ExecutionLabels", {"labels": [{"key": "env", "value": "dev"}]}, False),
        ("ExecutionStatus", {"in": ["FAILED"]}, True),
        ("ExecutionStatusCondition", {"notIn": ["FAILED"]}, False),
        ("ExecutionStatus", {}, True),
        ("HasRetryAttempt", {"in": ["FAILED"]}, True),
        ("HasRetryAttempt", {"in": ["KILLED"]}, False),
        ("ExecutionOutputs", {"expression": "x"}, True),
        ("ExecutionOutputs", {"expression": "false"}, False),
        ("DateTimeBetween", {"after": "2024-03-29T08:59:59Z", "before": "2024-03-29T09:00:01Z"}, True),
        ("DateTimeBetween", {"after": "2024-03-29T09:00:00Z"}, False),
        ("TimeBetween", {"after": "08:59:00Z", "before": "10:01:00+01:00"}, True),
        ("TimeBetween", {"before": "09:00:00Z"}, False),
        ("DayWeek", {"dayOfWeek": "FRIDAY"}, True),
        ("DayWeek", {"date": "2024-03-30", "dayOfWeek": "FRIDAY"}, False),
        ("DayWeekInMonth", {"dayOfWeek": "FRIDAY", "dayInMonth": "LAST"}, True),
        ("DayWeekInMonth", {"dayOfWeek": "FRIDAY", "dayInMonth": "FOURTH"}, False),
        ("DayWeekInMonth", {"date": "2024-03-22", "dayOfWeek": "FRIDAY", "dayInMonth": "FOURTH"}, True),
        ("Weekend", {"date": "2024-03-30"}, True),
        ("Weekend", {}, False),
        ("PublicHoliday", {"country": "DE"}, True),
        ("PublicHoliday", {"date": "2024-01-06", "country": "DE", "subDivision": "DE-BY"}, True),
        ("PublicHoliday", {"date": "2024-01-06", "country": "DE"}, False),
    ],
)
async def test_what_holds(type: str, properties: dict[str, Any], expected: bool) -> None:
    assert await condition(type, **properties).holds(sight()) is expected


async def test_outputs_that_are_not_there_are_not_looked_at() -> None:
    nothing = sight(subject=SUBJECT._replace(outputs=None))
    assert await condition("ExecutionOutputs", expression="x").holds(nothing) is False


@pytest.mark.parametrize(
    ("type", "properties", "reason"),
    [
        ("ExecutionStatus", {"in": ["FAILED"]}, "Invalid condition with null execution"),
        ("DateTimeBetween", {}, "Invalid condition with no before nor after"),
        ("Weekend", {"date": "soon"}, "'soon' is not a date"),
        ("PublicHoliday", {"country": "XX"}, "No holidays are known of 'XX'"),
    ],
)
async def test_what_can_not_be_told_counts_as_no(type: str, properties: dict[str, Any], reason: str) -> None:
    holds, said = await all_hold([condition(type, **properties)], sight(subject=None))
    assert not holds
    assert reason in str(said)
