"""What the system knows of this process: memory, processor time, open files."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

from engine.observe.metrics import Registry

_STARTED = time.time()
_PAGE = resource.getpagesize()


def watch_process(registry: Registry) -> None:
    """Add the numbers that Prometheus's own clients give of a process."""
    registry.bare("process_resident_memory_bytes", "Resident memory in bytes.", resident_bytes)
    registry.bare("process_cpu_seconds_total", "User and system time in seconds.", time.process_time)
    registry.bare("process_open_fds", "Open files.", open_files)
    registry.bare("process_start_time_seconds", "When it began, in seconds since the epoch.", lambda: _STARTED)


def resident_bytes() -> float:
    """Memory in use now; where the system doesn't say, the most that was."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def open_files() -> float:
    """Open files; 0 where the system doesn't say."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return 0
