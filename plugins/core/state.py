"""States: small maps that executions of a flow hand on to later ones. They lie among the keys of the namespace."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from pydantic import BaseModel, Field

from engine.plugin import Context, Task, TaskError

HASH_LENGTH = 16


class StateTask(Task):
    """What the tasks about a state share."""

    name: str = Field("default", description="Name of the state.")
    namespace: bool = Field(False, description="Whether all flows of the namespace share the state.")
    taskrun_value: bool = Field(True, description="Whether each value of a loop has a state of its own.")

    def key(self, ctx: Context) -> str:
        """The key that the state is stored under."""
        flow = "" if self.namespace else f"{_slug(ctx.execution.flow)}_"
        value = ctx.task.value if self.taskrun_value else None
        own = "" if value is None else f"_{hashlib.sha256(value.encode()).hexdigest()[:HASH_LENGTH]}"
        return f"{flow}states_tasks-states_{self.name}{own}"

    async def stored(self, ctx: Context) -> dict[str, Any] | None:
        """The state, None where there is none."""
        data = await ctx.kv.get(self.key(ctx))
        return data if isinstance(data, dict) else None

    def missing(self) -> TaskError:
        """What to say where there is no state."""
        return TaskError(f"There is no state '{self.name}', and `errorOnMissing` is set to true")


class Stored(BaseModel):
    """What Set gives."""

    count: int = Field(description="How many entries the state has.")
    key: str = Field(description="The key that it is stored under.")


class Set(StateTask):
    """Merge data into a state: maps are merged deeply, lists are joined."""

    data: dict[str, Any] = Field(default_factory=dict, description="What to merge in.")

    async def run(self, ctx: Context) -> Stored:
        """Store the merged state."""
        merged = _merged(await self.stored(ctx) or {}, self.data)
        key = self.key(ctx)
        await ctx.kv.set(key, merged, type="JSON")
        return Stored(count=len(merged), key=key)


class Read(BaseModel):
    """What Get gives."""

    count: int = Field(description="How many entries the state has.")
    data: dict[str, Any] = Field(description="The state.")


class Get(StateTask):
    """Read a state."""

    error_on_missing: bool = Field(False, description="Whether a missing state fails the task.")

    async def run(self, ctx: Context) -> Read:
        """Return the state."""
        data = await self.stored(ctx)
        if data is None and self.error_on_missing:
            raise self.missing()
        return Read(count=len(data or {}), data=data or {})


class Deleted(BaseModel):
    """What Delete gives."""

    deleted: bool = Field(description="Whether there was a state.")


class Delete(StateTask):
    """Delete a state."""

    error_on_missing: bool = Field(False, description="Whether a missing state fails the task.")

    async def run(self, ctx: Context) -> Deleted:
        """Delete the state."""
        deleted = await ctx.kv.delete(self.key(ctx))
        if not deleted and self.error_on_missing:
            raise self.missing()
        return Deleted(deleted=deleted)


def _slug(flow: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", flow.lower().replace("_", "-")).strip("-")


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[name] = [*before, *value]
        else:
            merged[name] = value
    return merged
