"""What the tables say of an execution in sentences, each with what it means here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance.flow_cases import Unbound
from engine.state.execution import History
from engine.state.record import Record
from engine.state.status import Status


def _paused(history: History) -> bool:
    return any(change.state is Status.PAUSED for change in history)


def _went_on(history: History) -> bool:
    """Whether each pause was followed by something else."""
    return _paused(history) and history[-1].state is not Status.PAUSED


def _all_of(holds: Callable[[History], bool]) -> Callable[[Record], bool]:
    """Of the execution and of a block in it."""
    return lambda record: (
        holds(record.execution.history)
        and any(holds(run.history) for run in record.runs.values() if run.block is not None)
    )


FACTS: Mapping[str, Callable[[Record], bool]] = {
    "a paused iteration pauses the parent and its loop run": _all_of(_paused),
    "when the pause expires the parent is told the iteration RESTARTED": _all_of(_went_on),
}


def untrue(record: Record, fact: str) -> str:
    """A sentence that isn't true of an execution; empty when it is. Raises Unbound for one without a meaning."""
    if fact not in FACTS:
        raise Unbound(f"nothing checks that {fact}")
    return "" if FACTS[fact](record) else f"it isn't so that {fact}"
