"""Measures the hot paths: `python tests/benchmarks [NAME…] [--record]`.

Each `bench_NAME.py` beside this file has `run()`, which returns figures by name (the unit in brackets, less is better),
and may have `GOALS` by the same names. A figure is shown beside the recorded one as a ratio, after both are divided by
how fast the machine computes at the time, so that a slower machine doesn't look like slower code.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
CALIBRATION = "machine (ms)"


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, by default all, and print a table; `--record` keeps the figures as the baseline."""
    record = "--record" in arguments
    names = [argument for argument in arguments if not argument.startswith("-")]
    baseline: dict[str, float] = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    machine = calibrate()
    measured = {CALIBRATION: machine}
    print(f"{'':52} {'now':>10} {'goal':>10} {'recorded':>10} {'ratio':>7}")
    print(f"{CALIBRATION:52} {machine:10.2f}")
    for file in sorted(HERE.glob("bench_*.py")):
        name = file.stem.removeprefix("bench_")
        if names and name not in names:
            continue
        module = load(file)
        goals: dict[str, float] = getattr(module, "GOALS", {})
        for figure, value in module.run().items():
            measured[figure] = value
            print(line(figure, value, goals.get(figure), baseline, machine), flush=True)
    if record:
        BASELINE.write_text(json.dumps({**baseline, **measured}, indent=2, ensure_ascii=False) + "\n")
    return 0


def line(figure: str, value: float, goal: float | None, baseline: dict[str, float], machine: float) -> str:
    """One row of the table."""
    goal_text = f"{goal:10.2f}" if goal is not None else " " * 10
    row = f"{figure:52} {value:10.2f} {goal_text}"
    before = baseline.get(figure)
    if before is None:
        return row
    # Ratios, counts and sizes don't depend on how fast the machine is.
    timed = any(unit in figure for unit in ("(µs)", "(ms)", "(s)"))
    scale = machine / baseline[CALIBRATION] if timed else 1.0
    return f"{row} {before:10.2f} {value / before / scale:6.2f}x"


def calibrate() -> float:
    """Milliseconds for a fixed piece of interpreter work, the best of seven."""
    best = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        total = 0
        table: dict[int, str] = {}
        for number in range(100_000):
            total += number * number % 7
            table[number % 1000] = str(total)
        best = min(best, time.perf_counter() - start)
    return best * 1000


def load(file: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
