"""Executions: steps in, records out."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import Conflict, NotFound
from engine.ids import ExecutionId
from engine.state.execution import Answer
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, Write
from support.steps import OWNER, START, execution, step, task_run, version_of, whole

ONE = ExecutionId("one")


async def test_what_was_written_is_read_again(store: Store) -> None:
    written = step("one", text='"quotes", \\ back, \x00 zero, \n line, ü, 🜁')
    await store.executions.commit(written)
    held = await store.executions.load(ONE)
    assert held.owner == OWNER
    assert held.record.execution == written.execution
    assert tuple(held.record.runs.values()) == written.changed
    assert held.record.answers == written.answers


async def test_numbers_keep_their_digits(store: Store) -> None:
    values = [2**63, -(2**70), 0.1, 1e308, 12345678901234567890.5, True, None]
    await store.executions.commit(msgspec.structs.replace(step("one"), answers={"loop": Answer(value=values)}))
    read = (await store.executions.load(ONE)).record.answers["loop"].value
    assert read == [float(value) if isinstance(value, int) and abs(value) >= 2**64 else value for value in values]


async def test_a_deep_value_is_kept(store: Store) -> None:
    value: object = "bottom"
    for _ in range(400):
        value = [value]
    await store.executions.commit(msgspec.structs.replace(step("one"), answers={"loop": Answer(value=value)}))
    assert (await store.executions.load(ONE)).record.answers["loop"].value == value


async def test_the_next_version_replaces_what_it_names(store: Store) -> None:
    await store.executions.commit(step("one"))
    changed = task_run("one", "second", 2)
    await store.executions.commit(Write(execution=execution("one", 2), owner=OWNER, changed=(changed,)))
    record = (await store.executions.load(ONE)).record
    assert record.execution.version == 2
    assert record.runs == {"first": task_run("one", "first", 1), "second": changed}


async def test_removed_task_runs_take_their_answers_along(store: Store) -> None:
    await store.executions.commit(
        msgspec.structs.replace(step("one"), answers={"first": Answer(1), "second": Answer(2)})
    )
    await store.executions.commit(Write(execution=execution("one", 2), owner=OWNER, removed=("first",)))
    record = (await store.executions.load(ONE)).record
    assert set(record.runs) == set(record.answers) == {"second"}


async def test_a_step_may_write_anew_what_it_removes(store: Store) -> None:
    await store.executions.commit(step("one"))
    await store.executions.commit(msgspec.structs.replace(step("one", 2), removed=("first", "second", "loop")))
    assert whole((await store.executions.load(ONE)).record)


@pytest.mark.parametrize("version", [1, 2, 4])
async def test_a_step_for_another_version_changes_nothing(store: Store, version: int) -> None:
    await store.executions.commit(step("one"))
    await store.executions.commit(step("one", 2))
    with pytest.raises(Conflict, match="one"):
        await store.executions.commit(step("one", version, text="late"))
    held = await store.executions.load(ONE)
    assert version_of(held) == 2
    assert whole(held.record)
    assert held.record.runs["first"] == task_run("one", "first", 2)


async def test_a_step_of_an_execution_that_is_not_there_conflicts(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.executions.commit(step("one", 2))
    with pytest.raises(NotFound):
        await store.executions.load(ONE)


async def test_only_the_owner_writes(store: Store) -> None:
    await store.executions.commit(step("one"))
    with pytest.raises(Conflict):
        await store.executions.commit(step("one", 2, owner="another"))
    assert version_of(await store.executions.load(ONE)) == 1


async def test_a_released_execution_is_anybodys(store: Store) -> None:
    await store.executions.commit(msgspec.structs.replace(step("one"), released=True, timers=()))
    assert (await store.executions.load(ONE)).owner == ""
    assert await store.executions.owners() == []
    assert not await store.executions.claim(ONE, "other", "dead")
    assert await store.executions.claim(ONE, "other")
    assert not await store.executions.claim(ONE, "third")
    await store.executions.commit(step("one", 2, owner="other"))
    assert (await store.executions.load(ONE)).owner == "other"


async def test_the_head_is_the_execution_alone(store: Store) -> None:
    written = step("one")
    await store.executions.commit(written)
    assert await store.executions.head(ONE) == (written.execution, OWNER)
    with pytest.raises(NotFound):
        await store.executions.head(ExecutionId("two"))


async def test_adopts_in_batches_with_timers_and_messages(store: Store) -> None:
    for number in range(5):
        await store.executions.commit(step(f"of-dead-{number}", owner="dead"))
    await store.executions.commit(step("of-living"))
    await store.nodes.send("dead", ExecutionId("of-dead-3"), b"kill")
    assert sorted(await store.executions.owners()) == ["dead", OWNER]
    first = await store.executions.adopt("dead", "heir", 3)
    second = await store.executions.adopt("dead", "heir", 3)
    assert (len(first), len(second)) == (3, 2)
    assert sorted([*first, *second]) == [f"of-dead-{number}" for number in range(5)]
    assert await store.executions.adopt("dead", "heir", 3) == []
    assert len(await store.timers.due("heir", START + 10, 10)) == 5
    assert await store.timers.due("dead", START + 10, 10) == []
    assert [message.body for message in await store.nodes.take("heir", 10)] == [b"kill"]
    with pytest.raises(Conflict):
        await store.executions.commit(step("of-dead-0", 2, owner="dead"))


async def test_nobodys_executions_are_not_adopted(store: Store) -> None:
    await store.executions.commit(msgspec.structs.replace(step("one"), released=True))
    assert await store.executions.adopt("", "heir", 10) == []


async def test_lists_newest_first_and_counts(store: Store) -> None:
    for number in range(6):
        state = Status.FAILED if number % 2 else Status.SUCCESS
        flow = "odd" if number % 2 else "even"
        made = execution(f"e{number}", state=state, flow=flow, created=START + number)
        await store.executions.commit(Write(execution=made, owner=OWNER))

    async def ids(**conditions: object) -> list[str]:
        return [found.id for found in await store.executions.list(ExecutionFilter(**conditions))]  # type: ignore[arg-type]

    assert await ids() == ["e5", "e4", "e3", "e2", "e1", "e0"]
    assert await ids(limit=2, offset=1) == ["e4", "e3"]
    assert await ids(flow="odd", namespace="shop") == ["e5", "e3", "e1"]
    assert await ids(states=(Status.SUCCESS, Status.KILLED)) == ["e4", "e2", "e0"]
    assert await ids(states=(Status.SUCCESS, Status.FAILED), since=START + 4) == ["e5", "e4"]
    assert await ids(namespace="other") == []
    assert await ids(prefix="e") == ["e5", "e4", "e3", "e2", "e1", "e0"]
    assert await ids(prefix="e3") == ["e3"]
    assert await ids(prefix="E") == []
    assert await store.executions.count(ExecutionFilter(flow="even", limit=1)) == 3


async def test_what_changed_since_it_was_looked_at_is_not_deleted(store: Store) -> None:
    await store.executions.commit(step("one"))
    with pytest.raises(Conflict):
        await store.executions.delete(ONE, version=2)
    await store.executions.delete(ONE, version=1)
    with pytest.raises(NotFound):
        await store.executions.delete(ONE, version=1)


async def test_a_deleted_execution_leaves_nothing(store: Store) -> None:
    await store.executions.commit(step("one"))
    await store.nodes.send(OWNER, ONE, b"kill")
    await store.executions.delete(ONE)
    with pytest.raises(NotFound):
        await store.executions.load(ONE)
    with pytest.raises(NotFound):
        await store.executions.delete(ONE)
    assert await store.timers.next_due(OWNER) is None
    assert await store.nodes.take(OWNER, 10) == []
    await store.executions.commit(Write(execution=execution("one"), owner=OWNER))
    assert (await store.executions.load(ONE)).record.runs == {}
