"""Conditions about a date, by default that of the trigger."""

from __future__ import annotations

from abc import abstractmethod
from calendar import monthrange
from datetime import UTC, date, datetime, time
from typing import ClassVar, Literal

from pydantic import Field

from engine.plugin import Condition, Seen, TaskError
from plugins.core.condition.logic import OLD, old_names

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
PLACES = {"FIRST": 0, "SECOND": 1, "THIRD": 2, "FOURTH": 3}

Weekday = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


class DateCondition(Condition):
    """What a date must be."""

    date: str = Field("{{ trigger.date }}", description="The date.")

    async def holds(self, seen: Seen) -> bool:
        """Whether the date is so."""
        return await self.fits(moment(str(await seen.render(self.date))), seen)

    @abstractmethod
    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether a date is so."""


class DateTimeBetween(DateCondition):
    """The date lies after one and before another; the bounds are not included."""

    aliases: ClassVar[tuple[str, ...]] = (
        *old_names("DateTimeBetweenCondition", "DateBetweenCondition"),
        f"{OLD}DateTimeBetween",
    )

    after: str | None = Field(None, description="A date with its zone.")
    before: str | None = Field(None, description="A date with its zone.")

    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether it lies between."""
        if self.after is None and self.before is None:
            raise TaskError("Invalid condition with no before nor after")
        after = self.after is None or at > moment(str(await seen.render(self.after)))
        return after and (self.before is None or at < moment(str(await seen.render(self.before))))


class TimeBetween(DateCondition):
    """The time of day lies after one and before another; the bounds are not included, and have their offsets."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("TimeBetweenCondition"), f"{OLD}TimeBetween")

    after: str | None = Field(None, description="A time with its offset, as 16:00:00+02:00.")
    before: str | None = Field(None, description="A time with its offset.")

    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether it lies between."""
        if self.after is None and self.before is None:
            raise TaskError("Invalid condition with no before nor after")
        after = self.after is None or at > on_day(at, str(await seen.render(self.after)))
        return after and (self.before is None or at < on_day(at, str(await seen.render(self.before))))


class DayWeek(DateCondition):
    """The date is a certain day of the week."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("DayWeekCondition"), f"{OLD}DayWeek")

    day_of_week: Weekday = Field(description="MONDAY to SUNDAY.")

    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether it is that day."""
        return WEEKDAYS[at.weekday()] == self.day_of_week


class DayWeekInMonth(DateCondition):
    """The date is a certain day of the week for the first, second … or last time in its month."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("DayWeekInMonthCondition"), f"{OLD}DayWeekInMonth")

    day_of_week: Weekday = Field(description="MONDAY to SUNDAY.")
    day_in_month: Literal["FIRST", "SECOND", "THIRD", "FOURTH", "LAST"] = Field(description="For which time.")

    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether it is that day."""
        if WEEKDAYS[at.weekday()] != self.day_of_week:
            return False
        if self.day_in_month == "LAST":
            return at.day + 7 > monthrange(at.year, at.month)[1]
        return (at.day - 1) // 7 == PLACES[self.day_in_month]


class Weekend(DateCondition):
    """The date is a Saturday or a Sunday."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("WeekendCondition"), f"{OLD}Weekend")

    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether it is one."""
        return at.weekday() >= 5


class PublicHoliday(DateCondition):
    """The date is a public holiday of a country or a part of it."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("PublicHolidayCondition"), f"{OLD}PublicHoliday")

    country: str | None = Field(None, description="Its two letters, as DE; by default the United States.")
    sub_division: str | None = Field(None, description="Code of the part, as BE; it may begin with the country.")

    async def fits(self, at: datetime, seen: Seen) -> bool:
        """Whether it is one."""
        from holidays import country_holidays

        country = str(await seen.render(self.country or "US")).upper()
        part = None if self.sub_division is None else str(await seen.render(self.sub_division)).upper()
        try:
            found = country_holidays(country, subdiv=part and part.removeprefix(f"{country}-"), years=at.year)
        except NotImplementedError:
            raise TaskError(f"No holidays are known of '{country}'{f' {part}' if part else ''}") from None
        return at.date() in found


def moment(text: str) -> datetime:
    """A date, with or without a time, as an aware moment; UTC where it says no zone. Raises TaskError."""
    try:
        at = datetime.fromisoformat(text.strip().partition("[")[0])
    except ValueError:
        raise TaskError(f"'{text}' is not a date such as 2024-01-31T10:00:00+01:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def on_day(at: datetime, text: str) -> datetime:
    """A time of day on the day of a date. Raises TaskError."""
    try:
        clock = time.fromisoformat(text.strip())
    except ValueError:
        raise TaskError(f"'{text}' is not a time such as 16:00:00+02:00") from None
    day: date = at.astimezone(clock.tzinfo).date() if clock.tzinfo is not None else at.date()
    return datetime.combine(day, clock if clock.tzinfo is not None else clock.replace(tzinfo=at.tzinfo))
