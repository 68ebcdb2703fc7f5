"""Every exception that crosses a room's border.

TidegateError
├── NotFound            the thing asked for does not exist
├── Conflict            it exists in another version or state than the caller assumed
├── Unsigned            a webhook request whose signature isn't what it must be
├── AtLimit             its flow allows no more running executions
├── Unavailable         the store or the disk can't answer now; the same call may succeed later
├── Refused             the request is understood and not allowed; says what would be
│   ├── Blocked             checks of a flow do not hold; carries them
│   ├── Expired             it existed, and its time is over
│   ├── Malformed           a name or value has a form that it can't have
│   └── NotAll              nothing was done to several executions, for it can't be done to some; carries these
├── InvalidFlow         a flow with mistakes; carries all of them as diagnostics
├── InvalidInputs       input values with mistakes; carries all of them
├── ExpressionError     a template that can't be rendered
│   ├── UndefinedError      it names something that does not exist
│   └── LimitError          it would take too long, too deep or too much
├── StorageError        internal storage refused an address or an operation
└── TaskError           a task's tidy failure: the message is for the user, no traceback is shown
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class TidegateError(Exception):
    """Base of all errors that the engine raises on purpose."""


class NotFound(TidegateError):
    """`kind` (flow, execution, file, …) with the name `name` does not exist."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind, self.name, self.hint = kind, name, hint
        super().__init__(f"{kind} '{name}' does not exist" + (f": {hint}" if hint else ""))


class Conflict(TidegateError):
    """The row changed since it was read, or the key is taken."""


class Unsigned(TidegateError):
    """A webhook request that isn't signed as it must be."""


class AtLimit(TidegateError):
    """A flow runs as many executions as it may. `behavior`: QUEUE, CANCEL or FAIL."""

    def __init__(self, running: int, behavior: str) -> None:
        self.running, self.behavior = running, behavior
        super().__init__(f"The flow runs {running} executions already, which is its concurrency limit")


class Unavailable(TidegateError):
    """The store can't answer now (busy, full disk, closed); nothing was changed."""


class Refused(TidegateError):
    """The request is not allowed as things are; the message says what would be."""


class Blocked(Refused):
    """Checks of a flow do not hold, so that no execution is created. `checked`: what came of each, a `Checked`."""

    def __init__(self, checked: Any) -> None:
        self.checked = checked
        super().__init__(checked.messages)


class Expired(Refused):
    """What is asked for existed, and its time is over."""


class Malformed(Refused):
    """A name or value that has a form that it can't have; the message says what would be right."""


class NotAll(Refused):
    """Nothing was done to several executions, for it can't be done to some. `problems` maps their ids to why."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(f"{id}: {why}" for id, why in self.problems.items()))


class InvalidFlow(TidegateError):
    """A flow that can't be accepted. `diagnostics` are `engine.definition.diagnostic.Diagnostic` values."""

    def __init__(self, diagnostics: Sequence[Any]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class InvalidInputs(TidegateError):
    """Input values that can't be accepted. `problems` maps input id to message."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(self.problems.values()))


class ExpressionError(TidegateError):
    """A template that can't be rendered: `reason`, the `template` text and the 1-based `line` in it (0: unknown)."""

    def __init__(self, reason: str, template: str = "", line: int = 0) -> None:
        self.reason, self.template, self.line = reason, template, line
        super().__init__(reason)


class UndefinedError(ExpressionError):
    """A name, key or index that does not exist. `??`, `???`, `default` and `is defined` tolerate exactly this.

    `hint` gives the end of the sentence that says what there is instead; it is asked only when somebody will read it.
    """

    def __init__(self, name: str, hint: Callable[[], str] | None = None) -> None:
        self.name, self.hint = name, hint
        super().__init__(f"Unable to find `{name}`")


class LimitError(ExpressionError):
    """Rendering went over a limit on time, fuel, depth or size."""


class StorageError(TidegateError):
    """Internal storage refused an address or could not do what was asked."""


class TaskError(TidegateError):
    """A task failed in a way its author foresaw. `outputs` are kept on the failed task run."""

    def __init__(self, message: str, outputs: Mapping[str, Any] | None = None) -> None:
        self.outputs = dict(outputs) if outputs is not None else None
        super().__init__(message)
