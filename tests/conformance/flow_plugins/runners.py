"""Tasks and a trigger of the type family `io.kestra.core.runners.test` that flows of the tables name."""

from __future__ import annotations

from typing import ClassVar

from engine.plugin import Context, Task, TaskError
from engine.plugin.base import Trigger


class TaskThatFail(Task):
    """Fails and keeps its message as output."""

    message: str

    async def run(self, ctx: Context) -> None:
        raise TaskError(self.message, outputs={"message": self.message})


class TaskWithAlias(Task):
    """Logs, under two names."""

    aliases: ClassVar[tuple[str, ...]] = ("io.kestra.core.runners.test.task.Alias",)

    message: str

    async def run(self, ctx: Context) -> None:
        ctx.log(self.message)


class TriggerWithAlias(Trigger):
    """Never fires, under two names."""

    aliases: ClassVar[tuple[str, ...]] = ("io.kestra.core.runners.test.trigger.Alias",)
