"""Blocks that run tasks for each value of a list."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.plugin import Block, Kind, RawTask, Shape


class ForEach(Block):
    """Run tasks for each value of a list.

    The tasks read their value as `{{ taskrun.value }}`, always a text: `fromJson(taskrun.value)` gives what was no
    text. Values that stand twice count once.
    """

    values: str | list[Any] = Field(description="A list, or an expression that renders to a JSON array.")
    concurrency_limit: int = Field(1, ge=0, description="Values worked on at once; 0 is all.")
    child_failure_policy: Literal["STOP"] = Field("STOP", description="A failure stops the loop from going on.")
    tasks: list[RawTask] = Field(description="The tasks, one after another for each value.")

    def shape(self) -> Shape:
        """A lane for each value."""
        return Shape(Kind.FOREACH, ask=self.values, concurrent=self.concurrency_limit)


class EachSequential(Block):
    """Run tasks for each value of a list, one value after another. The old form of ForEach."""

    value: str | list[Any] = Field(description="A list, or an expression that renders to a JSON array.")
    tasks: list[RawTask] = Field(description="The tasks, one after another for each value.")

    def shape(self) -> Shape:
        """A lane for each value, one at a time."""
        return Shape(Kind.FOREACH, ask=self.value, concurrent=1)


class EachParallel(Block):
    """Run all tasks for all values of a list at the same time; a Sequential around them keeps those of a value ordered.

    The old form of ForEach.
    """

    value: str | list[Any] = Field(description="A list, or an expression that renders to a JSON array.")
    concurrent: int = Field(0, ge=0, description="How many tasks run at once; 0 is all.")
    tasks: list[RawTask] = Field(min_length=1, description="The tasks.")

    def shape(self) -> Shape:
        """Every task of every value at once, up to the limit."""
        return Shape(Kind.EACH_PARALLEL, ask=self.value, concurrent=self.concurrent)
