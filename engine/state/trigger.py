"""What is remembered of a trigger; what it is stands in its flow."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.ids import ExecutionId
from engine.state.status import Status


class Backfill(msgspec.Struct, frozen=True, omit_defaults=True):
    """Dates of the past that a schedule makes up for; moments in milliseconds.

    id: tells it from others of the same dates
    current: the next date; paused: nothing is started until somebody says so
    mode: ALL dates, those that are MISSING an execution, or those whose execution FAILED
    inputs, labels: of its executions, besides those of the trigger
    """

    start: int
    end: int
    current: int
    paused: bool = False
    inputs: dict[str, Any] = {}
    labels: dict[str, str] = {}
    id: str = ""
    mode: str = "ALL"


class Met(msgspec.Struct, frozen=True, array_like=True):
    """What a trigger waits for has happened: by this execution, at this moment."""

    execution: ExecutionId
    at: int


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has happened so far of all that a trigger waits for.

    id: of what is waited for together
    start, end: when it counts, in milliseconds; the end is not included, None for as long as it takes
    met: by key of what is waited for
    """

    id: str
    start: int
    end: int | None = None
    met: dict[str, Met] = {}


class TriggerState(msgspec.Struct, frozen=True):
    """The state of one trigger. It outlives edits of its flow; moments are milliseconds.

    fingerprint: of what is written in the flow; another one lets dates be counted from then on
    stop_after: ends of its executions that switch it off
    off: it is switched off in its flow; disabled: somebody did so besides
    date: the last date that was decided on; next: the first that wasn't, None where that is to be found out
    recover: how dates that were missed are treated this once, ALL, LAST or NONE; None: as the trigger says
    execution: the one that later dates wait for
    evaluated, fired: when it was last looked at, when it last started something
    failures: how many evaluations in a row failed; error: why the last one did
    heard: the last state change of an execution that it decided on; windows: what it waits for, as far as it happened
    gone: since when it is in no flow any more
    serial: grows with each change, over all triggers
    """

    namespace: str
    flow: str
    id: str
    type: str
    fingerprint: str
    stop_after: tuple[Status, ...] = ()
    off: bool = False
    disabled: bool = False
    date: int | None = None
    next: int | None = None
    recover: str | None = None
    execution: ExecutionId | None = None
    evaluated: int | None = None
    fired: int | None = None
    failures: int = 0
    error: str | None = None
    backfill: Backfill | None = None
    heard: int | None = None
    windows: tuple[Window, ...] = ()
    updated: int = 0
    gone: int | None = None
    version: int = 1
    serial: int = 0

    @property
    def active(self) -> bool:
        """Whether it may start something."""
        return not (self.off or self.disabled or self.gone is not None)

    @property
    def backfilling(self) -> bool:
        """Whether dates of a backfill are left to decide on now."""
        return self.backfill is not None and not self.backfill.paused

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, flow and id."""
        return self.namespace, self.flow, self.id
