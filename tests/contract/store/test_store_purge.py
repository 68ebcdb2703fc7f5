"""Finding what is old, and removing what was said of it."""

from __future__ import annotations

import msgspec
import pytest

from engine.ids import ExecutionId
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, LogFilter, LogLine, Metric
from support.steps import START, execution, step

DAY = 86_400_000
ONE = ExecutionId("one")
TWO = ExecutionId("two")


def line(message: str, at: int = START, execution: ExecutionId = ONE, level: str = "INFO", of: str = "a.b") -> LogLine:
    return LogLine(at, level, message, of, "flow", execution)


async def texts(store: Store, *executions: ExecutionId) -> list[str]:
    return [found.message for id in executions or (ONE,) for _, found in await store.logs.lines(id)]


async def test_executions_are_found_below_a_namespace_and_in_a_time(store: Store) -> None:
    for number, namespace in enumerate(("a", "a.b", "ab", "a-b", "a.b.c")):
        made = msgspec.structs.replace(execution(f"e{number}", created=START + number), namespace=namespace)
        await store.executions.commit(msgspec.structs.replace(step(f"e{number}"), execution=made))

    async def found(**fields: object) -> list[str]:
        listed = await store.executions.list(ExecutionFilter(**fields))  # type: ignore[arg-type]
        return sorted(execution.namespace for execution in listed)

    assert await found(below="a") == ["a", "a.b", "a.b.c"]
    assert await found(below="a.b") == ["a.b", "a.b.c"]
    assert await found(since=START + 1, until=START + 3) == ["a.b", "ab"]
    assert await store.executions.count(ExecutionFilter(below="a", until=START + 4)) == 2


@pytest.mark.parametrize(
    ("where", "left"),
    [
        (LogFilter(executions=(ONE,)), ["two"]),
        (LogFilter(below="a"), []),
        (LogFilter(namespace="a"), ["old", "bad", "new", "two"]),
        (LogFilter(namespace="a.b", flow="flow"), ["two"]),
        (LogFilter(flow="other"), ["old", "bad", "new", "two"]),
        (LogFilter(levels=("ERROR", "WARN")), ["old", "new", "two"]),
        (LogFilter(until=START + DAY), ["new"]),
        (LogFilter(since=START + DAY), ["old", "bad", "two"]),
        (LogFilter(since=START + 1, until=START + DAY), ["old", "new", "two"]),
    ],
)
async def test_lines_are_removed_by_what_is_known_of_them(store: Store, where: LogFilter, left: list[str]) -> None:
    lines = [line("old"), line("bad", START + 1, level="ERROR"), line("new", START + DAY), line("two", of="a.c")]
    await store.logs.append([*lines[:3], msgspec.structs.replace(lines[3], execution=TWO)])
    assert await store.logs.remove_lines(where) == 4 - len(left)
    assert await texts(store, ONE, TWO) == left


async def test_metrics_are_removed_apart_from_lines(store: Store) -> None:
    metrics = [
        Metric(START + number * DAY, "counter", "rows", 1.0, {}, "a.b", "flow", id)
        for number, id in enumerate((ONE, ONE, TWO))
    ]
    await store.logs.append([line("kept")], metrics)
    assert await store.logs.remove_metrics(LogFilter(executions=(ONE,))) == 2
    assert await store.logs.metrics(ONE) == []
    assert await store.logs.metrics(TWO) == metrics[2:]
    assert await texts(store) == ["kept"]
