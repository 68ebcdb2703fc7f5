"""Many writers at once: steps share transactions, and none pays for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import anyio
import msgspec
import pytest

from engine.errors import Conflict, NotFound, TidegateError
from engine.ids import ExecutionId
from engine.state.execution import Answer
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, Write
from support.steps import OWNER, START, Open, execution, step, version_of, whole

MANY = 120
VERSIONS = 5


async def outcomes(store: Store, steps: Sequence[Write]) -> list[Exception | None]:
    """Commit steps all at once; how each ended."""
    ends: list[Exception | None] = [None] * len(steps)

    async def commit(position: int, one: Write) -> None:
        try:
            await store.executions.commit(one)
        except Exception as error:
            ends[position] = error

    async with anyio.create_task_group() as tasks:
        for position, one in enumerate(steps):
            tasks.start_soon(commit, position, one)
    return ends


async def test_everybody_gets_through(store: Store) -> None:
    async def drive(id: str) -> None:
        for version in range(1, VERSIONS + 1):
            await store.executions.commit(step(id, version))

    async with anyio.create_task_group() as tasks:
        for number in range(MANY):
            tasks.start_soon(drive, f"e{number}")
    assert await store.executions.count(ExecutionFilter()) == MANY
    for number in range(0, MANY, 10):
        held = await store.executions.load(ExecutionId(f"e{number}"))
        assert version_of(held) == VERSIONS
        assert whole(held.record)
    assert len(await store.timers.due(OWNER, START + VERSIONS, MANY * 2)) == MANY


async def test_only_losers_of_a_group_lose(store: Store) -> None:
    for number in range(MANY):
        await store.executions.commit(step(f"e{number}"))
    late = set(range(0, MANY, 7))
    ends = await outcomes(store, [step(f"e{number}", 3 if number in late else 2) for number in range(MANY)])
    assert {position for position, end in enumerate(ends) if end is not None} == late
    assert all(isinstance(end, Conflict) for end in ends if end is not None)
    for number in range(MANY):
        held = await store.executions.load(ExecutionId(f"e{number}"))
        assert version_of(held) == (1 if number in late else 2)
        assert whole(held.record)


async def test_of_equal_steps_one_wins(store: Store) -> None:
    await store.executions.commit(step("one"))
    ends = await outcomes(store, [step("one", 2) for _ in range(20)] + [step("new") for _ in range(20)])
    assert [end for end in ends[:20] if end is None] == [None]
    assert [end for end in ends[20:] if end is None] == [None]
    assert sum(isinstance(end, Conflict) for end in ends) == 38


async def test_steps_of_one_execution_keep_their_order(store: Store) -> None:
    assert await outcomes(store, [step("one", version) for version in range(1, 30)]) == [None] * 29
    assert version_of(await store.executions.load(ExecutionId("one"))) == 29


@pytest.mark.parametrize(
    "guilty",
    [
        msgspec.structs.replace(step("guilty"), answers={"loop": Answer(value=object())}),
        Write(execution=msgspec.structs.replace(execution("guilty"), namespace=cast(Any, None)), owner=OWNER),
    ],
    ids=["can't be encoded", "can't be stored"],
)
async def test_only_the_guilty_step_fails(store: Store, guilty: Write) -> None:
    steps = [step(f"e{number}") for number in range(40)]
    ends = await outcomes(store, [*steps[:20], guilty, *steps[20:]])
    failed = ends.pop(20)
    assert failed is not None
    assert not isinstance(failed, TidegateError)
    assert ends == [None] * 40
    with pytest.raises(NotFound):
        await store.executions.load(ExecutionId("guilty"))
    assert await store.executions.count(ExecutionFilter()) == 40


async def test_who_leaves_harms_nobody(store: Store) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(store.executions.commit, step(f"left-{number}"))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await store.executions.commit(step("stayed"))
    assert whole((await store.executions.load(ExecutionId("stayed"))).record)
    for found in await store.executions.list(ExecutionFilter(limit=100)):
        assert whole((await store.executions.load(found.id)).record)


async def test_closing_finishes_what_was_asked(open_again: Open) -> None:
    async with anyio.create_task_group() as tasks, open_again() as store:
        for number in range(50):
            tasks.start_soon(store.executions.commit, step(f"e{number}"))
        await anyio.lowlevel.checkpoint()
    async with open_again() as store:
        assert await store.executions.count(ExecutionFilter()) == 50
