"""Waiting for a time."""

from __future__ import annotations

from datetime import timedelta

import anyio
from pydantic import Field

from engine.plugin import Context, Task, duration_text


class Sleep(Task):
    """Wait."""

    duration: timedelta = Field(description="How long, as PT30S or PT1H.")

    async def run(self, ctx: Context) -> None:
        """Wait for the duration."""
        ctx.log(f"Waiting for {duration_text(round(self.duration.total_seconds() * 1000))}")
        await anyio.sleep(self.duration.total_seconds())
