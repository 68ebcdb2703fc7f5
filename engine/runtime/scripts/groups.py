"""Whether anything of a process group still runs."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
ENDED = (b"Z", b"X", b"x")


def reap(group: int) -> None:
    """Read the ends of those members that fell to this process because it is the first of its container."""
    if os.getpid() != 1:
        return
    try:
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def dead(group: int) -> bool:
    """Whether no member runs any more. One that has ended and waits for its parent to read that doesn't run."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # macOS says so of a group whose members have all ended.
        return not PROC.is_dir()
    return PROC.is_dir() and not any(_runs(process, group) for process in PROC.iterdir() if process.name.isdigit())


def _runs(process: Path, group: int) -> bool:
    try:
        stat = (process / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The name before it may hold anything, also a bracket.
    state, _parent, group_of = stat[stat.rindex(b")") + 2 :].split()[:3]
    return int(group_of) == group and state not in ENDED
