"""Blocks and a task of the type family `io.kestra.core.runners` that flows of the tables name."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from engine.plugin import Block, Context, Kind, RawTask, Shape, Task

FAMILY = "io.kestra.core.runners.PluginDefaultsCaseTest$"


class DefaultSequential1(Block):
    """A sequence that has the property `def` as output."""

    aliases: ClassVar[tuple[str, ...]] = (f"{FAMILY}DefaultSequential1",)

    default: str = Field(alias="def")
    tasks: list[RawTask]

    def shape(self) -> Shape:
        """One task after another, below what it is given."""
        return Shape(Kind.SCOPE, ask={"def": self.default})


class DefaultSequential2(DefaultSequential1):
    """The same under another name."""

    aliases: ClassVar[tuple[str, ...]] = (f"{FAMILY}DefaultSequential2",)


class DefaultSequential3(DefaultSequential1):
    """The same under another name."""

    aliases: ClassVar[tuple[str, ...]] = (f"{FAMILY}DefaultSequential3",)


class CounterTask(Task):
    """Tells how many times it ran."""

    aliases: ClassVar[tuple[str, ...]] = ("io.kestra.core.runners.TaskCacheTest$CounterTask",)
    ran: ClassVar[list[str]] = []

    async def run(self, ctx: Context) -> dict[str, int]:
        self.ran.append(ctx.task.run)
        return {"counter": len(self.ran)}


class ListenersTestTask(Task):
    """Tells the state that the execution has when a listener runs."""

    async def run(self, ctx: Context) -> dict[str, Any]:
        return {"value": await ctx.render("{{ execution.state }}")}
