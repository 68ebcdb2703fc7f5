"""Schedules: executions at times."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.plugin import Calendar, Trigger
from engine.plugin.duration import Duration
from triggers.cron import parse_cron
from triggers.dates import Dates, Gap, Overlap
from triggers.timezone import Timezone, zone_of

Recover = Literal["ALL", "LAST", "NONE"]


class Dated(Trigger):
    """A trigger that has dates. `shows_dates`: its executions see theirs, and those before and after it."""

    starts: ClassVar[bool] = True
    shows_dates: ClassVar[bool] = True

    timezone: Timezone | None = Field(None, description="Time zone of the dates, such as Europe/Paris.")
    late_maximum_delay: Duration | None = Field(None, description="A date that is later than this is left out.")
    recover_missed_schedules: Recover | None = Field(None, description="Which dates that were missed are made up for.")

    def zone(self, otherwise: tzinfo) -> tzinfo:
        """The time zone of its dates."""
        return otherwise if self.timezone is None else zone_of(self.timezone)

    def calendar_in(self, otherwise: tzinfo) -> Calendar:
        """Its dates; `otherwise`: their zone where it names none."""
        return self.calendar(self.zone(otherwise))

    @abstractmethod
    def calendar(self, zone: tzinfo) -> Calendar:
        """Its dates in a zone."""


class ClockChanges(BaseModel):
    """What becomes of times of the day where clocks are set."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    gap: Gap = Field("NEXT_VALID", description="For a time that is left out: the next moment, none, or as much later.")
    overlap: Overlap = Field("FIRST", description="Which of two equal times is meant.")


class Schedule(Dated):
    """Start an execution at each date of a cron expression."""

    cron: str = Field(description="Minute, hour, day of month, month, day of week; or a nickname such as `@daily`.")
    with_seconds: bool = Field(False, description="Whether `cron` begins with a field for seconds.")
    dst: ClockChanges = Field(ClockChanges(), description="What becomes of times of the day where clocks are set.")
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

    def calendar(self, zone: tzinfo) -> Calendar:
        """The dates of the expression."""
        return Dates(parse_cron(self.cron, self.with_seconds), zone, self.dst.gap, self.dst.overlap)


class ScheduleOnDates(Dated):
    """Start an execution at each of some dates."""

    shows_dates: ClassVar[bool] = False

    dates: list[str] = Field(min_length=1, description="Dates with an offset, as 2024-01-31T10:00:00Z.")

    def calendar(self, zone: tzinfo) -> Calendar:
        """The dates. Raises ValueError for what is none."""
        return Listed([_date(text, zone) for text in self.dates])


class Listed:
    """Dates that are written one by one."""

    def __init__(self, dates: Sequence[datetime]) -> None:
        self._dates = sorted(dates)

    def after(self, moment: datetime) -> datetime | None:
        """The first one after a moment."""
        return next(iter(self._dates[bisect_right(self._dates, moment) :]), None)

    def before(self, moment: datetime) -> datetime | None:
        """The last one before a moment."""
        place = bisect_left(self._dates, moment)
        return self._dates[place - 1] if place else None


def _date(text: str, zone: tzinfo) -> datetime:
    try:
        # Some write the name of the zone behind the offset.
        moment = datetime.fromisoformat(text.partition("[")[0])
    except ValueError:
        raise ValueError(f"'{text}' is no date such as 2024-01-31T10:00:00Z") from None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
