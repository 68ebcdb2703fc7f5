"""Doing the same until something holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Block, Kind, RawTask, Shape, parse_duration

Place = tuple[str | int, ...]


def _duration(text: str) -> str:
    if "{{" not in text and parse_duration(text) < 0:
        raise ValueError(f"must not be negative, but is '{text}'")
    return text


Duration = Annotated[str, AfterValidator(_duration)]


class CheckFrequency(BaseModel):
    """How often, and for how long."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    max_iterations: int | str | None = Field(None, description="How many passes at most; no limit if empty.")
    max_duration: Duration | None = Field(None, description="How long it goes on; no limit if empty.")
    interval: Duration = Field("PT1M", description="The wait between two passes.")


class LoopUntil(Block):
    """Run tasks again and again until a condition holds.

    Between two passes the execution is PAUSED; only the task runs of the last pass are kept. The tasks read the number
    of their pass as `{{ taskrun.iteration }}`, from 0. Output: `iterationCount`, the number of passes.
    """

    aliases: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.flow.WaitFor",)

    condition: str = Field(description="Asked after each pass; ends it unless it renders to nothing, false or 0.")
    fail_on_max_reached: bool | str = Field(False, description="FAILED at a limit, not the state of the tasks.")
    check_frequency: CheckFrequency = Field(default_factory=CheckFrequency, description="When, how often, how long.")
    tasks: list[RawTask] = Field(min_length=1, description="The tasks, one after another.")

    def shape(self) -> Shape:
        """The same children in each pass."""
        often = self.check_frequency
        asked = {
            "condition": self.condition,
            "failOnMaxReached": self.fail_on_max_reached,
            "maxIterations": often.max_iterations,
            "maxDuration": often.max_duration,
            "interval": often.interval,
        }
        return Shape(Kind.LOOP_UNTIL, ask=asked)

    def diagnose(self) -> Iterator[tuple[Place, str]]:
        """A number of passes; one that is an expression is seen when the block begins."""
        most = self.check_frequency.max_iterations
        if most is not None and "{{" not in str(most) and not str(most).isdecimal():
            yield ("checkFrequency", "maxIterations"), f"must be a whole number from 0, but is '{most}'"
