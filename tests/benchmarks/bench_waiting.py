"""Executions that wait: rows, not memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
import msgspec

from engine.ids import ExecutionId, random_id
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import Timer, Write

WAITING = int(os.environ.get("TIDEGATE_WAITING", "100000"))
MEMORY = f"memory with {WAITING:,} waiting executions (MB)"
GOALS = {MEMORY: 150.0}
AT_ONCE = 500
FLOW = """
id: waits
namespace: bench
tasks:
  - id: again
    type: core.execution.Fail
    retry: {type: constant, interval: PT10H, maxAttempts: 3}
"""


def run() -> dict[str, float]:
    """Megabytes that a process holds after it took up all waiting executions."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_fill, Path(folder))
        shown = subprocess.run([sys.executable, __file__, folder], check=True, capture_output=True, text=True)
    return {MEMORY: float(shown.stdout)}


async def _fill(folder: Path) -> None:
    """Let one execution come to wait for its retry, and store it many times under ids of their own."""
    async with open_engine(folder, Settings()) as engine:
        stored = await engine.control.save_flow(FLOW)
        execution = await engine.control.create(stored.namespace, stored.id)
        while True:
            record = (await engine.store.executions.load(execution.id)).record
            if any(run.state is Status.RETRYING for run in record.runs.values()):
                break
            await anyio.sleep(0.02)
        for _ in range(WAITING // AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(AT_ONCE):
                    tasks.start_soon(_copy, engine, record)


async def _copy(engine: Engine, record: Record) -> None:
    id = ExecutionId(random_id())
    (run,) = record.runs.values()
    await engine.store.executions.commit(
        Write(
            execution=msgspec.structs.replace(record.execution, id=id, version=1),
            owner="a process that is gone",
            changed=(run,),
            timers=(Timer(id, run.path, "retry", run.due or 0),),
        )
    )


async def _take_up(folder: Path) -> None:
    async with open_engine(folder, Settings()) as engine:
        taken = await engine.nodes.recover()
        assert len(taken) >= WAITING
        with open("/proc/self/statm") as file:
            print(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        anyio.run(_take_up, Path(sys.argv[1]))
    else:
        print(run())
