"""Flows as people change them."""

from __future__ import annotations

import anyio
import pytest

from engine.errors import InvalidFlow, Refused
from engine.runtime.engine import Engine
from engine.store.rows import StoredFlow

FLOW = "id: f\nnamespace: shop\ntasks:\n  - {id: wait, type: core.flow.Pause}\n"


async def test_on_trial_nothing_is_stored(engine: Engine) -> None:
    async def trial(source: str) -> StoredFlow:
        (would_be,) = await engine.flows.save(engine.flows.read_all(source), trial=True)
        return would_be

    assert (await trial(FLOW)).revision == 1
    assert await engine.store.flows.list() == []
    await engine.control.save_flow(FLOW)
    assert (await trial(FLOW)).revision == 1
    changed = await trial(f"{FLOW}description: new\n")
    assert (changed.revision, changed.source) == (2, f"{FLOW}description: new\n")
    assert (await engine.store.flows.get("shop", "f")).revision == 1
    await engine.control.delete_flow("shop", "f")
    assert (await trial(FLOW)).revision == 3


async def test_of_many_who_create_a_flow_at_once_one_does(engine: Engine) -> None:
    done: list[str] = []

    async def create(number: int) -> None:
        try:
            await engine.flows.create(engine.flows.read(f"{FLOW}description: {number}\n"))
            done.append("created")
        except InvalidFlow as error:
            done.append(str(error))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(create, number)
    assert done.count("created") == 1
    assert sum("Flow id already exists" in text for text in done) == 19
    await engine.control.delete_flow("shop", "f")
    assert (await engine.flows.create(engine.flows.read(FLOW))).revision == 3


async def test_a_revision_that_is_running_stays(engine: Engine) -> None:
    await engine.control.save_flow(FLOW)
    execution = await engine.control.create("shop", "f")
    await engine.control.save_flow(f"{FLOW}description: new\n")
    with pytest.raises(Refused, match=f"the execution '{execution.id}' runs revision 1"):
        await engine.flows.delete_revisions("shop", "f", [1])
    await engine.control.kill(execution.id)
    await engine.control.wait(execution.id)
    assert await engine.flows.delete_revisions("shop", "f", [1, 7]) == 1
    assert [stored.revision for stored in await engine.store.flows.revisions("shop", "f")] == [2]
