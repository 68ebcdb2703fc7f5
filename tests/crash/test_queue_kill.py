"""SIGKILL while many executions of a flow with a limit run: afterwards all of them end, and no slot is left."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most, python, spread

COUNT = 12
LIMIT = 3
MOST = most(4)
FLOW = """
id: limited
namespace: shop
concurrency: {limit: 3}
tasks:
  - {id: first, type: core.output.OutputValues, values: {a: "{{ 1 + 1 }}"}}
  - {id: second, type: core.flow.Sleep, duration: PT0.02S}
"""
CHILD = f"""
import sys
from pathlib import Path
import anyio
from engine.runtime.engine import open_engine
from engine.settings import Settings

async def main():
    async with open_engine(Path(sys.argv[1]), Settings()) as engine:
        await engine.control.save_flow({FLOW!r})
        made = [await engine.control.create("shop", "limited") for _ in range({COUNT})]
        for execution in made:
            await engine.control.wait(execution.id)

anyio.run(main)
"""


@pytest.mark.timeout(300)
async def test_all_end_and_no_slot_is_left(tmp_path: Path) -> None:
    log = tmp_path / "points"
    clean = python("-c", CHILD, str(tmp_path / "clean"), TIDEGATE_FAULT_LOG=str(log))
    assert clean.returncode == 0, clean.stderr
    passed = len(log.read_text().splitlines())
    chosen = spread(passed, MOST)
    died = 0
    for point in chosen:
        folder = tmp_path / str(point)
        killed = python("-c", CHILD, str(folder), TIDEGATE_FAULT_AT=str(point))
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        died += killed.returncode != 0
        async with open_engine(folder, Settings()) as engine:
            await _recovered(engine)
    assert died >= len(chosen) // 2


async def _recovered(engine: Engine) -> None:
    assert await engine.store.slots.repair() == 0
    use = await engine.store.slots.of("shop", "limited")
    assert len(use.running) <= LIMIT
    await engine.nodes.recover()
    for execution in await engine.store.executions.list(ExecutionFilter(limit=100)):
        with anyio.fail_after(45):
            ended = await engine.control.wait(execution.id)
        assert ended.state is Status.SUCCESS
    use = await engine.store.slots.of("shop", "limited")
    assert (use.running, use.waiting) == ((), ())
    await engine.slots.check()
    assert engine.slots.repaired == 0
