"""Names of time zones as users write them."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from engine.nearness import did_you_mean, near_names

OFFSET = re.compile(r"(?:UTC|GMT|UT)?[+-](?:0?\d|1[0-8])(?::?[0-5]\d){0,2}|Z")


def _known(text: str) -> str:
    if OFFSET.fullmatch(text):
        return text
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        # A name that isn't there, that is a folder, or that leads out of the folder of zones.
        region = text.partition("/")[0]
        near = did_you_mean(near_names(text, sorted(it for it in available_timezones() if it.startswith(region))))
        raise ValueError(f"timezone '({text})' is not a valid time-zone ID{near}") from None
    return text


def zone_of(text: str) -> tzinfo:
    """The zone of a name or an offset that is one."""
    if not OFFSET.fullmatch(text):
        return ZoneInfo(text)
    sign = text.find("-") if "-" in text else text.find("+")
    if sign < 0:
        return UTC
    numbers = re.findall(r"\d\d?", text[sign:])
    hours, minutes, seconds = (*map(int, numbers), 0, 0)[:3]
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if text[sign] == "-" else offset)


Timezone = Annotated[str, AfterValidator(_known)]
"""A name such as Europe/Paris, or an offset such as +02:00."""
