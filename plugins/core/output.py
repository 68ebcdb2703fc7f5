"""Values that later tasks read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from engine.plugin import Context, Task


class Values(BaseModel):
    """What was given, rendered."""

    values: dict[str, Any] = Field(description="The rendered values.")


class OutputValues(Task):
    """Keep rendered values as outputs: `{{ outputs.ID.values.NAME }}`."""

    values: dict[str, Any] = Field(default_factory=dict, description="Values by name; they may be nested.")

    async def run(self, ctx: Context) -> Values:
        """Return the values."""
        return Values(values=self.values)
