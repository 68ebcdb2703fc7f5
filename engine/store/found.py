"""What is asked of log lines and metrics of many executions, and what is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from engine.store.conditions import Node
from engine.store.rows import LogLine


class LogSearch(msgspec.Struct, frozen=True):
    """Which log lines to find, of all executions: those that a condition on `LOG_COLUMNS` holds of.

    visible: in one of these namespaces or below it; None for wherever
    ascending: the oldest first, by default the newest
    """

    where: Node | None = None
    visible: tuple[str, ...] | None = None
    ascending: bool = False
    limit: int = 25
    offset: int = 0


class FoundLines(NamedTuple):
    """A page of lines, how many there are in all, and whether there may be more than were counted."""

    lines: Sequence[LogLine]
    total: int
    exact: bool


class MetricFilter(msgspec.Struct, frozen=True):
    """Which metrics of a flow; `until` is not included."""

    namespace: str
    flow: str
    task: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None


class Bucket(NamedTuple):
    """Values of a metric that were measured in one span of time, which begins at `at`, in milliseconds.

    times: how many they are
    """

    at: int
    times: int
    sum: float
    min: float
    max: float
