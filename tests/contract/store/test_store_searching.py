"""Log lines and metrics of all executions, found over days."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from engine.errors import LimitError
from engine.ids import ExecutionId
from engine.store.conditions import Condition, Group, Op, bounds
from engine.store.days import MILLISECONDS
from engine.store.found import Bucket, LogSearch, MetricFilter
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, LogLine, Metric, Write
from support.steps import OWNER, START, execution

DAYS = 3
ENDLESS = r"^(a|a|aa)+$(?<!a)"
"""A pattern that takes for ever to find nothing in a row of that letter."""


def line(number: int, day: int, message: str = "said", namespace: str = "shop") -> LogLine:
    at = START + day * MILLISECONDS + number
    return LogLine(at, "INFO", f"{message} {number}", namespace, "flow", ExecutionId("one"), "task", "run", 1)


@pytest.fixture
async def lines(store: Store) -> list[LogLine]:
    """Ten lines a day, the oldest first."""
    made = [line(number, day) for day in range(DAYS) for number in range(10)]
    await store.logs.append(made)
    return made


def words(text: str) -> Condition:
    return Condition("words", Op.EQUALS, (text,))


async def test_lines_are_found_over_days_in_pages(store: Store, lines: list[LogLine]) -> None:
    newest = lines[::-1]
    for ascending, order in ((False, newest), (True, lines)):
        found: list[LogLine] = []
        for offset in range(0, 35, 7):
            page = await store.logs.search(LogSearch(limit=7, offset=offset, ascending=ascending), 1000)
            found += page.lines
            assert (page.total, page.exact) == (30, True)
        assert found == order


async def test_lines_are_found_by_conditions(store: Store, lines: list[LogLine]) -> None:
    await store.logs.append([line(99, 0, "SAID otherwise", "lab")])

    async def found(where: Condition | Group | None = None, visible: tuple[str, ...] | None = None) -> list[str]:
        return [it.message for it in (await store.logs.search(LogSearch(where=where, visible=visible), 100)).lines]

    assert await found(words("OTHER")) == ["SAID otherwise 99"]
    assert await found(Condition("namespace", Op.NOT_EQUALS, ("shop",))) == ["SAID otherwise 99"]
    assert await found(visible=("lab",)) == ["SAID otherwise 99"]
    assert await found(visible=()) == []
    assert await found(Condition("trigger", Op.EQUALS, ("x",))) == []
    last_day = Condition("at", Op.GREATER_THAN, (START + 2 * MILLISECONDS + 7,))
    assert await found(last_day) == ["said 9", "said 8"]


async def test_what_is_counted_ends_somewhere(store: Store, lines: list[LogLine]) -> None:
    page = await store.logs.search(LogSearch(limit=5), 12)
    assert (len(page.lines), page.total, page.exact) == (5, 12, False)
    page = await store.logs.search(LogSearch(limit=30), 12)
    assert (len(page.lines), page.total, page.exact) == (30, 12, False)


async def test_a_search_without_end_is_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.searching.SEARCH_SECONDS", 0.2)
    await store.logs.append([msgspec.structs.replace(line(1, 0), flow="a" * 40)])
    page = await store.logs.search(LogSearch(where=Condition("flow", Op.REGEX, (ENDLESS,))), 100)
    assert (page.lines, page.total, page.exact) == ([], 0, False)


async def test_a_list_of_executions_without_end_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.repositories.LIST_SECONDS", 0.2)
    await store.executions.commit(Write(execution=execution("e", flow="a" * 40), owner=OWNER))
    endless = ExecutionFilter(where=Condition("flow", Op.REGEX, (ENDLESS,)))
    with pytest.raises(LimitError, match="name a namespace, a flow or a time range"):
        await store.executions.list(endless)


def metric(at: int, value: float, name: str = "rows", task: str | None = "task") -> Metric:
    return Metric(at, "counter", name, value, {}, "shop", "flow", ExecutionId("one"), task)


async def test_metrics_are_put_together_by_spans_of_time(store: Store) -> None:
    first = START - START % MILLISECONDS
    values = [metric(first, 1), metric(first + 10, 3), metric(first + MILLISECONDS, 5)]
    values += [metric(first, float("nan")), metric(first, 100, "other", None)]
    await store.logs.append([], values)
    await store.logs.append([], [metric(first + 20, 2)])
    where = MetricFilter("shop", "flow", name="rows")
    assert await store.logs.metric_names(MetricFilter("shop", "flow")) == ["other", "rows"]
    assert await store.logs.metric_tasks(MetricFilter("shop", "flow")) == ["task"]
    assert await store.logs.metric_names(MetricFilter("shop", "nix")) == []
    assert await store.logs.metric_buckets(where, MILLISECONDS) == [
        Bucket(first, 3, 6, 1, 3),
        Bucket(first + MILLISECONDS, 1, 5, 5, 5),
    ]
    until = MetricFilter("shop", "flow", name="rows", since=first + 5, until=first + MILLISECONDS)
    assert await store.logs.metric_buckets(until, 1 << 40) == [Bucket(first - first % (1 << 40), 2, 5, 2, 3)]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Condition("at", Op.GREATER_THAN, (5,)), (5, inf)),
        (Condition("at", Op.EQUALS, (5,)), (5, 5)),
        (Condition("at", Op.NOT_EQUALS, (5,)), (-inf, inf)),
        (Condition("other", Op.LESS_THAN, (5,)), (-inf, inf)),
        (Group(()), (-inf, inf)),
        (Group((Condition("at", Op.GREATER_THAN, (5,)), Condition("at", Op.LESS_THAN, (9,)))), (5, 9)),
        (Group((Condition("at", Op.EQUALS, (5,)), Condition("at", Op.EQUALS, (9,))), any=True), (5, 9)),
        (Group((Condition("at", Op.EQUALS, (5,)), Condition("other", Op.EQUALS, (9,))), any=True), (-inf, inf)),
    ],
)
def test_conditions_say_between_what_a_number_lies(node: Condition | Group, expected: tuple[float, float]) -> None:
    assert bounds(node, "at") == expected
