"""Blocks that run one list of tasks or another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from engine.plugin import Block, Kind, RawTask, Shape

Place = tuple[str | int, ...]


class If(Block):
    """Run one list of tasks or another. Output: `evaluationResult`."""

    condition: str = Field(description="What decides: false where it renders to nothing, false or 0.")
    then: list[RawTask] = Field(min_length=1, description="Tasks for true.")
    else_: list[RawTask] | None = Field(None, description="Tasks for false.")

    def shape(self) -> Shape:
        """The branch `then` or `else`."""
        return Shape(Kind.IF, ask=self.condition)

    @classmethod
    def lists(cls, raw: Mapping[str, Any]) -> Iterator[tuple[str, Place, Any]]:
        """The branches `then`, `else`, `errors` and `finally`."""
        for name in ("then", "else", "errors", "finally"):
            yield name, (name,), raw.get(name)


class Switch(Block):
    """Run the tasks of the case that a value names. Outputs: `value`, and `defaults`: no case matched."""

    value: str = Field(min_length=1, description="What decides.")
    cases: dict[str, list[RawTask]] | None = Field(None, description="Tasks by value.")
    defaults: list[RawTask] | None = Field(None, description="Tasks for every other value.")

    def shape(self) -> Shape:
        """The branch `case:VALUE` or `defaults`."""
        return Shape(Kind.SWITCH, ask=self.value)

    @classmethod
    def lists(cls, raw: Mapping[str, Any]) -> Iterator[tuple[str, Place, Any]]:
        """A branch `case:KEY` for each case, then `defaults`, `errors` and `finally`."""
        cases = raw.get("cases")
        for key, tasks in cases.items() if isinstance(cases, Mapping) else ():
            yield f"case:{key}", ("cases", key), tasks
        for name in ("defaults", "errors", "finally"):
            yield name, (name,), raw.get(name)

    def diagnose(self) -> Iterator[tuple[Place, str]]:
        """A Switch without any task decides nothing."""
        if not self.cases and not self.defaults:
            yield (), "No task defined, neither cases or default have any tasks"
