"""Forty Python scripts, one after the other, against forty runs of `sh -c` with the same interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
import msgspec

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status

SCRIPT = """
def fibo(n):
    return n if n < 2 else fibo(n - 1) + fibo(n - 2)

print(fibo(10))
"""
COUNT = 40
TIMES = 5
FRESH = "40 scripts, fresh interpreters (ratio to sh -c)"
AHEAD = "40 scripts, interpreters started ahead (ratio to sh -c)"
GOALS = {FRESH: 1.3, AHEAD: 0.6}


def run() -> dict[str, float]:
    """Ratios, medians of five rounds in which each way is measured once."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = [_round(Path(folder) / str(number)) for number in range(TIMES)]
    return {
        FRESH: statistics.median(fresh / shell for shell, fresh, _ in rounds),
        AHEAD: statistics.median(ahead / shell for shell, _, ahead in rounds),
    }


def _round(folder: Path) -> tuple[float, float, float]:
    return _shell(), anyio.run(_engine, folder / "fresh", 0), anyio.run(_engine, folder / "ahead", 2)


def _shell() -> float:
    # The interpreter that scripts get: the one below the environment that this process runs in.
    python = getattr(sys, "_base_executable", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(SCRIPT)
        start = time.perf_counter()
        for _ in range(COUNT):
            subprocess.run(["sh", "-c", f"{python} {script}"], check=True, capture_output=True)
        return time.perf_counter() - start


async def _engine(folder: Path, ahead: int) -> float:
    settings = Settings()
    settings = msgspec.structs.replace(settings, process=msgspec.structs.replace(settings.process, prestart=ahead))
    async with open_engine(folder, settings) as engine:
        await engine.control.save_flow(_flow("warm_up", 1))
        stored = await engine.control.save_flow(_flow("scripts", COUNT))
        warm = await engine.control.create("bench", "warm_up")
        await engine.control.wait(warm.id)
        start = time.perf_counter()
        execution = await engine.control.create(stored.namespace, stored.id)
        ended = await engine.control.wait(execution.id)
        assert ended.state is Status.SUCCESS
        return time.perf_counter() - start


def _flow(id: str, count: int) -> str:
    body = "".join(f"      {line}\n" for line in SCRIPT.splitlines())
    tasks = "".join(
        f"""
  - id: script_{number}
    type: scripts.python.Script
    taskRunner: {{type: core.runner.Process}}
    script: |
{body}"""
        for number in range(count)
    )
    return f"id: {id}\nnamespace: bench\ntasks:{tasks}"


if __name__ == "__main__":
    print(run())
