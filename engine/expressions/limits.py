"""How much time, work and memory one rendering may take."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import monotonic
from engine.errors import LimitError
from engine.settings import Expressions

QUANTUM = 2_000
"""Fuel between two looks at the clock; a unit is about the work of one pass through a loop."""
BYTES_PER_UNIT = 64


class TooSlow(Exception):
    """Rendering needs more time than the event loop can spare; it has to go on in a thread."""


class Budget:
    """What a rendering may still use. `seconds` from now on; `expired` makes the exception raised after them."""

    __slots__ = ("_deadline", "_expired", "_fuel", "_stopped", "limits")

    def __init__(
        self, limits: Expressions, seconds: float | None = None, expired: Callable[[], Exception] | None = None
    ) -> None:
        self.limits = limits
        self._deadline = monotonic() + (limits.seconds if seconds is None else seconds)
        self._expired = expired or self._out_of_time
        self._fuel = QUANTUM
        self._stopped = False

    def spend(self, units: int) -> None:
        """Count work; look at the clock now and then."""
        self._fuel -= units
        if self._fuel < 0:
            self.check()
            self._fuel = QUANTUM

    def check(self) -> None:
        """Raise when the time is over."""
        if self._stopped or monotonic() > self._deadline:
            raise self._expired()

    def left(self) -> float:
        """Seconds left, at least a millisecond."""
        return max(self._deadline - monotonic(), 0.001)

    def stop(self) -> None:
        """End the rendering at its next look at the clock; from any thread."""
        self._stopped = True
        self._fuel = 0

    def text(self, size: int) -> None:
        """Count a text of `size` characters. Raises LimitError when it is larger than an output may be."""
        if size > self.limits.output_bytes:
            raise LimitError(f"The rendered text exceeds the maximum allowed size of {self.limits.output_bytes} bytes")
        self.spend(size // BYTES_PER_UNIT)

    def items(self, count: int) -> None:
        """Count a list of `count` items. Raises LimitError when that is too many."""
        if count > self.limits.items:
            raise LimitError(f"A list of {count} items exceeds the maximum of {self.limits.items}")
        self.spend(count // 8)

    def _out_of_time(self) -> Exception:
        return LimitError(f"Rendering timed out after {self.limits.seconds:g} s")
