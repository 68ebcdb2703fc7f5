"""In which time several executions must have happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from engine.plugin import Duration, Several

Type = Literal["DURATION_WINDOW", "SLIDING_WINDOW", "DAILY_TIME_DEADLINE", "DAILY_TIME_WINDOW"]

NOT_FOR: dict[str, tuple[str, ...]] = {
    "DURATION_WINDOW": ("start_time", "end_time", "deadline"),
    "SLIDING_WINDOW": ("window_advance", "start_time", "end_time", "deadline"),
    "DAILY_TIME_DEADLINE": ("window", "window_advance", "start_time", "end_time"),
    "DAILY_TIME_WINDOW": ("window", "window_advance", "deadline"),
}
NEEDED: dict[str, tuple[str, ...]] = {
    "DAILY_TIME_DEADLINE": ("deadline",),
    "DAILY_TIME_WINDOW": ("start_time", "end_time"),
}
WORDS = {
    "window": "a window",
    "window_advance": "a window advance",
    "start_time": "a start time",
    "end_time": "an end time",
    "deadline": "a deadline",
}


class TimeWindow(BaseModel):
    """The window of dialect 1: `timeWindow` of preconditions, `sla` of old conditions."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    type: Type = Field("DURATION_WINDOW", description="How the window lies.")
    window: Duration | None = Field(None, description="How long it lasts; a day by default.")
    window_advance: str | None = Field(None, description="By how much a DURATION_WINDOW is shifted.")
    start_time: time | None = Field(None, description="Begin of a DAILY_TIME_WINDOW.")
    end_time: time | None = Field(None, description="End of a DAILY_TIME_WINDOW.")
    deadline: time | None = Field(None, description="End of a DAILY_TIME_DEADLINE, which begins at midnight.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if wrong := list(self._wrong()):
            raise Several(*wrong)
        return self

    def _wrong(self) -> Iterator[str]:
        for name in NOT_FOR[self.type]:
            if getattr(self, name) is not None:
                yield f"Time window of type `{self.type}` cannot have {WORDS[name]}."
        for name in NEEDED.get(self.type, ()):
            if getattr(self, name) is None:
                yield f"Time window of type `{self.type}` must have {WORDS[name]}."
