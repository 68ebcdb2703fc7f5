"""SIGKILL at fault points of a block that ends what runs in it because a task failed: it comes to the same end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most, spread, tidegate

MOST = most(8)
SLEEPER = """
id: sleeper
namespace: crash
tasks: [{id: sleep, type: core.flow.Sleep, duration: PT300S}]
"""
FLOW = """
id: beside
namespace: crash
tasks:
  - id: all
    type: core.flow.Parallel
    onChildFailure: CANCEL
    tasks:
      - {id: call, type: core.flow.Subflow, namespace: crash, flowId: sleeper}
      - {id: sleep, type: core.flow.Sleep, duration: PT300S}
      - id: loop
        type: core.flow.Loop
        values: [1, 2]
        concurrencyLimit: 0
        tasks: [{id: long, type: core.flow.Sleep, duration: PT300S}]
      - id: fails
        type: core.flow.Sequential
        tasks:
          - {id: wait, type: core.flow.Sleep, duration: PT0.2S}
          - {id: no, type: core.execution.Fail}
    errors: [{id: told, type: core.log.Log, message: told}]
"""
ENDS = {
    "all": Status.FAILED,
    "all/call": Status.CANCELLED,
    "all/sleep": Status.CANCELLED,
    "all/loop": Status.CANCELLED,
    "all/fails": Status.FAILED,
    "all/fails/wait": Status.SUCCESS,
    "all/fails/no": Status.FAILED,
    "all/told": Status.SUCCESS,
}


@pytest.mark.timeout(600)
async def test_it_comes_to_the_same_end(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "sleeper.yaml").write_text(SLEEPER)
    (tmp_path / "beside.yaml").write_text(FLOW)
    log = tmp_path / "points"
    clean = tidegate(*_run(tmp_path, "clean"), TIDEGATE_FAULT_LOG=str(log))
    assert clean.returncode == 1, clean.stdout + clean.stderr
    await _look(tmp_path / "clean", 0)
    chosen = spread(len(log.read_text().splitlines()), MOST)
    died = [await _killed_at(tmp_path, point) for point in chosen]
    # How commits group differs from run to run: a late number may not be reached.
    assert sum(died) >= len(chosen) * 3 // 4


async def _killed_at(folder: Path, point: int) -> bool:
    """Run, be killed at fault point number `point`, recover, look. False when it ended before."""
    killed = tidegate(*_run(folder, str(point)), TIDEGATE_FAULT_AT=str(point))
    if killed.returncode == 1:
        return False
    assert killed.returncode == -signal.SIGKILL, (point, killed.stdout + killed.stderr)
    data = folder / str(point)
    recovered = tidegate("execution", "recover", "--data", str(data))
    assert recovered.returncode in (0, 1), (point, recovered.stdout + recovered.stderr)
    await _look(data, point)
    return True


async def _look(data: Path, point: int) -> None:
    async with open_engine(data, Settings()) as engine:
        found = list(await engine.store.executions.list(ExecutionFilter(kinds=(), limit=100)))
        for one in found:
            if one.flow == "beside" and one.caller is None:
                runs = (await engine.store.executions.load(one.id)).record.runs
                assert {path: run.state for path, run in runs.items()} == ENDS, point
                assert one.state is Status.FAILED, point
            else:
                assert one.state is Status.KILLED, point


def _run(folder: Path, name: str) -> list[str]:
    return ["run", str(folder / "beside.yaml"), "--flows", str(folder / "flows"), "--data", str(folder / name)]
