"""Forty Python scripts without the engine around them, against forty runs of `sh -c` with the same interpreter."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from engine.runtime.scripts.environments import Environments
from engine.runtime.scripts.interpreters import Interpreters
from engine.runtime.scripts.process import run_process
from engine.settings import Settings

SCRIPT = """
def fibo(n):
    return n if n < 2 else fibo(n - 1) + fibo(n - 2)

print(fibo(10))
"""
COUNT = 40
ROUNDS = 5
GRACE = 5.0
FRESH = "run_process, 40 scripts (ratio to sh -c)"
AHEAD = "interpreters started ahead, 40 scripts (ratio to sh -c)"
SATISFIED = "pip install that is satisfied (ms)"
GOALS = {FRESH: 1.3, AHEAD: 0.6, SATISFIED: 50.0}


def run() -> dict[str, float]:
    """Medians of five rounds in which each way is measured once."""
    folder = Path(tempfile.mkdtemp())
    try:
        return anyio.run(_measure, folder)
    finally:
        shutil.rmtree(folder)


async def _measure(folder: Path) -> dict[str, float]:
    settings = Settings()
    environments = Environments(folder / "environments", settings)
    python = (await environments.get()).python
    script = folder / "script.py"
    script.write_text(SCRIPT)
    env = environments.variables(await environments.get(), {})
    async with Interpreters(environments, settings) as interpreters:

        async def shell() -> None:
            # The same interpreter: that of the machine may load more, which would flatter both ways.
            subprocess.run(["sh", "-c", f"{python} {script}"], check=True, capture_output=True, env=env)

        async def fresh() -> None:
            await run_process([str(python), str(script)], env=env, cwd=folder, on_line=_ignore, grace=GRACE)

        async def ahead() -> None:
            await interpreters.run(script, cwd=folder, env=env, on_line=_ignore)

        await ahead()
        rounds = [[await _timed(way) for way in (shell, fresh, ahead)] for _ in range(ROUNDS)]
    return {
        FRESH: statistics.median(one / plain for plain, one, _ in rounds),
        AHEAD: statistics.median(one / plain for plain, _, one in rounds),
        SATISFIED: await _satisfied(environments),
    }


async def _timed(way: Callable[[], Awaitable[None]]) -> float:
    start = time.perf_counter()
    for _ in range(COUNT):
        await way()
    return time.perf_counter() - start


async def _satisfied(environments: Environments) -> float:
    """Milliseconds of an install command that finds everything there."""
    wanted = ["pip install tiny"]
    python = await environments.get(before=wanted)
    packages = next(python.python.parent.parent.glob("lib/python*/site-packages"))
    about = packages / "tiny-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    env = environments.variables(python, {})
    times = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run(["sh", "-c", wanted[0]], check=True, capture_output=True, env=env)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def _ignore(_source: str, _line: str) -> None:
    return


if __name__ == "__main__":
    print(run())
