"""Tasks about the execution that they run in."""

from __future__ import annotations

from pydantic import Field

from engine.plugin import Context, Task, TaskError

# A rendered condition that is one of these doesn't hold.
FALSY = ("", "false", "0", "-0")


class Fail(Task):
    """Fail, always or where a condition holds."""

    condition: str | None = Field(
        None, description="Fail only if this renders to something else than nothing, false or 0."
    )
    error_message: str = Field("Task failure", description="What to say.")

    async def run(self, ctx: Context) -> None:
        """Fail with the message, or end well where the condition doesn't hold."""
        if self.condition is None:
            raise TaskError(self.error_message)
        if self.condition.strip() not in FALSY:
            ctx.log(self.error_message, "ERROR")
            raise TaskError("Fail on a condition")
