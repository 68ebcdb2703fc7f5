"""Processes that are killed at a fault point, and the choice of points."""

from __future__ import annotations

import os
import subprocess
import sys


def tidegate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end or until it is killed."""
    return python("-m", "engine", *arguments, **environment)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of this interpreter, run to its end or until it is killed."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=50, env={**os.environ, **environment}
    )


def most(default: int) -> int:
    """How many points a test tries: what TIDEGATE_CRASH_POINTS says, where 0 is all."""
    return int(os.environ.get("TIDEGATE_CRASH_POINTS", default))


def spread(passed: int, most: int) -> list[int]:
    """Numbers (from 1) of points, evenly over all that were passed; 0 is all of them."""
    count = min(passed, most) if most else passed
    return sorted({1 + index * passed // count for index in range(count)})
