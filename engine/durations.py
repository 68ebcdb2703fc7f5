"""Durations: ISO-8601 as `PT1H30M` or `P1D`, and in words for people."""

from __future__ import annotations

import re

_FORM = re.compile(
    r"([-+]?)P(?:([-+]?\d+)D)?(?:T(?=[-+\d])(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+(?:[.,]\d{0,9})?)S)?)?",
    re.IGNORECASE,
)
_MILLISECONDS = (86_400_000, 3_600_000, 60_000, 1000)


def parse_duration(text: str) -> int:
    """A duration in milliseconds, at least one where it isn't zero. Raises ValueError saying what is expected."""
    found = _FORM.fullmatch(text.strip()) if len(text) < 100 else None
    if found is None or not any(found.groups()[1:]):
        raise ValueError(f"must be a duration like PT30S, PT1H30M or P1D, but is '{text[:100]}'")
    sign, *parts = found.groups()
    total = sum(
        float(part.replace(",", ".")) * unit
        for part, unit in zip(parts, _MILLISECONDS, strict=True)
        if part is not None
    )
    if sign == "-":
        total = -total
    return round(total) or (total > 0) - (total < 0)


def duration_text(milliseconds: int) -> str:
    """A duration as `PT1H30M5.5S`."""
    minutes, rest = divmod(abs(milliseconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}H" * (hours > 0), f"{minutes}M" * (minutes > 0), f"{rest / 1000:g}S" * (rest > 0)]
    return f"{'-' * (milliseconds < 0)}PT{''.join(parts) or '0S'}"


def duration_words(milliseconds: int) -> str:
    """A duration for people: `3 ms`, `1.25 s`, `2 m 05 s`, `3 h 07 m`, `4 d 03 h`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.2f} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours < 48 else f"{hours // 24} d {hours % 24:02} h"
