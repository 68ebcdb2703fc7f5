"""How the execution follows its task runs into a wait, and out of it.

It is PAUSED while one of its task runs is, or while it was asked to be; `Execution.paused` counts the runs.
"""

from __future__ import annotations

from typing import Final

from engine.executor.names import PAUSED, PAUSING, RETRYING, RUNNING
from engine.executor.work import Work
from engine.state.status import Status

# A history longer than this no longer notes that the execution is PAUSED: a loop may pause for each value.
NOTED_AT_MOST: Final = 1000


def enter(work: Work, paused: int) -> None:
    """So many task runs are PAUSED now, and so is the execution."""
    work.put(paused=paused)
    note_paused(work)


def note_paused(work: Work) -> None:
    """Let the execution be PAUSED if something in it is."""
    if not (work.get("paused") or work.get("held")) or len(work.get("history")) >= NOTED_AT_MOST:
        return
    if work.state is RETRYING:
        work.move(RUNNING)
    if work.state in (RUNNING, PAUSING):
        work.move(PAUSED)


def enter_pause(work: Work) -> None:
    """One more task run of the execution is PAUSED."""
    enter(work, work.get("paused") + 1)


def leave_pause(work: Work) -> None:
    """A task run goes on because what it waited for does."""
    leave(work, work.get("paused") - 1)


def leave(work: Work, paused: int, by: Status = RUNNING) -> None:
    """So many task runs are PAUSED still; if none is, the execution goes on by that state."""
    work.put(paused=paused)
    if work.state is PAUSED and not paused and not work.get("held"):
        work.move(by)
        work.move(RUNNING)


def leave_pausing(work: Work) -> None:
    """Let the execution no longer be PAUSING if none of its task runs is."""
    if work.state is PAUSING and not any(run.state is PAUSING for run in work.runs()):
        work.move(RUNNING)
