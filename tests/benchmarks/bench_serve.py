"""How soon a server answers, and what it needs while it has nothing to do."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

READY = "tidegate serve, process start to first answer (s)"
MEMORY = "idle server, PSS (MB)"
GOALS = {READY: 0.8, MEMORY: 90.0}
TIMES = 7
IDLE_SECONDS = 3.0


def run() -> dict[str, float]:
    """The median of seven starts; memory of the last one, after it was idle for a while."""
    with tempfile.TemporaryDirectory() as folder:
        starts = [_start(Path(folder) / str(number), idle=number == TIMES - 1) for number in range(TIMES)]
    return {READY: statistics.median(seconds for seconds, _ in starts), MEMORY: starts[-1][1]}


def _start(data: Path, idle: bool) -> tuple[float, float]:
    """Seconds until a server on a new folder answers, and its memory once it was idle."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "serve", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        urllib.request.urlopen(f"{url}/api/v1/main/configs").read()
        seconds = time.perf_counter() - began
        if idle:
            time.sleep(IDLE_SECONDS)
        memory = _megabytes(server.pid)
        server.terminate()
    return seconds, memory


def _megabytes(pid: int) -> float:
    """The share of memory that belongs to a process; 0 where the system doesn't tell."""
    file = Path(f"/proc/{pid}/smaps_rollup")
    found = re.search(r"^Pss:\s+(\d+) kB", file.read_text() if file.exists() else "", re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


if __name__ == "__main__":
    print(run())
