"""What is asked of logs, and how their lines look as text."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.api.filterable import LEVELS
from engine.clock import iso
from engine.store.rows import LogLine

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class LogQuery(msgspec.Struct, frozen=True, rename="camel"):
    """minLevel: this level and those above it; taskId, taskRunId, attempt (from 0): lines of these only"""

    min_level: Level = "TRACE"
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: int | None = None


def levels_from(least: Level) -> tuple[str, ...]:
    """A level and those above it; none for all of them."""
    return () if least == "TRACE" else LEVELS[LEVELS.index(least) :]


def log_text(line: LogLine) -> str:
    """`2026-01-31T10:00:00.123Z INFO hello`."""
    return f"{iso(line.at)} {line.level} {line.message}\n"
