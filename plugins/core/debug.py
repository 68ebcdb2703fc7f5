"""Tasks that show a value."""

from __future__ import annotations

from pydantic import BaseModel, Field

from engine.plugin import Context, Level, Task, monotonic


class Value(BaseModel):
    """A rendered text."""

    value: str | None = Field(None, description="The rendered text.")


class Return(Task):
    """Return a rendered text as output.

    Good for looking at what an expression gives. Publishes the metrics `length` and `duration`.
    """

    outside = False

    format: str | None = Field(None, description="The text to return.")

    async def run(self, ctx: Context) -> Value:
        """Return the text."""
        started = monotonic()
        if self.format is not None:
            ctx.log(self.format, "DEBUG")
        ctx.metric("length", len(self.format or ""), format="true" if self.format else "false")
        ctx.metric("duration", (monotonic() - started) * 1000, "timer", format="true" if self.format else "false")
        return Value(value=self.format)


class Echo(Task):
    """Write a line to the log. `core.log.Log` does the same and more."""

    outside = False

    format: str = Field(description="The text to log.")
    level: Level = Field("INFO", description="How grave it is.")

    async def run(self, ctx: Context) -> None:
        """Log the text."""
        ctx.log(self.format, self.level)
