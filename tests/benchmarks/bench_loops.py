"""A Loop over the lines of a file and a ForEach over as many values, each with one trivial task, with FULL sync."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status

LOOP = """
id: loop
namespace: bench
inputs: [{id: file, type: FILE}]
tasks:
  - id: loop
    type: core.flow.Loop
    values: "{{ inputs.file }}"
    concurrencyLimit: LIMIT
    tasks: [{id: body, type: core.debug.Return, format: "{{ item.value }}"}]
"""
FOREACH = """
id: each
namespace: bench
tasks:
  - id: each
    type: core.flow.ForEach
    values: "{{ range(1, COUNT) }}"
    concurrencyLimit: LIMIT
    tasks: [{id: body, type: core.debug.Return, format: "{{ taskrun.value }}"}]
"""
SMALL = 5_000
MORE = 20_000
AT_ONCE = 50
SPEED = {
    "Loop, 50 at once, an iteration (µs)": 500.0,
    "Loop, one by one, an iteration (µs)": 1_000_000 / 600,
    "ForEach, 50 at once, an iteration (µs)": 500.0,
    "ForEach, one by one, an iteration (µs)": 1_000_000 / 600,
}
# 200 MB for 100,000.
MEMORY = {"Loop, memory of an iteration (KiB)": 1.95, "ForEach, memory of an iteration (KiB)": 1.95}
GOALS = {**SPEED, **MEMORY}


def run() -> dict[str, float]:
    """Microseconds of an iteration, and the memory that each of many more takes."""
    cases = [("Loop", AT_ONCE), ("Loop", 1), ("ForEach", AT_ONCE), ("ForEach", 1)]
    figures = {name: measured(kind, SMALL, limit) for name, (kind, limit) in zip(SPEED, cases, strict=True)}
    found = {name: micros for name, (micros, _) in figures.items()}
    for name, kind, (_, before) in zip(MEMORY, ("Loop", "ForEach"), list(figures.values())[::2], strict=True):
        found[name] = (measured(kind, MORE, AT_ONCE)[1] - before) * 1024 / (MORE - SMALL)
    return found


def measured(kind: str, count: int, limit: int) -> tuple[float, float]:
    """Microseconds of an iteration, and MiB by which a process of its own grew."""
    command = [sys.executable, __file__, kind, str(count), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, grown = done.stdout.split()
    return float(seconds) / count * 1_000_000, float(grown)


def main(kind: str, count: int, limit: int) -> None:
    """Run a loop; print the seconds it took and the MiB that memory grew."""
    print(*anyio.run(_run, kind, count, limit))


async def _run(kind: str, count: int, limit: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        lines.write_text("".join(f"line {number}\n" for number in range(count)))
        source = (LOOP if kind == "Loop" else FOREACH).replace("LIMIT", str(limit)).replace("COUNT", str(count))
        async with open_engine(Path(folder) / "data", Settings()) as engine:
            flow = await engine.control.save_flow(source)
            before = _resident()
            start = time.perf_counter()
            inputs = {"file": str(lines)} if kind == "Loop" else {}
            execution = await engine.control.create("bench", flow.id, inputs=inputs)
            ended = await engine.control.wait(execution.id)
            seconds = time.perf_counter() - start
            assert ended.state is Status.SUCCESS, ended
            return seconds, (_peak() - before) / 1024


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
