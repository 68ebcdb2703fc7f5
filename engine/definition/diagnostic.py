"""What is wrong with a flow, where, and what would be right."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

Path = tuple[str | int, ...]


class Severity(StrEnum):
    """An error keeps a flow from being accepted, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(NamedTuple):
    """One mistake.

    message: one sentence that begins with the place in the flow, as `tasks[0].retry: …`
    line, column: 1-based place in the text
    code: what kind of mistake it is, for programs: `unknown-property`, `duplicate-id`, …
    path: steps from the root of the flow to what is wrong
    near: names that might have been meant, best first
    file: name of the file, where known
    """

    message: str
    line: int
    column: int
    code: str
    path: Path = ()
    near: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    file: str | None = None

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}" if self.file is None else f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {'warning: ' if self.severity is Severity.WARNING else ''}{self.message}"


def path_text(path: Path) -> str:
    """`("tasks", 0, "retry")` as `tasks[0].retry`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
