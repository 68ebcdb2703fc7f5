"""Cases about the windows of conditions that executions fulfil together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from conformance.bench import Bench
from engine.clock import to_datetime, to_millis
from engine.ids import ExecutionId
from engine.state.trigger import Window
from plugins.core.condition import MultipleCondition
from triggers.flow import Flow
from triggers.matching import waited_of
from triggers.rules import Rule, decide

NOW = datetime(2026, 3, 4, 10, 11, 12, tzinfo=UTC)
DAY = timedelta(days=1)

Run = Callable[[Bench], Awaitable[list[str]]]


def rule_of(bench: Bench, **changed: Any) -> Rule:
    """The rule of the condition of a case."""
    options = bench.case["start"]["condition_window"]
    conditions = {name: _condition(text) for name, text in options["conditions"].items()}
    raw = {"id": "multiple", "conditions": conditions, "timeWindow": {**options["timeWindow"], **changed}}
    condition = MultipleCondition.model_validate(raw)
    (waited,) = waited_of(Flow(), [condition], UTC)
    return waited.rule


def _condition(text: str) -> Any:
    from plugins.core.condition import ExecutionFlow

    namespace, _, flow = text.removeprefix("ExecutionFlow ").partition("/")
    return ExecutionFlow.model_validate({"namespace": namespace, "flowId": flow})


def take(rule: Rule, windows: Sequence[Window], met: Sequence[str], at: datetime) -> tuple[Window, ...]:
    """The windows after something happened."""
    return decide([rule], windows, {rule.id: met}, ExecutionId("x"), to_millis(at)).windows


def begin_and_end(window: Window) -> tuple[datetime, datetime]:
    """Both included, as the tables have them."""
    assert window.end is not None
    return to_datetime(window.start), to_datetime(window.end - 1)


def lies(start: datetime, end: datetime) -> Run:
    """A case about where a window lies."""

    async def run(bench: Bench) -> list[str]:
        (window,) = take(rule_of(bench), (), ["flow-a"], NOW)
        found = begin_and_end(window)
        return [] if found == (start, end) else [f"lies {found}, not {(start, end)}"]

    return run


async def hourly(bench: Bench) -> list[str]:
    """It begins with the hour, so many hours before."""
    (window,) = take(rule_of(bench), (), ["flow-a"], NOW)
    begin, end = begin_and_end(window)
    wanted = (NOW - timedelta(hours=4)).replace(minute=0, second=0)
    return [] if (begin, end.minute) == (wanted, 59) else [f"begins {begin}, not {wanted}"]


async def minutely(bench: Bench) -> list[str]:
    """It begins at certain minutes, whenever something happens."""
    expect = bench.case["expect"]["window"]
    problems = []
    for minute in range(60):
        (window,) = take(rule_of(bench), (), ["flow-a"], NOW.replace(minute=minute))
        begin, end = begin_and_end(window)
        if begin.minute not in expect["start_minute"]["one_of"] or end.minute not in expect["end_minute"]["one_of"]:
            problems.append(f"at {minute} it lies {begin}, {end}")
    return problems


def ends(after: float | None, **window: str) -> Run:
    """A case in which what happened is kept, and is gone so many seconds later, if ever."""

    async def run(bench: Bench) -> list[str]:
        rule = rule_of(bench, **window)
        begun = NOW.replace(second=0)
        before = take(rule, (), ["flow-a"], begun)
        problems = [] if list(before[0].met) == ["flow-a"] else [f"kept is {before}"]
        if take(rule, before, [], begun) != before:
            problems.append("it is over at once")
        if after is None:
            return problems
        later = begun + timedelta(seconds=after)
        if take(rule, before, [], later):
            problems.append(f"it isn't over after {after} s")
        anew = take(rule, before, ["flow-b"], later)
        if anew and (anew[0].start == before[0].start or "flow-a" in anew[0].met):
            problems.append(f"the next one is {anew}")
        return problems

    return run


MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)
TICK = timedelta(milliseconds=1)

BINDINGS: Mapping[str, Run] = {
    "flow-trigger-window-default": lies(MIDNIGHT, MIDNIGHT + DAY - TICK),
    "flow-trigger-window-daily": lies(MIDNIGHT, MIDNIGHT + DAY - TICK),
    "flow-trigger-window-daily-advance": lies(
        MIDNIGHT - timedelta(hours=4), MIDNIGHT + DAY - timedelta(hours=4) - TICK
    ),
    "flow-trigger-window-hourly": hourly,
    "flow-trigger-window-minutely": minutely,
    "flow-trigger-window-expiration": ends(1.005),
    "flow-trigger-window-expired-listing": ends(2.005),
    "flow-trigger-window-daily-time-deadline": ends(1.005, deadline=str(time(10, 11, 1))),
    "flow-trigger-window-daily-time-window": ends(None, startTime="10:11:00", endTime="10:16:00"),
}
