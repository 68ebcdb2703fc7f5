"""States and kinds as plain names.

Python 3.11 makes a function call of each look-up like `Status.SUCCESS`; the reducer does twenty of them an event.
"""

from __future__ import annotations

from typing import Final

from engine.executor.plan import Kind
from engine.state.status import Status

CREATED: Final = Status.CREATED
QUEUED: Final = Status.QUEUED
RUNNING: Final = Status.RUNNING
PAUSING: Final = Status.PAUSING
PAUSED: Final = Status.PAUSED
RESTARTED: Final = Status.RESTARTED
RETRYING: Final = Status.RETRYING
KILLING: Final = Status.KILLING
SUCCESS: Final = Status.SUCCESS
WARNING: Final = Status.WARNING
FAILED: Final = Status.FAILED
KILLED: Final = Status.KILLED
CANCELLED: Final = Status.CANCELLED
RETRIED: Final = Status.RETRIED
SKIPPED: Final = Status.SKIPPED

TASK: Final = Kind.TASK
PARALLEL: Final = Kind.PARALLEL
IF: Final = Kind.IF
SWITCH: Final = Kind.SWITCH
FOREACH: Final = Kind.FOREACH
EACH_PARALLEL: Final = Kind.EACH_PARALLEL
DAG: Final = Kind.DAG
ALLOW_FAILURE: Final = Kind.ALLOW_FAILURE
PAUSE: Final = Kind.PAUSE
APPROVAL: Final = Kind.APPROVAL
SCOPE: Final = Kind.SCOPE
FOLDER: Final = Kind.FOLDER
LOOP_UNTIL: Final = Kind.LOOP_UNTIL

# What is done in attempts, by a worker.
ATTEMPTED: Final = (TASK, FOLDER)
LOOP: Final = Kind.LOOP
ITEMS: Final = Kind.ITEMS

# Blocks whose children are executions.
CALLERS: Final = frozenset({LOOP, ITEMS})
