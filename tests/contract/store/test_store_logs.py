"""Log lines and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import anyio

from engine.ids import ExecutionId
from engine.store.protocols import Store
from engine.store.rows import Evaluation, LogLine, Metric, Outcome
from support.steps import START, Open

DAY = 86_400_000
ONE = ExecutionId("one")
TWO = ExecutionId("two")


def line(
    message: str, at: int = START, execution: ExecutionId = ONE, level: str = "INFO", task: str = "say"
) -> LogLine:
    return LogLine(at, level, message, "shop", "flow", execution, task, f"run-of-{task}", 1)


def texts(found: Sequence[tuple[int, LogLine]]) -> list[str]:
    return [line.message for _, line in found]


async def test_lines_come_back_as_they_were(store: Store) -> None:
    lines = [line('a "quoted"\nline ü 🜁'), LogLine(START, "WARN", "", "shop", "flow", ONE)]
    await store.logs.append(lines)
    assert [found for _, found in await store.logs.lines(ONE)] == lines
    assert await store.logs.lines(TWO) == []


async def test_odd_characters_and_numbers_cost_nothing_else(store: Store) -> None:
    lines = [line("before"), line("zero \0 byte"), line("half \ud83d pair"), line("after")]
    metrics = [Metric(START, "gauge", "ratio", value, {}, "shop", "flow", ONE) for value in (float("nan"), 1.5)]
    await store.logs.append(lines, metrics)
    assert texts(await store.logs.lines(ONE)) == [
        "before",
        "zero \N{REPLACEMENT CHARACTER} byte",
        "half ? pair",
        "after",
    ]
    unknown, known = await store.logs.metrics(ONE)
    assert isnan(unknown.value)
    assert known.value == 1.5


async def test_a_follower_sees_each_line_once(store: Store) -> None:
    seen: list[str] = []
    position = 0
    for round in range(4):
        # The second half is of the next day, in another file.
        at = START + DAY * (round // 2)
        await store.logs.append([line(f"{round}-{number}", at) for number in range(5)])
        while found := await store.logs.lines(ONE, after=position, limit=3):
            seen += texts(found)
            position = found[-1][0]
    assert seen == [f"{round}-{number}" for round in range(4) for number in range(5)]


async def test_a_limit_spans_days(store: Store) -> None:
    await store.logs.append([line("old"), line("new", START + DAY), line("newer", START + DAY)])
    assert texts(await store.logs.lines(ONE, limit=2)) == ["old", "new"]


async def test_chooses_by_task_and_level(store: Store) -> None:
    await store.logs.append(
        [
            line("a"),
            line("b", level="ERROR"),
            line("c", task="other"),
            line("d", level="WARN"),
            line("x", execution=TWO),
        ]
    )
    assert texts(await store.logs.lines(ONE, task="say")) == ["a", "b", "d"]
    assert texts(await store.logs.lines(ONE, task_run="run-of-other")) == ["c"]
    assert texts(await store.logs.lines(ONE, levels=("WARN", "ERROR"))) == ["b", "d"]


async def test_metrics_come_back_as_they_were(store: Store) -> None:
    metrics = [
        Metric(START, "counter", "rows", 3.0, {"table": 'the "best"'}, "shop", "flow", ONE, "say", "run"),
        Metric(START + DAY, "timer", "wait", 0.25, {}, "shop", "flow", ONE),
    ]
    await store.logs.append([], metrics)
    assert await store.logs.metrics(ONE) == metrics
    assert await store.logs.metrics(ONE, task_run="run") == metrics[:1]
    assert await store.logs.metrics(TWO) == []


async def test_drops_days_that_are_over(store: Store) -> None:
    midnight = START // DAY * DAY
    await store.logs.append([line("old", midnight - 1), line("kept", midnight), line("new", midnight + DAY)])
    assert texts(await store.logs.lines(ONE)) == ["old", "kept", "new"]
    assert await store.logs.drop_before(midnight - 1) == 0
    assert await store.logs.drop_before(midnight + DAY - 1) == 1
    assert texts(await store.logs.lines(ONE)) == ["kept", "new"]


async def test_positions_grow_among_processes(store: Store, open_again: Open) -> None:
    async with open_again() as other, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon((store, other)[number % 2].logs.append, [line(f"{number}")] * 3)
    found = await store.logs.lines(ONE)
    positions = [position for position, _ in found]
    assert positions == sorted(set(positions))
    # What is appended together stays together.
    assert [texts(found[start : start + 3]) for start in range(0, 60, 3)] == [[text] * 3 for text in texts(found)[::3]]


async def test_thousands_of_lines_are_one_append(store: Store) -> None:
    await store.logs.append([line(f"{number}") for number in range(10_000)])
    last = (await store.logs.lines(ONE, limit=20_000))[-1]
    assert last[1].message == "9999"
    assert texts(await store.logs.lines(ONE, after=last[0] - 1)) == ["9999"]


async def test_looks_at_a_trigger_come_the_newest_first(store: Store) -> None:
    day = 86_400_000
    looks = [
        Evaluation(at, 3, "shop", "flow", trigger, Outcome.FIRED, None, at - 1, ExecutionId(f"e{at}"))
        for at, trigger in ((day, "tick"), (day + 1, "other"), (2 * day, "tick"), (2 * day + 5, "tick"))
    ]
    await store.logs.append((), (), looks)
    assert await store.logs.evaluations("shop", "flow", "tick", 10) == [looks[3], looks[2], looks[0]]
    assert await store.logs.evaluations("shop", "flow", "tick", 2) == [looks[3], looks[2]]
    assert await store.logs.evaluations("shop", "elsewhere", "tick", 2) == []
