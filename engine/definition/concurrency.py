"""The `concurrency` property of flows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ConcurrencyFields(BaseModel):
    """How many executions of a flow run at once; those that are paused count too."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    limit: int = Field(gt=0, description="How many; the latest revision of the flow counts.")
    behavior: Literal["QUEUE", "CANCEL", "FAIL"] = Field(
        "QUEUE", description="What becomes of an execution beyond them: it waits, is CANCELLED, or is FAILED."
    )
