"""Tasks of the type family `io.kestra.core.tasks.test` that flows of the tables name."""

from __future__ import annotations

from typing import Any

from engine.plugin import Context, Status, Task, TaskError


class NullOutputTask(Task):
    """Has an output without a value."""

    async def run(self, ctx: Context) -> dict[str, Any]:
        return {"value": None}


class Encrypted(Task):
    """Has an encrypted output."""

    format: str

    async def run(self, ctx: Context) -> dict[str, Any]:
        return {"value": ctx.seal(self.format)}


class Scripted(Task):
    """Ends as a case says."""

    outcome: str

    async def run(self, ctx: Context) -> None:
        if self.outcome != "SUCCESS":
            raise TaskError(f"ends {self.outcome}")


class DynamicTask(Task):
    """Shows a part of its work as a task run of its own."""

    fail: bool = False

    async def run(self, ctx: Context) -> None:
        await ctx.report(f"{ctx.task.id}-part", Status.FAILED if self.fail else Status.SUCCESS)
        if self.fail:
            raise TaskError("a part failed")
