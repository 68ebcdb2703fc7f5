"""How states, durations and times look in the terminal; one place, so that all commands agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape

from engine.clock import to_datetime
from engine.durations import duration_words
from engine.files.addresses import SCHEME
from engine.state.execution import Execution, TaskRun
from engine.state.sealed import covered
from engine.state.status import Status

STYLES = {
    Status.SUCCESS: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "red",
    Status.KILLED: "magenta",
    Status.KILLING: "magenta",
    Status.RUNNING: "cyan",
    Status.RETRYING: "yellow",
    Status.SKIPPED: "bright_black",
    Status.CREATED: "bright_black",
}
SIGNS = {
    Status.SUCCESS: "✓",
    Status.WARNING: "!",
    Status.FAILED: "✗",
    Status.KILLED: "■",
    Status.KILLING: "■",
    Status.RUNNING: "▶",
    Status.RETRYING: "↻",
    Status.SKIPPED: "-",
}
_encode = msgspec.json.Encoder(decimal_format="number").encode
LEVEL_STYLES = {"ERROR": "red", "WARN": "yellow", "INFO": "blue", "DEBUG": "bright_black", "TRACE": "bright_black"}


def stdout() -> Console:
    """A console that never colours texts of its own accord."""
    return Console(highlight=False, soft_wrap=True)


def state(status: Status) -> str:
    """A state with its sign and colour, as markup."""
    style = STYLES.get(status, "white")
    return f"[{style}]{SIGNS.get(status, '○')} {status.value}[/{style}]"


def lasted(thing: Execution | TaskRun, now: int) -> str:
    """How long an execution or a task run took, or takes so far."""
    end = thing.history[-1].at if thing.state.terminal else now
    return duration_words(max(0, end - thing.history[0].at))


def moment(milliseconds: int) -> str:
    """Local date and time to the second."""
    return to_datetime(milliseconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_time(milliseconds: int) -> str:
    """Local time to the millisecond."""
    return to_datetime(milliseconds).astimezone().strftime("%H:%M:%S.%f")[:-3]


def size(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def brief(value: Any, limit: int = 100) -> str:
    """A value in one line, cut when long; a URI is never cut, for people copy it."""
    text = value if isinstance(value, str) else _encode(covered(value)).decode()
    line = " ".join(text.split())
    if len(line) > limit and not line.startswith(SCHEME):
        line = f"{line[:limit]}… ({len(text)} characters)"
    return escape(line)


def as_json(value: Any) -> str:
    """Indented JSON, stars in the place of what is stored encrypted."""
    return msgspec.json.format(
        _encode(covered(msgspec.to_builtins(value, builtin_types=(Decimal,)))), indent=2
    ).decode()
