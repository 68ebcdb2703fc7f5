"""Conditions that different executions must fulfil together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import AliasChoices, Field, model_validator

from engine.plugin import Condition, Duration, Heard, Seen, TaskError
from plugins.core.condition.logic import OLD
from plugins.core.condition.window import TimeWindow


class MultipleCondition(Condition):
    """Executions fulfil some conditions together, in a window. Old: write `preconditions` of the Flow trigger."""

    aliases: ClassVar[tuple[str, ...]] = (f"{OLD}MultipleCondition",)

    id: str = Field(
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", description="Name of the stored window, unique in the flow."
    )
    conditions: dict[str, Condition] = Field(min_length=1, description="The conditions by name.")
    time_window: TimeWindow | None = Field(
        None, validation_alias=AliasChoices("timeWindow", "sla"), description="In which time they must be fulfilled."
    )
    window: Duration | None = Field(None, description="Old: how long the window lasts.")
    window_advance: str | None = Field(None, description="Old: by how much the window is shifted.")
    reset_on_success: bool = Field(True, description="Whether everything is waited for anew after it fired.")

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if self.time_window is not None and (self.window is not None or self.window_advance is not None):
            raise ValueError("'window' and 'windowAdvance' belong into 'timeWindow', which is there")
        return self

    @property
    def lies(self) -> TimeWindow | None:
        """In which time they must be fulfilled, however it is written."""
        if self.window is None and self.window_advance is None:
            return self.time_window
        # Not validated: the length is in milliseconds already.
        return TimeWindow.model_construct(
            type="DURATION_WINDOW", window=self.window, window_advance=self.window_advance
        )

    def hears(self) -> Sequence[Heard]:
        """What any of them hears."""
        return [heard for condition in self.conditions.values() for heard in condition.hears()]

    async def holds(self, seen: Seen) -> bool:
        """Can't be told of one execution alone."""
        raise TaskError("MultipleCondition has a meaning among the conditions of a Flow trigger only")
