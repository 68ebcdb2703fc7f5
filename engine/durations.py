"""ISO-8601 durations, as `PT1H30M` or `P1D`."""

from __future__ import annotations

import re

_FORM = re.compile(
    r"([-+]?)P(?:([-+]?\d+)D)?(?:T(?=[-+\d])(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+(?:[.,]\d{0,9})?)S)?)?",
    re.IGNORECASE,
)
_MILLISECONDS = (86_400_000, 3_600_000, 60_000, 1000)


def parse_duration(text: str) -> int:
    """A duration in milliseconds. Raises ValueError saying what is expected."""
    found = _FORM.fullmatch(text.strip()) if len(text) < 100 else None
    if found is None or not any(found.groups()[1:]):
        raise ValueError(f"must be a duration like PT30S, PT1H30M or P1D, but is '{text[:100]}'")
    sign, *parts = found.groups()
    total = sum(
        float(part.replace(",", ".")) * unit
        for part, unit in zip(parts, _MILLISECONDS, strict=True)
        if part is not None
    )
    return round(-total if sign == "-" else total)
