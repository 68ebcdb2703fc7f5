"""How much time, work and memory one rendering may take."""

from __future__ import annotations

from engine.clock import monotonic
from engine.errors import LimitError
from engine.settings import Expressions

UNITS_PER_SECOND = 1_000_000
"""A unit of fuel stands for about a microsecond of work."""
QUANTUM = 1_000
"""Fuel between two looks at the clock."""
BYTES_PER_UNIT = 64
BRIEF_OPERATION = 0.02


class TooSlow(Exception):
    """Rendering needs more time than the event loop can spare; it has to go on in a thread."""


class Budget:
    """What a rendering may still use.

    seconds: time from now on, by default what the limits give
    brief: the event loop waits: TooSlow when the time is over, or when the work ahead would take longer
    """

    __slots__ = ("_brief", "_deadline", "_fuel", "_stopped", "_work", "limits")

    def __init__(self, limits: Expressions, seconds: float | None = None, brief: bool = False) -> None:
        self.limits = limits
        given = limits.seconds if seconds is None else seconds
        self._deadline = monotonic() + given
        self._brief = brief
        self._work = given * UNITS_PER_SECOND
        self._fuel = QUANTUM
        self._stopped = False

    def spend(self, units: int) -> None:
        """Count work; look at the clock now and then. Raises LimitError or TooSlow."""
        self._fuel -= units
        if self._fuel < 0:
            self._work -= QUANTUM - self._fuel
            self._fuel = QUANTUM
            self.check()

    def check(self) -> None:
        """Look at the clock. Raises LimitError or TooSlow."""
        if self._brief and (self._work < 0 or monotonic() > self._deadline):
            raise TooSlow
        if self._stopped or monotonic() > self._deadline:
            raise LimitError(f"Rendering timed out after {self.limits.seconds:g} s")

    def left(self) -> float:
        """Seconds that one operation may take which can't be interrupted otherwise; few on the event loop."""
        left = max(self._deadline - monotonic(), 0.001)
        return min(left, BRIEF_OPERATION) if self._brief else left

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
