"""Waiting for somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.plugin import Block, Child, Kind, RawTask, Shape, parse_duration

Place = tuple[str | int, ...]
BEHAVIORS = ("RESUME", "WARN", "CANCEL", "FAIL")


def _duration(text: str) -> str:
    if "{{" not in text and parse_duration(text) <= 0:
        raise ValueError(f"must be longer than zero, but is '{text}'")
    return text


Duration = Annotated[str, AfterValidator(_duration)]


class Pause(Block):
    """Wait until somebody resumes the execution, or until a time is over; then run its tasks, if it has any.

    Outputs: `onResume`, the values given when it was resumed, and `resumed`: by whom, on which date, to which state.
    """

    pause_duration: Duration | None = Field(None, description="How long it lasts at most, as PT30M; then `behavior`.")
    delay: Duration | None = Field(None, description="The old name of `pauseDuration`.")
    timeout: Duration | None = Field(None, description="It fails when not resumed in this time; without pauseDuration.")
    behavior: str = Field("RESUME", description="At the end of pauseDuration: RESUME, WARN, CANCEL or FAIL.")
    on_resume: list[dict[str, Any]] | None = Field(None, description="Inputs to be given when it is resumed.")
    on_pause: RawTask | None = Field(None, description="A task to run while it waits, as one that tells somebody.")
    tasks: list[RawTask] | None = Field(
        None, description="Tasks to run after it was resumed. Old: write them after it."
    )

    def shape(self) -> Shape:
        """One branch, after the wait."""
        times = {
            "pauseDuration": self.pause_duration or self.delay,
            "timeout": self.timeout,
            "behavior": self.behavior,
        }
        return Shape(Kind.PAUSE, ask=times, inputs=("onResume", self.on_resume))

    @classmethod
    def children(cls, raw: Mapping[str, Any]) -> Iterator[Child]:
        """The task of `onPause`, then those of its lists."""
        if isinstance(raw.get("onPause"), Mapping):
            yield Child("onPause", ("onPause",), raw["onPause"])
        yield from super().children(raw)

    def diagnose(self) -> Iterator[tuple[Place, str]]:
        """A behavior that exists; one that is an expression is seen when it is reached."""
        if "{{" not in self.behavior and self.behavior not in BEHAVIORS:
            yield ("behavior",), f"must be one of {', '.join(BEHAVIORS)}, but is '{self.behavior}'"
