"""Keys of a namespace: values that executions leave for later ones."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, Task, TaskError, Template, parse_duration
from plugins.core.since import milliseconds


class KeyTask(Task):
    """What the tasks about one key share."""

    key: str = Field(description="The key: letters, digits, `.`, `_` and `-`, a letter or digit first.")
    namespace: str | None = Field(None, description="Namespace of the key; by default that of the flow.")


class Set(KeyTask):
    """Store a value under a key.

    Later it is `{{ kv('KEY') }}` in expressions, in this namespace and those below it.
    """

    value: Template = Field(description="The value. One that is a single expression keeps its type.")
    kv_type: Literal["STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON"] | None = Field(
        None, description="Type of the value; a text is read as that. By default the value says it."
    )
    overwrite: bool = Field(True, description="Whether to replace a value that is there; else that fails the task.")
    ttl: str | None = Field(None, description="How long the value lives, as `PT1H` or `P7D`; by default forever.")
    kv_description: str | None = Field(None, description="What the value is about.")

    async def run(self, ctx: Context) -> None:
        """Render and store the value."""
        await ctx.kv.set(
            self.key,
            await ctx.render(self.value, typed=True),
            self.namespace,
            type=self.kv_type,
            ttl=None if self.ttl is None else _lifetime(self.ttl),
            overwrite=self.overwrite,
            description=self.kv_description,
        )


class Found(BaseModel):
    """What Get gives."""

    value: Any = Field(None, description="The value, or null where there is no such key.")


class Get(KeyTask):
    """Read the value of a key. Expressions read it without a task: `{{ kv('KEY') }}`."""

    error_on_missing: bool = Field(False, description="Whether a missing key fails the task.")

    async def run(self, ctx: Context) -> Found:
        """Return the value."""
        value = await ctx.kv.get(self.key, self.namespace)
        if value is None and self.error_on_missing and self.key not in await ctx.kv.keys(self.key, self.namespace):
            raise _missing(ctx, self.key, self.namespace)
        return Found(value=value)


class Keys(BaseModel):
    """What GetKeys gives."""

    keys: list[str] = Field(description="The keys, sorted.")


class GetKeys(Task):
    """List the keys of a namespace."""

    prefix: str = Field("", description="How the keys begin.")
    namespace: str | None = Field(None, description="Namespace of the keys; by default that of the flow.")

    async def run(self, ctx: Context) -> Keys:
        """Return the keys."""
        return Keys(keys=await ctx.kv.keys(self.prefix, self.namespace))


class Deleted(BaseModel):
    """What Delete gives."""

    deleted: bool = Field(description="Whether there was such a key.")


class Delete(KeyTask):
    """Delete a key."""

    error_on_missing: bool = Field(False, description="Whether a missing key fails the task.")

    async def run(self, ctx: Context) -> Deleted:
        """Delete the key."""
        deleted = await ctx.kv.delete(self.key, self.namespace)
        if not deleted and self.error_on_missing:
            raise _missing(ctx, self.key, self.namespace)
        return Deleted(deleted=deleted)


class Behavior(BaseModel):
    """What PurgeKV deletes: keys, or earlier values of keys."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    type: Literal["key", "version"] = "key"
    expired_only: bool = True
    keep_amount: int = Field(1, ge=1)
    before: datetime | date | None = None


class Purged(BaseModel):
    """What PurgeKV gives."""

    size: int = Field(description="How many keys, or earlier values, were deleted.")


class PurgeKV(Task):
    """Delete keys of many namespaces, by default those that have expired."""

    key_pattern: str | None = Field(None, description="Glob of the keys; by default all.")
    namespaces: list[str] | None = Field(None, description="Namespaces; by default all.")
    namespace_pattern: str | None = Field(None, description="Glob of namespaces, instead of `namespaces`.")
    include_child_namespaces: bool = Field(True, description="Whether those below `namespaces` count too.")
    behavior: Behavior = Field(
        default_factory=Behavior,
        description="`{type: key, expiredOnly: false}` also deletes what has not expired. `{type: version, "
        "keepAmount: 3, before: 2030-01-01}` deletes earlier values: how many of a key stay (1, the one of now), and "
        "before when those were stored that go.",
    )
    expired_only: bool | None = Field(None, description="Older place of `behavior.expiredOnly`.")

    async def run(self, ctx: Context) -> Purged:
        """Delete the keys."""
        if self.namespaces is not None and self.namespace_pattern is not None:
            raise TaskError("PurgeKV takes either namespaces or namespacePattern, not both")
        if self.behavior.type == "version":
            return Purged(size=await self._versions(ctx))
        size = await ctx.kv.purge(
            key=self.key_pattern,
            namespaces=self.namespaces,
            namespace=self.namespace_pattern,
            below=self.include_child_namespaces,
            expired_only=self.behavior.expired_only if self.expired_only is None else self.expired_only,
        )
        ctx.log(f"{size} keys deleted")
        return Purged(size=size)

    async def _versions(self, ctx: Context) -> int:
        size = await ctx.kv.purge_revisions(
            key=self.key_pattern,
            namespaces=self.namespaces,
            namespace=self.namespace_pattern,
            below=self.include_child_namespaces,
            keep=self.behavior.keep_amount,
            before=milliseconds(self.behavior.before),
        )
        ctx.log(f"{size} earlier values deleted")
        return size


def _lifetime(ttl: str) -> int:
    try:
        milliseconds = parse_duration(ttl)
    except ValueError as error:
        raise TaskError(f"ttl: {error}") from None
    if milliseconds <= 0:
        raise TaskError(f"ttl: must be longer than nothing, but is '{ttl}'")
    return milliseconds


def _missing(ctx: Context, key: str, namespace: str | None) -> TaskError:
    place = namespace or ctx.execution.namespace
    return TaskError(f"No value found for key '{key}' in namespace '{place}' and `errorOnMissing` is set to true")
