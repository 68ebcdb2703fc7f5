"""How an execution begins where its flow limits how many run at once: at once, queued, or not at all.

A queued execution keeps what an edit left to look at; nothing of it is opened before it is admitted.
"""

from __future__ import annotations

from typing import Final

from engine.executor.deadlines import set_deadlines
from engine.executor.finish import end
from engine.executor.kill import request
from engine.executor.lanes import main_phase
from engine.executor.names import CANCELLED, FAILED, QUEUED, RUNNING
from engine.executor.paused import note_paused
from engine.executor.work import Work
from engine.state.command import DropTimer, Say, TakeSlot, WakeAt
from engine.state.event import Started

ADMITTED: Final = "admitted"
FORCED: Final = "forced"
WAITS: Final = "queued"
REFUSED: Final = "refused"

# Timers of the execution: it has got a slot, or its date has come.
GRANTED: Final = "admitted"
START: Final = "start"

TAKE = TakeSlot()
TAKE_ANYWAY = TakeSlot(forced=True)


def begin(work: Work, event: Started) -> None:
    """Let an execution begin, or go on after it was queued; not one that runs or has ended."""
    if work.state.terminal or work.stopping is not None or not (work.block("") is None or work.state is QUEUED):
        return
    scheduled = work.get("scheduled")
    if scheduled is not None and work.state is not QUEUED and event.admission != REFUSED:
        if event.admission != FORCED and scheduled > work.at:
            work.commands.append(WakeAt("", START, scheduled))
            return
        work.commands.append(DropTimer("", START))
    if work.plan.slas and work.state is not QUEUED and event.admission != REFUSED:
        set_deadlines(work, scheduled or work.get("created"))
    if event.admission == WAITS:
        enqueue(work, event.reason)
    elif event.admission == REFUSED:
        _refuse(work, event)
    else:
        _admit(work, event.admission == FORCED)


def enqueue(work: Work, reason: str | None) -> None:
    """Wait until a slot is free."""
    if work.state is not QUEUED:
        work.move(QUEUED)
        _say(work, "INFO", reason)


def _refuse(work: Work, event: Started) -> None:
    state = event.state or CANCELLED
    failed = state is FAILED
    _say(work, "ERROR" if failed else "WARN", event.reason)
    if failed:
        work.put(error=event.reason)
    if work.block("") is None:
        end(work, state)
    else:
        request(work, state)


def _admit(work: Work, forced: bool) -> None:
    work.commands.append(TAKE_ANYWAY if forced else TAKE)
    if work.state is QUEUED:
        work.commands.append(DropTimer("", GRANTED))
    work.move(RUNNING)
    if work.block("") is None:
        work.blocks[""] = main_phase(work.plan.root, "tasks")
        work.todo.append("")
        return
    note_paused(work)
    if not work.get("held"):
        work.todo = list(work.get("pending"))
        work.put(pending=())


def _say(work: Work, level: str, text: str | None) -> None:
    if text is not None:
        work.commands.append(Say(level, text))
