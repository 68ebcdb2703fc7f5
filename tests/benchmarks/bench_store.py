"""How fast the store commits and opens, and what executions that wait cost in memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio

from engine.ids import ExecutionId
from engine.settings import Settings
from engine.store.open import open_store
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, Timer, Write
from support.steps import OWNER, START, TIMER, execution, task_run

EXECUTION = "execution of three awaited commits, 100 at once (µs)"
FRESH = "open a new store (ms)"
OPEN = "open a store (ms)"
WAITING = "100,000 executions waiting on disk, in memory (MiB)"
GOALS = {EXECUTION: 500.0, FRESH: 15.0, OPEN: 15.0, WAITING: 20.0}

EXECUTIONS = 5_000
AT_ONCE = 100
WAITERS = 100_000
OPENINGS = 9


def run() -> dict[str, float]:
    """Figures by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        fresh = [anyio.run(_open_seconds, path / f"new{number}") for number in range(OPENINGS)]
        again = [anyio.run(_open_seconds, path / "new0") for _ in range(OPENINGS)]
        seconds = anyio.run(_commit, path / "commit")
        bare = _resident(path / "new0")
        anyio.run(_fill, path / "waiting")
        waiting = _resident(path / "waiting") - bare
    return {
        EXECUTION: seconds / EXECUTIONS * 1e6,
        FRESH: statistics.median(fresh) * 1000,
        OPEN: statistics.median(again) * 1000,
        WAITING: waiting,
    }


async def _open_seconds(folder: Path) -> float:
    start = time.perf_counter()
    async with open_store(folder, Settings()):
        return time.perf_counter() - start


async def _commit(folder: Path) -> float:
    """Seconds for all executions: created, one task run started, ended."""
    slots = anyio.Semaphore(AT_ONCE)

    async def drive(store: Store, id: str) -> None:
        async with slots:
            for version in (1, 2, 3):
                write = Write(
                    execution=execution(id, version),
                    owner=OWNER,
                    changed=(task_run(id, "task", version, "x" * 100),),
                    released=version == 3,
                )
                await store.executions.commit(write)

    async with open_store(folder, Settings()) as store:
        start = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for number in range(EXECUTIONS):
                tasks.start_soon(drive, store, f"e{number}")
        return time.perf_counter() - start


async def _fill(folder: Path) -> None:
    """Executions that wait for a timer."""
    async with open_store(folder, Settings()) as store:
        for first in range(0, WAITERS, 1000):
            async with anyio.create_task_group() as tasks:
                for number in range(first, first + 1000):
                    tasks.start_soon(store.executions.commit, _waiter(f"e{number}", number))


def _waiter(id: str, number: int) -> Write:
    timer = Timer(ExecutionId(id), "pause", TIMER, START + number)
    return Write(execution=execution(id), owner=OWNER, changed=(task_run(id, "pause"),), timers=(timer,))


def _resident(folder: Path) -> float:
    """MiB that a process of its own needs while it looks after the store of a folder."""
    child = subprocess.run([sys.executable, __file__, "watch", str(folder)], check=True, capture_output=True, text=True)
    return float(child.stdout)


async def _watch(folder: Path) -> None:
    async with open_store(folder, Settings()) as store:
        await store.executions.count(ExecutionFilter())
        await store.executions.list(ExecutionFilter())
        await store.timers.next_due(OWNER)
        await store.timers.due(OWNER, START + 1000, 500)
        kibibytes = next(
            line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
        )
        print(int(kibibytes.split()[1]) / 1024)


if __name__ == "__main__":
    if sys.argv[1:2] == ["watch"]:
        anyio.run(_watch, Path(sys.argv[2]))
    else:
        figures = run()
        for name, value in figures.items():
            print(f"{name}: {value:.1f}")
        print(f"executions a second: {1e6 / figures[EXECUTION]:.0f}")
