"""Log lines of a flow's own."""

from __future__ import annotations

from pydantic import Field

from engine.plugin import Context, Level, Task


class Log(Task):
    """Write lines to the log."""

    message: str | list[str] = Field(description="One message, or a list with a line for each.")
    level: Level = Field("INFO", description="How grave it is.")

    async def run(self, ctx: Context) -> None:
        """Log each message."""
        for message in [self.message] if isinstance(self.message, str) else self.message:
            ctx.log(message, self.level)
