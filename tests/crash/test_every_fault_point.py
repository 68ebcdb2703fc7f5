"""SIGKILL at every fault point of a real run: after recovery all is as if nothing had happened."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import anyio
import pytest

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most, tidegate
from support.running import runs_of, states

FLOW = Path(__file__).parent / "flow.yaml"
WHOLE = b"left\n" * 20000 + b"right\n" * 20000
MOST = most(14)


@pytest.mark.timeout(600)
async def test_nothing_is_lost_and_nothing_done_is_done_again(tmp_path: Path) -> None:
    log = tmp_path / "points"
    clean = tidegate(*_run(tmp_path / "clean"), TIDEGATE_FAULT_LOG=str(log))
    assert clean.returncode == 0, clean.stdout + clean.stderr
    names = log.read_text().splitlines()
    assert len(set(names)) >= 5
    chosen = _spread(names, MOST)
    died = [await _killed_at(tmp_path / str(number), number) for number in chosen]
    # How commits group differs from run to run: a late number may not be reached.
    assert sum(died) >= len(chosen) * 3 // 4


async def _killed_at(folder: Path, point: int) -> bool:
    """Run, be killed at fault point number `point`, recover, compare. False when it ended before."""
    killed = tidegate(*_run(folder), TIDEGATE_FAULT_AT=str(point))
    if killed.returncode == 0:
        return False
    assert killed.returncode == -signal.SIGKILL, (point, killed.stdout + killed.stderr)
    before = await _record(folder)
    done = {} if before is None else {path: run for path, run in before.runs.items() if run.state.terminal}
    lines = _journal(folder)
    recovered = tidegate("execution", "recover", "--data", str(folder / "data"))
    assert recovered.returncode == 0, (point, recovered.stdout + recovered.stderr)
    if before is None:
        # It died before the execution was committed: then there must be no trace of it.
        assert lines == Counter()
        return True
    after = await _record(folder)
    assert after is not None
    assert after.execution.state is Status.SUCCESS, (point, states(after))
    for path, run in done.items():
        assert after.runs[path].outputs == run.outputs, point
        assert after.runs[path].attempts == run.attempts, point
        if run.node in ("left", "right", "join"):
            assert _journal(folder)[run.node] == lines[run.node], point
    assert await _joined(folder, after) == WHOLE, point
    return True


def _run(folder: Path) -> list[str]:
    folder.mkdir()
    return ["run", str(FLOW), "-i", f"journal={folder / 'journal'}", "--data", str(folder / "data")]


def _spread(names: list[str], most: int) -> list[int]:
    """Numbers (from 1) of fault points: the first pass of each name, then others spread evenly; 0 is all of them."""
    if not most or len(names) <= most:
        return list(range(1, len(names) + 1))
    firsts = {name: number for number, name in reversed(list(enumerate(names, start=1)))}
    rest = [number for number in range(1, len(names) + 1) if number not in firsts.values()]
    left = max(0, most - len(firsts))
    return sorted([*firsts.values(), *(rest[index * len(rest) // left] for index in range(left))])


def _journal(folder: Path) -> Counter[str]:
    file = folder / "journal"
    return Counter(line.split()[0] for line in file.read_text().splitlines()) if file.exists() else Counter()


async def _record(folder: Path) -> Record | None:
    async with open_engine(folder / "data", Settings()) as engine:
        found = await engine.store.executions.list(ExecutionFilter())
        return (await engine.store.executions.load(found[0].id)).record if found else None


async def _joined(folder: Path, record: Record) -> bytes:
    async with open_engine(folder / "data", Settings()) as engine:
        address = (runs_of(record, "join")[0].outputs or {})["outputFiles"]["joined.txt"]
        with anyio.fail_after(10):
            return b"".join([chunk async for chunk in engine.files.read(address)])
