"""What a process is told to leave alone stays as it is, loses nothing, and goes on in one that does not skip it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Refused
from engine.executor.reasons import Cause
from engine.ids import ExecutionId
from engine.runtime.actions.why import why
from engine.runtime.driving.skips import Skips
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings, Skip
from engine.state.status import Status
from support import running

LEFT = """
id: left
namespace: shop
tasks:
  - {id: pause, type: core.flow.Pause}
"""
OTHER = "id: other\nnamespace: shop\ntasks: [{id: a, type: core.debug.Return, format: a}]\n"


async def _paused(folder: Path) -> ExecutionId:
    async with open_engine(folder, Settings()) as engine:
        execution = await running.start(engine, LEFT)
        await running.until(engine, execution.id, "pause", Status.PAUSED)
        return execution.id


async def test_a_new_execution_of_a_skipped_flow_waits_and_others_run(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Settings(skip=Skip(flows=("shop.left",)))) as engine:
        waiting = await running.start(engine, LEFT)
        assert (await running.end(engine, (await running.start(engine, OTHER)).id)).execution.state is Status.SUCCESS
        assert (await engine.store.executions.head(waiting.id))[0].state is Status.CREATED
        assert await _why(engine, waiting.id) == (Cause.SKIPPED, "It is set aside by the setting `skip` of the server.")
    async with open_engine(tmp_path, Settings()) as engine:
        assert await engine.nodes.recover() == [waiting.id]
        await running.until(engine, waiting.id, "pause", Status.PAUSED)


@pytest.mark.parametrize("by", ["executions", "flows", "namespaces"])
async def test_what_is_asked_meanwhile_is_done_when_it_is_taken_up(tmp_path: Path, by: str) -> None:
    id = await _paused(tmp_path)
    skip = Skip(**{by: ({"executions": id, "flows": "main|shop|left", "namespaces": "shop"}[by],)})
    async with open_engine(tmp_path, Settings(skip=skip)) as engine:
        assert await engine.nodes.recover() == []
        await engine.control.kill(id)
        assert (await engine.store.executions.head(id))[0].state is Status.PAUSED
        with pytest.raises(Refused, match="set aside by the setting `skip`"):
            await engine.control.change_status(id, "pause", Status.SUCCESS)
        assert await engine.nodes.recover() == []
    async with open_engine(tmp_path, Settings()) as engine:
        await engine.nodes.recover()
        assert (await running.end(engine, id)).execution.state is Status.KILLED


async def test_another_list_takes_up_what_the_one_before_set_aside(tmp_path: Path) -> None:
    id = await _paused(tmp_path)
    for namespaces, expected in ((("shop",), []), (("other",), [id])):
        async with open_engine(tmp_path, Settings(skip=Skip(namespaces=namespaces))) as engine:
            assert await engine.nodes.recover() == expected


@pytest.mark.parametrize("skip", [Skip(flows=("left",)), Skip(flows=("a||b",)), Skip(namespaces=("a|b|c",))])
def test_an_entry_that_names_nothing_is_refused(skip: Skip) -> None:
    with pytest.raises(Refused, match="names no"):
        Skips(skip)


async def _why(engine: Engine, id: ExecutionId) -> tuple[Cause, str]:
    found = await why(engine.store, engine.plans, engine.nodes, id, 0)
    return found.cause, found.sentence
