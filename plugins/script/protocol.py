"""What a script says: log lines, and lines by which it hands over outputs, metrics and log lines with a level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from engine.plugin import Context, Level, parse_duration

MESSAGE = re.compile(r"::(\{.*\})::")
LEVELS = frozenset(get_args(Level))


class Listener:
    """Takes the lines of one script.

    vars: the outputs that the script handed over, later ones over earlier ones
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.vars: dict[str, Any] = {}

    def take(self, source: Literal["stdout", "stderr"], line: str) -> None:
        """A line of the script's output."""
        found = MESSAGE.fullmatch(line.strip()) if "::" in line else None
        if found is None:
            self._ctx.log(line, "ERROR" if source == "stderr" else "INFO")
            return
        try:
            self._message(msgspec.json.decode(found[1]))
        except (ValueError, TypeError, AttributeError) as error:
            # A script's slip of the pen must not cost its result.
            self._ctx.log(f"Invalid outputs '{found[1]}': {error}", "WARN")

    def _message(self, message: dict[str, Any]) -> None:
        self.vars.update(message.get("outputs") or {})
        for metric in message.get("metrics") or ():
            self._metric(metric)
        for line in message.get("logs") or ():
            level = str(line.get("level") or "INFO").upper()
            self._ctx.log(str(line.get("message", "")), level if level in LEVELS else "INFO")  # type: ignore[arg-type]

    def _metric(self, metric: Mapping[str, Any]) -> None:
        kind, value = metric.get("type", "counter"), metric.get("value")
        if kind not in ("counter", "timer", "gauge"):
            raise ValueError(f"a metric's type is counter, timer or gauge, not '{kind}'")
        if not metric.get("name"):
            raise ValueError("a metric needs a name")
        if kind == "timer":
            # Scripts give seconds; metrics are kept in milliseconds.
            number = float(parse_duration(value)) if isinstance(value, str) else float(value or 0) * 1000
        else:
            number = float(value or 0)
        tags = {str(name): str(tag) for name, tag in (metric.get("tags") or {}).items()}
        self._ctx.metric(str(metric["name"]), number, kind, **tags)
