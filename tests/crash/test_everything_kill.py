"""SIGKILL at every fault point of executions that wait, start others, repeat, share a folder and queue for a slot.

Whatever was committed before ends SUCCESS after recovery; what was recorded done is not done again; children are there
once; no slot is left, and none had to be repaired.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most, python, spread
from support.running import end, states

FLOW = Path(__file__).parent / "everything.yaml"
CALLED = """
id: child
namespace: crash
inputs: [{id: journal, type: STRING}, {id: items, type: STRING}]
tasks:
  - id: note
    type: scripts.shell.Commands
    taskRunner: {type: core.runner.Process}
    commands: ["echo note {{ taskrun.id }} >> {{ inputs.journal }}"]
"""
PROCESS = f"""
import sys
from pathlib import Path
import anyio
from engine.runtime.engine import open_engine
from engine.settings import Settings

async def main():
    folder = Path(sys.argv[1])
    async with open_engine(folder / "data", Settings()) as engine:
        await engine.control.save_flow({CALLED!r})
        await engine.control.save_flow(Path({str(FLOW)!r}).read_text())
        inputs = {{"journal": str(folder / "journal")}}
        made = [await engine.control.create("crash", "everything", inputs=inputs) for _ in range(3)]
        for execution in made:
            await engine.control.wait(execution.id, wholly=True)

anyio.run(main)
"""
# How many points, spread evenly over all that are passed; 0 is all of them.
MOST = most(4)
WITH_JOURNAL = {"meanwhile", "look", "write", "read", "last", "note"}
TASKS = {"beside", "call", "pause", "meanwhile", "again", "look", "folder", "write", "read", "each", "last"}
PARTS_OF_EACH = {"each_split", "each_items", "each_merge"}


@pytest.mark.timeout(3600)
async def test_all_end_well_and_nothing_done_is_done_again(tmp_path: Path) -> None:
    log = tmp_path / "points"
    clean = _process(tmp_path / "clean", TIDEGATE_FAULT_LOG=str(log))
    assert clean.returncode == 0, clean.stderr
    passed = len(log.read_text().splitlines())
    chosen = spread(passed, MOST)
    died = [await _killed_at(tmp_path / str(point), point) for point in chosen]
    # How commits group differs from run to run: a late number may not be reached.
    assert sum(died) >= len(chosen) * 3 // 4


def _process(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    return python("-c", PROCESS, str(folder), **environment)


async def _killed_at(folder: Path, point: int) -> bool:
    """Run, be killed at fault point number `point`, recover, look. False when it ended before."""
    killed = _process(folder, TIDEGATE_FAULT_AT=str(point))
    if killed.returncode == 0:
        return False
    assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
    async with open_engine(folder / "data", Settings()) as engine:
        before = await _records(engine)
        lines = _journal(folder)
        assert await engine.store.slots.repair() == 0, point
        await engine.nodes.recover()
        after = await _ended(engine, point)
        _nothing_done_again(before, after, lines, _journal(folder), point)
        for record in after.values():
            if record.execution.flow == "everything":
                _whole(record, point)
                _children_once(record, after, point)
        use = await engine.store.slots.of("crash", "everything")
        assert (use.running, use.waiting) == ((), ()), point
        await engine.slots.check()
        assert engine.slots.repaired == 0, point
    return True


async def _records(engine: Engine) -> dict[ExecutionId, Record]:
    found = await engine.store.executions.list(ExecutionFilter(kinds=(), limit=100))
    return {one.id: (await engine.store.executions.load(one.id)).record for one in found}


async def _ended(engine: Engine, point: int) -> dict[ExecutionId, Record]:
    """All executions, once each of them, and of those that they started meanwhile, has ended."""
    for id in await _records(engine):
        record = await end(engine, id)
        assert record.execution.state is Status.SUCCESS, (point, record.execution.flow, states(record))
    ended = await _records(engine)
    for id, record in ended.items():
        if not record.execution.finished:
            await end(engine, id)
    return await _records(engine)


def _nothing_done_again(
    before: dict[ExecutionId, Record],
    after: dict[ExecutionId, Record],
    lines: Counter[str],
    now: Counter[str],
    point: int,
) -> None:
    assert before.keys() <= after.keys(), point
    for id, record in before.items():
        for path, run in record.runs.items():
            # The tasks of a folder begin anew with the attempt that owns it.
            above = record.runs.get(path.rpartition("/")[0]) if run.reported else None
            if not run.state.terminal or (above is not None and not above.state.terminal):
                continue
            if run.node in WITH_JOURNAL:
                assert now[run.id] == lines[run.id] >= 1, (point, path)
            kept = after[id].runs.get(path)
            # Another pass of the LoopUntil may stand in the place of one that was done.
            if kept is not None and kept.id == run.id:
                assert kept.attempts == run.attempts, (point, path)
                assert kept.outputs == run.outputs, (point, path)


def _whole(record: Record, point: int) -> None:
    assert {run.node for run in record.runs.values()} == TASKS | PARTS_OF_EACH, (point, states(record))
    assert record.execution.outputs == {"passes": 2}, point
    for path, run in record.runs.items():
        assert run.state is Status.SUCCESS, (point, path)


def _children_once(record: Record, found: dict[ExecutionId, Record], point: int) -> None:
    executions = [one.execution for one in found.values()]
    callers = [one.caller for one in executions if one.caller and one.caller.execution == record.execution.id]
    assert sorted((caller.path, caller.index) for caller in callers if caller.index is not None) == [
        ("each/each_items", 0),
        ("each/each_items", 1),
    ], point
    assert [caller.path for caller in callers if caller.index is None] == ["beside/call"], point


def _journal(folder: Path) -> Counter[str]:
    """How often each task run wrote its line."""
    file = folder / "journal"
    return Counter(line.split()[1] for line in file.read_text().splitlines()) if file.exists() else Counter()
