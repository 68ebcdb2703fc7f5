"""Blocks whose tasks all run: one after another, at the same time, or as they depend on each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Block, Child, Kind, NodeId, RawTask, Shape


class Sequential(Block):
    """Run tasks one after another."""

    tasks: list[RawTask] = Field(description="The tasks, in order.")

    def shape(self) -> Shape:
        """One child after another."""
        return Shape(Kind.SEQUENTIAL)


ON_CHILD_FAILURE = {
    "": "",
    "CONTINUE": "CONTINUE",
    "CANCEL": "CANCEL",
    "CANCELLED": "CANCEL",
    "FAIL": "FAIL",
    "FAILED": "FAIL",
}
"""The values of `onChildFailure`, in upper case, and what each comes to."""


class SideBySide(Block):
    """A block whose tasks run at the same time."""

    concurrent: int = Field(0, ge=0, description="How many run at once; 0 is all.")
    on_child_failure: str | None = Field(
        None,
        description="What becomes of the other tasks when one fails: they go on (CONTINUE; no more begin), or are "
        "stopped and end CANCELLED (CANCEL) or FAILED (FAIL, the default of dialect 2).",
    )

    def warn(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """A value that is none counts as CONTINUE."""
        if (self.on_child_failure or "").upper() not in ON_CHILD_FAILURE:
            text = f"'{self.on_child_failure}' counts as CONTINUE; write CONTINUE, CANCEL or FAIL"
            yield ("onChildFailure",), text

    def on_failure(self) -> str:
        """What `Shape` has to know of it."""
        return ON_CHILD_FAILURE.get((self.on_child_failure or "").upper(), "CONTINUE")


class Parallel(SideBySide):
    """Run tasks at the same time."""

    tasks: list[RawTask] = Field(min_length=1, description="The tasks.")

    def shape(self) -> Shape:
        """All children at once, up to the limit."""
        return Shape(Kind.PARALLEL, concurrent=self.concurrent, on_child_failure=self.on_failure())


class AllowFailure(Block):
    """Run tasks one after another; where one fails, this block ends in WARNING and the flow goes on."""

    tasks: list[RawTask] = Field(min_length=1, description="The tasks, in order.")

    def shape(self) -> Shape:
        """One child after another; a failure counts as WARNING."""
        return Shape(Kind.ALLOW_FAILURE)


class DagTask(BaseModel):
    """A task of a Dag and what it waits for."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    task: RawTask = Field(description="The task.")
    depends_on: list[str] = Field(default_factory=list, description="Ids of the tasks that must have ended before.")


class Dag(SideBySide):
    """Run tasks as soon as those they depend on have ended."""

    tasks: list[DagTask] = Field(min_length=1, description="The tasks and their dependencies.")

    def shape(self) -> Shape:
        """Each child after those it names."""
        waits = {NodeId(str(item.task.get("id"))): tuple(map(NodeId, item.depends_on)) for item in self.tasks}
        return Shape(Kind.DAG, concurrent=self.concurrent, depends_on=waits, on_child_failure=self.on_failure())

    @classmethod
    def children(cls, raw: Mapping[str, Any]) -> Iterator[Child]:
        """The tasks below `task`, and those of `errors` and `finally`."""
        for branch, place, tasks in cls.lists(raw):
            for index, item in enumerate(tasks if isinstance(tasks, list) else ()):
                if branch != "tasks":
                    yield Child(branch, (*place, index), item)
                elif isinstance(item, Mapping):
                    yield Child(branch, (*place, index, "task"), item.get("task"))
