"""Schedules: executions at times."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from engine.definition.duration import Duration
from engine.plugin import Trigger
from triggers.cron import parse_cron
from triggers.timezone import Timezone

Recover = Literal["ALL", "LAST", "NONE"]


class Schedule(Trigger):
    """Start an execution at each date of a cron expression."""

    cron: str = Field(description="Minute, hour, day of month, month, day of week; or a nickname such as `@daily`.")
    with_seconds: bool = Field(False, description="Whether `cron` begins with a field for seconds.")
    timezone: Timezone | None = Field(None, description="Time zone of the dates, such as Europe/Paris.")
    late_maximum_delay: Duration | None = Field(None, description="A date that is later than this is left out.")
    recover_missed_schedules: Recover | None = Field(None, description="Which dates that were missed are made up for.")
    schedule_conditions: list[dict[str, Any]] | None = Field(None, description="Old name of `conditions`.")
    backfill: dict[str, Any] | None = Field(None, description="Has no meaning any more: backfills are asked for.")
    interval: None = Field(None, description="Has no meaning for schedules.")

    @model_validator(mode="after")
    def _check_cron(self) -> Self:
        try:
            parse_cron(self.cron, self.with_seconds)
        except ValueError as error:
            raise ValueError(f"invalid cron expression '{self.cron}': {error}") from None
        return self


class ScheduleOnDates(Trigger):
    """Start an execution at each of some dates."""

    dates: list[str] = Field(min_length=1, description="Dates with an offset, as 2024-01-31T10:00:00Z.")
    timezone: Timezone | None = Field(None, description="Time zone of the dates, such as Europe/Paris.")
    recover_missed_schedules: Recover | None = Field(None, description="Which dates that were missed are made up for.")
    late_maximum_delay: Duration | None = Field(None, description="A date that is later than this is left out.")
