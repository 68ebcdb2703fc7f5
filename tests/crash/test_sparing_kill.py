"""SIGKILL while an execution is killed without those that it started: they go on, whoever takes it up."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most, python, spread

MOST = most(6)
ASKED = "the kill is asked for"
CHILD = """
id: child
namespace: crash
tasks: [{id: pause, type: core.flow.Pause}]
"""
PARENT = """
id: parent
namespace: crash
tasks:
  - id: all
    type: core.flow.Parallel
    tasks:
      - {id: one, type: core.flow.Subflow, namespace: crash, flowId: child}
      - {id: long, type: core.flow.Sleep, duration: PT300S}
      - id: loop
        type: core.flow.Loop
        values: [a]
        tasks: [{id: inner, type: core.flow.Subflow, namespace: crash, flowId: child}]
      - id: batches
        type: core.flow.Sequential
        tasks:
          - {id: lines, type: core.storage.Write, content: "1\\n2\\n"}
          - {id: each, type: core.flow.ForEachItem, items: "{{ outputs.lines.uri }}", namespace: crash, flowId: child}
"""
PROCESS = f"""
import os, sys
from pathlib import Path
import anyio
from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter

async def main():
    async with open_engine(Path(sys.argv[1]), Settings()) as engine:
        await engine.control.save_flow({CHILD!r})
        await engine.control.save_flow({PARENT!r})
        parent = await engine.control.create("crash", "parent")
        paused = ExecutionFilter(flow="child", states=(Status.PAUSED,))
        while await engine.store.executions.count(paused) < 4:
            await anyio.sleep(0.01)
        if log := os.environ.get("TIDEGATE_FAULT_LOG"):
            with open(log, "a") as file:
                print({ASKED!r}, file=file)
        await engine.control.kill(parent.id, cascade=False)
        await engine.control.wait(parent.id, wholly=True)

anyio.run(main)
"""


@pytest.mark.timeout(300)
async def test_what_was_started_goes_on_after_a_crash(tmp_path: Path) -> None:
    log = tmp_path / "points"
    clean = python("-c", PROCESS, str(tmp_path / "clean"), TIDEGATE_FAULT_LOG=str(log))
    assert clean.returncode == 0, clean.stderr
    before, _, after = log.read_text().partition(ASKED)
    first, count = len(before.splitlines()), len(after.split("\n")) - 2
    taken_up = 0
    for point in spread(count, MOST):
        folder = tmp_path / str(point)
        killed = python("-c", PROCESS, str(folder), TIDEGATE_FAULT_AT=str(first + point))
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        taken_up += await _taken_up(folder)
    assert taken_up


async def _taken_up(folder: Path) -> bool:
    """Recover and look; whether the kill had been stored and was not done yet."""
    async with open_engine(folder, Settings()) as engine:
        (parent,) = await engine.store.executions.list(ExecutionFilter(flow="parent"))
        killing = parent.killing and not parent.finished
        await engine.nodes.recover()
        if killing:
            with anyio.fail_after(45):
                assert (await engine.control.wait(parent.id, wholly=True)).state is Status.KILLED
        children = await engine.store.executions.list(ExecutionFilter(flow="child"))
        if killing:
            assert [child.state for child in children] == [Status.PAUSED] * 4
        for child in children:
            if child.state is Status.PAUSED:
                await engine.control.resume(child.id)
                with anyio.fail_after(45):
                    assert (await engine.control.wait(child.id)).state is Status.SUCCESS
    return killing
