"""How long a person waits for a command."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERSION = "tidegate --version (s)"
COLD_RUN = "cold `tidegate run` of a two-task flow (s)"
GOALS = {VERSION: 0.1, COLD_RUN: 0.7}
TIMES = 7
FLOW = """
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


def run() -> dict[str, float]:
    """Medians of seven."""
    with tempfile.TemporaryDirectory() as folder:
        flow = Path(folder) / "flow.yaml"
        flow.write_text(FLOW)
        version = [_seconds("--version") for _ in range(TIMES)]
        runs = [_seconds("run", str(flow), "--data", f"{folder}/data{number}") for number in range(TIMES)]
    return {VERSION: statistics.median(version), COLD_RUN: statistics.median(runs)}


def _seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "engine", *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    print(run())
