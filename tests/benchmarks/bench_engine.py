"""Whole executions through the real driver, worker and store, with FULL sync."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status

TWO_TASKS = """
id: two_tasks
namespace: bench
tasks:
  - id: values
    type: core.output.OutputValues
    values: {greeting: hello}
  - id: say
    type: core.log.Log
    message: "{{ outputs.values.values.greeting }}"
"""
LOOP = """
id: loop
namespace: bench
tasks:
  - id: each
    type: core.flow.ForEach
    values: "{{ range(1, VALUES) }}"
    concurrencyLimit: 0
    tasks:
      - id: body
        type: core.debug.Return
        format: "{{ taskrun.value }}"
"""
EXECUTIONS = 3000
AT_ONCE = 128
VALUES = 10_000
EXECUTION = "two-task execution, FULL sync (µs)"
LOOP_SECONDS = "ForEach of 10,000 values (s)"
LOOP_MEMORY = "ForEach memory, 40,000 against 10,000 values (ratio)"
GOALS = {EXECUTION: 1_000_000 / 1800, LOOP_SECONDS: 6.0, LOOP_MEMORY: 4.0}


def run() -> dict[str, float]:
    """Microseconds of one two-task execution, seconds and memory growth of a ForEach."""
    seconds, small = _in_a_process_of_its_own(VALUES)
    _, large = _in_a_process_of_its_own(4 * VALUES)
    return {EXECUTION: anyio.run(_executions), LOOP_SECONDS: seconds, LOOP_MEMORY: large / small}


async def _executions() -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder), Settings()) as engine:
            await engine.control.save_flow(TWO_TASKS)
            await _many(engine, 300)
            start = time.perf_counter()
            await _many(engine, EXECUTIONS)
            return (time.perf_counter() - start) / EXECUTIONS * 1_000_000


async def _many(engine: Engine, count: int) -> None:
    async def starter(share: int) -> None:
        for _ in range(share):
            execution = await engine.control.create("bench", "two_tasks")
            ended = await engine.control.wait(execution.id)
            assert ended.state is Status.SUCCESS

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(starter, max(1, count // AT_ONCE))


async def _loops(values: int) -> tuple[float, float]:
    """Seconds for a loop, and megabytes that it took on top of an idle engine."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder), Settings()) as engine:
            await _loop(engine, 100)
            before = _peak()
            seconds = await _loop(engine, values)
            return seconds, (_peak() - before) / 1000


def _in_a_process_of_its_own(values: int) -> tuple[float, float]:
    shown = subprocess.run([sys.executable, __file__, str(values)], check=True, capture_output=True, text=True).stdout
    seconds, megabytes = shown.split()
    return float(seconds), float(megabytes)


async def _loop(engine: Engine, values: int) -> float:
    stored = await engine.control.save_flow(LOOP.replace("VALUES", str(values)))
    start = time.perf_counter()
    execution = await engine.control.create(stored.namespace, stored.id)
    ended = await engine.control.wait(execution.id)
    assert ended.state is Status.SUCCESS
    return time.perf_counter() - start


def _peak() -> int:
    # What the system tells of a process's usage begins with that of the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(*anyio.run(_loops, int(sys.argv[1])))
    else:
        print(run())
