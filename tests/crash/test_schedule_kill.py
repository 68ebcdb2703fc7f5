"""SIGKILL of a server whose schedule has a date each second: every date is started once, whenever it dies."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from engine.clock import SystemClock
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.store.rows import ExecutionFilter
from support.killing import most, python
from triggers.host import hosting

ROUNDS = most(4)
FLOW = """
id: ticks
namespace: crash
tasks: [{id: say, type: core.debug.Return, format: "{{ trigger.date }}"}]
triggers:
  - {id: tick, type: core.trigger.Schedule, cron: "* * * * * *", withSeconds: true, allowConcurrent: true}
"""
PROCESS = f"""
import sys
from pathlib import Path
import anyio
from engine.runtime.engine import open_engine
from engine.settings import Settings
from triggers.host import hosting

async def main():
    async with open_engine(Path(sys.argv[1]), Settings(), recovers=True) as engine, hosting(engine):
        await engine.control.save_flow({FLOW!r})
        await anyio.sleep(20)

anyio.run(main)
"""


@pytest.mark.timeout(300)
async def test_tr_01_no_date_is_lost_or_started_twice(tmp_path: Path) -> None:
    for round in range(ROUNDS):
        # Each date takes a few points: some die within one, some between two.
        killed = python("-c", PROCESS, str(tmp_path), TIDEGATE_FAULT_AT=str(17 + 7 * round))
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
    async with open_engine(tmp_path, Settings(), recovers=True) as engine, hosting(engine):
        with anyio.fail_after(60):
            await _caught_up(engine)
        found = await engine.store.executions.list(ExecutionFilter(flow="ticks", limit=10_000))
        state = await engine.store.triggers.get("crash", "ticks", "tick")
        for execution in found:
            with anyio.fail_after(30):
                await engine.control.wait(execution.id)
    seconds = sorted(str(it.trigger.variables["date"])[:19] for it in found if it.trigger)
    assert len(set(seconds)) == len(seconds)
    assert len(seconds) > ROUNDS
    assert state.failures == 0, state.error
    assert _count(seconds[0], seconds[-1]) == len(seconds)


async def _caught_up(engine: Engine) -> None:
    begin = SystemClock().now()
    while ((await engine.store.triggers.get("crash", "ticks", "tick")).date or 0) < begin:
        await anyio.sleep(0.05)


def _count(first: str, last: str) -> int:
    return int((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()) + 1
