"""What people type, as the engine knows it: executions by the beginning of their ids, states, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from engine.errors import NotFound, Refused
from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.status import Status

if TYPE_CHECKING:
    from engine.store.rows import ExecutionFilter

SHOWN_MATCHES = 5


class Listed(Protocol):
    """Where executions are looked for."""

    async def list(self, where: ExecutionFilter) -> Sequence[Execution]: ...


async def resolve(executions: Listed, id: str) -> ExecutionId:
    """An execution's id by its beginning; `last` is the newest one. Raises NotFound, Refused for one that fits many."""
    from engine.store.rows import ExecutionFilter

    if id != "last":
        return await _by_prefix(executions, id)
    newest = await executions.list(ExecutionFilter(limit=1))
    if not newest:
        raise Refused("There is no execution yet: `tidegate run FLOW.yaml` makes one")
    return newest[0].id


async def _by_prefix(executions: Listed, id: str) -> ExecutionId:
    from engine.nearness import did_you_mean, near_names
    from engine.store.rows import ExecutionFilter

    where = ExecutionFilter(prefix=id, limit=SHOWN_MATCHES)
    found = await executions.list(where) if id else []
    if id and not found:
        # An iteration of a loop is in no list, but whoever names it means it.
        found = await executions.list(msgspec.structs.replace(where, kinds=()))
    if len(found) == 1 or any(one.id == id for one in found):
        return ExecutionId(id) if len(found) > 1 else found[0].id
    if found:
        raise Refused(f"Several executions begin with '{id}': {', '.join(one.id for one in found)}")
    newest = await executions.list(ExecutionFilter(limit=100))
    near = did_you_mean(near_names(id, [one.id for one in newest]))
    raise NotFound("execution", id, near.removeprefix(", ") or "`tidegate execution list` shows those that exist")


def status(text: str, option: str = "--state") -> Status:
    try:
        return Status(text.upper())
    except ValueError:
        raise Refused(f"{option} {text}: a state is one of {', '.join(Status)}") from None


def moment(text: str | None, option: str) -> int | None:
    """Milliseconds of a date or a date and time, in the time zone of this machine where it names none."""
    from engine.clock import to_millis

    if text is None:
        return None
    try:
        return to_millis(datetime.fromisoformat(text).astimezone())
    except ValueError:
        raise Refused(f"{option} {text}: a time is written as 2026-01-31 or 2026-01-31T18:00:00Z") from None
