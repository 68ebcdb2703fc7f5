"""Labels as flows, their triggers and SLAs have them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.errors import Refused

GIVEN = frozenset({"system.correlationId"})
"""System labels that an execution may be given when it is created."""


class LabelPair(BaseModel):
    """A label in list form."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    key: str = Field(min_length=1)
    value: str = Field(min_length=1)


Labels = dict[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]] | list[LabelPair]


def label_map(labels: Labels | None) -> dict[str, str]:
    """Labels of either form as a map; the last of equal keys wins."""
    if isinstance(labels, list):
        return {pair.key: pair.value for pair in labels}
    return dict(labels or {})


def refuse_labels(labels: Mapping[str, Any], allowed: Set[str] = GIVEN) -> None:
    """Raises Refused for labels that nobody may give an execution: the engine's own, and empty ones."""
    for key, value in labels.items():
        if key.startswith("system.") and key not in allowed:
            raise Refused(f"System labels can only be set by Kestra itself, offending label: {key}={value}")
        if not key or value in (None, ""):
            raise Refused(f"A label needs a key and a value, but one is '{key}' with '{value or ''}'")


def check_labels(raw: Any, at: Path, collector: Collector, *, allowed: Set[str] = frozenset(), end: str = "") -> None:
    """Report labels that only the engine sets; `end` closes the sentence."""
    pairs: list[tuple[Path, Any, Any]] = []
    if isinstance(raw, dict):
        pairs = [((*at, key), key, value) for key, value in raw.items()]
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(item, dict):
            pairs.append(((*at, place, "key"), item.get("key"), item.get("value")))
    for path, key, value in pairs:
        if isinstance(key, str) and key.startswith("system.") and key not in allowed:
            text = f"System labels can only be set by Kestra itself, offending label: {key}={value}{end}"
            collector.error(path, text, "system-label", key=True)
