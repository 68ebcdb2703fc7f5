"""Values that later tasks read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from engine.plugin import Context, Task, TaskError, Template


class Values(BaseModel):
    """What was given, rendered."""

    values: dict[str, Any] = Field(description="The rendered values.")


class OutputValues(Task):
    """Keep rendered values as outputs: `{{ outputs.ID.values.NAME }}`."""

    outside = False

    values: Template = Field(
        Template({}), description="Values by name; they may be nested. What is one expression keeps its type."
    )

    async def run(self, ctx: Context) -> Values:
        """Return the values."""
        values = await ctx.render(self.values, typed=True)
        if not isinstance(values, dict):
            raise TaskError(f"values: must be a map, but is {values!r}")
        return Values(values=values)
