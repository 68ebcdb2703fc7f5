"""Durations as properties of flows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from engine.durations import parse_duration


def _validate(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError(f"must be a duration like PT30S, PT1H30M or P1D, but is '{value}'")
    milliseconds = parse_duration(value)
    if milliseconds < 0:
        raise ValueError(f"must not be negative, but is '{value}'")
    return milliseconds


Duration = Annotated[int, BeforeValidator(_validate), WithJsonSchema({"type": "string", "format": "duration"})]
