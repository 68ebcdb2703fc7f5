"""Moments as properties: ISO-8601 date and time with a zone."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

ZONE_NAME = re.compile(r"\[[^\]]*\]$")


def _without_zone_name(value: Any) -> Any:
    """The offset says all, the name of the zone after it (`+01:00[Europe/Paris]`) nothing more."""
    return ZONE_NAME.sub("", value.strip()) if isinstance(value, str) else value


Moment = Annotated[AwareDatetime, BeforeValidator(_without_zone_name)]
