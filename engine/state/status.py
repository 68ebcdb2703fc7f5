"""The states of executions and task runs, and which may follow which.

All that affects transitions lives here as data; the executor applies it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """State of an execution, a task run or an attempt, named as in the flow language."""

    CREATED = "CREATED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    RESTARTED = "RESTARTED"
    RETRYING = "RETRYING"
    KILLING = "KILLING"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    FAILED = "FAILED"
    KILLED = "KILLED"
    CANCELLED = "CANCELLED"
    RETRIED = "RETRIED"
    SKIPPED = "SKIPPED"

    @property
    def terminal(self) -> bool:
        """Nothing follows but an edit (restart, replay, change of status)."""
        return self in TERMINAL


_S = Status

TERMINAL = frozenset({_S.SUCCESS, _S.WARNING, _S.FAILED, _S.KILLED, _S.CANCELLED, _S.RETRIED, _S.SKIPPED})

# What the walk itself may do. Edits of the past are not transitions: they write a new history entry on purpose.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    _S.CREATED: frozenset(Status) - {_S.CREATED, _S.RESTARTED},
    _S.QUEUED: frozenset({_S.CREATED, _S.RUNNING, _S.KILLING, _S.KILLED, _S.CANCELLED, _S.FAILED}),
    _S.RUNNING: frozenset(Status) - {_S.RUNNING, _S.QUEUED, _S.RESTARTED},
    _S.PAUSING: frozenset({_S.PAUSED, _S.RUNNING, _S.KILLING}) | TERMINAL - {_S.SKIPPED},
    _S.PAUSED: frozenset({_S.RUNNING, _S.RESTARTED, _S.KILLING}) | TERMINAL - {_S.SKIPPED},
    _S.RESTARTED: frozenset(Status) - {_S.RESTARTED},
    _S.RETRYING: frozenset({_S.CREATED, _S.RUNNING, _S.KILLING, _S.KILLED, _S.FAILED, _S.CANCELLED}),
    _S.KILLING: TERMINAL,
    **{state: frozenset() for state in TERMINAL},
}

# Worst first; what is absent counts as SUCCESS.
SEVERITY = (_S.KILLED, _S.CANCELLED, _S.RETRIED, _S.FAILED, _S.WARNING, _S.PAUSED)


def worst(states: Iterable[Status]) -> Status:
    """The state of a whole whose parts ended in `states`: KILLED > FAILED > WARNING > PAUSED > SUCCESS."""
    seen = set(states)
    return next((state for state in SEVERITY if state in seen), Status.SUCCESS)
