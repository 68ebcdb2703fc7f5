"""What filters, functions and tests may ask of the rendering that calls them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Protocol

from engine.expressions.limits import Budget


class RenderScope(Protocol):
    """The first argument of every filter, function and test."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """What the template sees by name."""
        ...

    @property
    def zone(self) -> tzinfo:
        """The zone of dates that name none."""
        ...

    @property
    def locale(self) -> str:
        """The language of dates and numbers: `en_US`."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """What single functions ask for by name."""
        ...

    @property
    def budget(self) -> Budget:
        """What this rendering may still use."""
        ...

    def look_up(self, kind: str, *arguments: Any) -> Any:
        """The answer to a need. Raises Needs when it isn't there yet, ExpressionError when it failed."""
        ...

    def spend(self, cost: int) -> None:
        """Count work. Raises LimitError or TooSlow when the time is over."""
        ...

    def timeout(self) -> float:
        """Seconds left for one operation that can't be interrupted otherwise."""
        ...

    def mask(self, text: str) -> None:
        """Remember a text that must not show in logs."""
        ...

    def now(self) -> datetime:
        """The time of this rendering."""
        ...

    def random(self) -> random.Random:
        """A generator that gives the same numbers in each pass of this rendering."""
        ...

    def replace(self, old: list[Any], new: list[Any]) -> None:
        """Let the template see `new` where it saw `old`."""
        ...
