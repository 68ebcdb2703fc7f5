"""SIGKILL of a server whose executions are followed by others: each is followed once, whenever it dies."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import anyio
import pytest

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most, python, spread
from triggers.host import hosting

MOST = most(8)
FLOWS = [
    """
id: extract
namespace: crash
tasks: [{id: say, type: core.debug.Return, format: x}]
outputs: [{id: said, type: STRING, value: "{{ outputs.say.value }}"}]
""",
    """
id: load
namespace: crash
inputs: [{id: said, type: STRING}]
tasks: [{id: say, type: core.debug.Return, format: "{{ inputs.said }}"}]
triggers:
  - id: each
    type: core.trigger.Flow
    inputs: {said: "{{ trigger.outputs.said }}"}
    dependsOn: [{namespace: crash, flowId: extract, states: [SUCCESS]}]
""",
    """
id: report
namespace: crash
tasks: [{id: say, type: core.debug.Return, format: x}]
triggers:
  - id: both
    type: core.trigger.Flow
    dependsOn: [{namespace: crash, flowId: extract}, {namespace: crash, flowId: load}]
    window: {lookback: P2D, fireOnce: true}
""",
]
PROCESS = f"""
import sys
from pathlib import Path
import anyio
from engine.runtime.engine import open_engine
from engine.settings import Settings
from triggers.host import hosting

async def main():
    async with open_engine(Path(sys.argv[1]), Settings(), recovers=True) as engine, hosting(engine):
        for source in {FLOWS!r}:
            await engine.control.save_flow(source)
        for _ in range(5):
            await engine.control.create("crash", "extract")
        while await engine.store.executions.live_states() or await engine.store.state_changes.told(0):
            await anyio.sleep(0.01)

anyio.run(main)
"""


@pytest.mark.timeout(600)
async def test_tr_01_each_execution_is_followed_once(tmp_path: Path) -> None:
    log = tmp_path / "points"
    clean = python("-c", PROCESS, str(tmp_path / "clean"), TIDEGATE_FAULT_LOG=str(log))
    assert clean.returncode == 0, clean.stderr
    chosen = spread(len(log.read_text().splitlines()), MOST)
    died = [await _killed_at(tmp_path / str(point), point) for point in chosen]
    # How commits group differs from run to run: a late number may not be reached.
    assert sum(died) >= len(chosen) * 3 // 4


async def _killed_at(data: Path, point: int) -> bool:
    """Be killed at fault point number `point`, begin again, look. False when it ended before."""
    killed = python("-c", PROCESS, str(data), TIDEGATE_FAULT_AT=str(point))
    assert killed.returncode in (0, -signal.SIGKILL), (point, killed.stderr)
    async with open_engine(data, Settings(), recovers=True) as engine, hosting(engine):
        with anyio.fail_after(60):
            await _settled(engine)
        found = await engine.store.executions.list(ExecutionFilter(limit=1000))
    assert all(one.state is Status.SUCCESS for one in found), (point, found)
    extracted = [one.id for one in found if one.flow == "extract"]
    loads = [one for one in found if one.flow == "load"]
    assert Counter(_followed(one) for one in loads) == Counter(extracted), point
    assert all(one.inputs == {"said": "x"} for one in loads), point
    # Each pair of the two is reported once, in whatever order they were heard of.
    reports = sum(one.flow == "report" for one in found)
    assert reports <= len(extracted), point
    assert reports >= min(1, len(extracted)), point
    return killed.returncode != 0


def _followed(execution: Execution) -> str:
    assert execution.trigger is not None
    return str(execution.trigger.variables["executionId"])


async def _settled(engine: Engine) -> None:
    quiet = 0
    while quiet < 3:
        idle = not await engine.store.state_changes.told(0) and not await engine.store.executions.live_states()
        quiet = quiet + 1 if idle else 0
        await anyio.sleep(0.05)
