"""Blocks: how the tasks below them follow each other; and Sleep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

import anyio
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import (
    Block,
    Call,
    Child,
    Context,
    Kind,
    NodeId,
    RawTask,
    Shape,
    Task,
    TaskError,
    duration_text,
    parse_duration,
)

Place = tuple[str | int, ...]
BEHAVIORS = ("RESUME", "WARN", "CANCEL", "FAIL")


def _duration(text: str) -> str:
    if "{{" not in text and parse_duration(text) <= 0:
        raise ValueError(f"must be longer than zero, but is '{text}'")
    return text


Duration = Annotated[str, AfterValidator(_duration)]


class Sequential(Block):
    """Run tasks one after another."""

    tasks: list[RawTask] = Field(description="The tasks, in order.")

    def shape(self) -> Shape:
        """One child after another."""
        return Shape(Kind.SEQUENTIAL)


class Parallel(Block):
    """Run tasks at the same time."""

    tasks: list[RawTask] = Field(min_length=1, description="The tasks.")
    concurrent: int = Field(0, ge=0, description="How many run at once; 0 is all.")

    def shape(self) -> Shape:
        """All children at once, up to the limit."""
        return Shape(Kind.PARALLEL, concurrent=self.concurrent)


class AllowFailure(Block):
    """Run tasks one after another; where one fails, this block ends in WARNING and the flow goes on."""

    tasks: list[RawTask] = Field(min_length=1, description="The tasks, in order.")

    def shape(self) -> Shape:
        """One child after another; a failure counts as WARNING."""
        return Shape(Kind.ALLOW_FAILURE)


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


class LabelPair(BaseModel):
    """A label in list form."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    key: str
    value: Any


class DagTask(BaseModel):
    """A task of a Dag and what it waits for."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    task: RawTask = Field(description="The task.")
    depends_on: list[str] = Field(default_factory=list, description="Ids of the tasks that must have ended before.")


class Dag(Block):
    """Run tasks as soon as those they depend on have ended."""

    tasks: list[DagTask] = Field(min_length=1, description="The tasks and their dependencies.")
    concurrent: int = Field(0, ge=0, description="How many run at once; 0 is all.")

    def shape(self) -> Shape:
        """Each child after those it names."""
        waits = {NodeId(str(item.task.get("id"))): tuple(map(NodeId, item.depends_on)) for item in self.tasks}
        return Shape(Kind.DAG, concurrent=self.concurrent, depends_on=waits)

    @classmethod
    def children(cls, raw: Mapping[str, Any]) -> Iterator[Child]:
        """The tasks below `task`, and those of `errors` and `finally`."""
        for branch, place, tasks in cls.lists(raw):
            for index, item in enumerate(tasks if isinstance(tasks, list) else ()):
                if branch != "tasks":
                    yield Child(branch, (*place, index), item)
                elif isinstance(item, Mapping):
                    yield Child(branch, (*place, index, "task"), item.get("task"))


class Pause(Block):
    """Wait until somebody resumes the execution, or until a time is over; then run its tasks, if it has any.

    Outputs: `onResume`, the values given when it was resumed, and `resumed`: by whom, on which date, to which state.
    """

    pause_duration: Duration | None = Field(None, description="How long it lasts at most, as PT30M; then `behavior`.")
    delay: Duration | None = Field(None, description="The old name of `pauseDuration`.")
    timeout: Duration | None = Field(None, description="It fails when not resumed in this time; without pauseDuration.")
    behavior: str = Field("RESUME", description="At the end of pauseDuration: RESUME, WARN, CANCEL or FAIL.")
    on_resume: list[dict[str, Any]] | None = Field(None, description="Inputs to be given when it is resumed.")
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

    def diagnose(self) -> Iterator[tuple[Place, str]]:
        """A behavior that exists; one that is an expression is seen when it is reached."""
        if "{{" not in self.behavior and self.behavior not in BEHAVIORS:
            yield ("behavior",), f"must be one of {', '.join(BEHAVIORS)}, but is '{self.behavior}'"


class SubflowOutputs(BaseModel):
    """What is known of the execution that was started."""

    model_config = ConfigDict(alias_generator=to_camel)

    execution_id: str = Field(description="Its id.")
    state: str | None = Field(None, description="Its state at the end; with `wait` only.")
    outputs: dict[str, Any] | None = Field(None, description="Its outputs; with `wait` only.")


class Subflow(Task):
    """Start an execution of another flow and, unless told not to, wait for its end."""

    calls: ClassVar[bool] = True

    namespace: str = Field(min_length=1, description="Namespace of the flow.")
    flow_id: str = Field(min_length=1, description="Id of the flow.")
    revision: int | None = Field(None, ge=1, description="Its revision; by default the latest.")
    inputs: dict[str, Any] | None = Field(None, description="Inputs of the execution; files as URIs.")
    labels: dict[str, Any] | list[LabelPair] | None = Field(None, description="Labels: a map, or a list of key, value.")
    inherit_labels: bool = Field(False, description="Hand on the labels of this execution.")
    wait: bool = Field(True, description="End when that execution ends, not when it starts.")
    transmit_failed: bool = Field(True, description="End as that execution does: FAILED, KILLED or WARNING.")
    schedule_date: datetime | None = Field(None, description="When it starts, with its zone; by default now.")

    async def run(self, ctx: Context) -> SubflowOutputs | Call:
        """Ask for the execution."""
        given = self.labels or {}
        labels = {pair.key: pair.value for pair in given} if isinstance(given, list) else given
        for key, value in labels.items():
            if key.startswith("system."):
                raise TaskError(f"System labels can only be set by Kestra itself, offending label: {key}={value}")
        date = self.schedule_date
        if date is not None and date.tzinfo is None:
            raise TaskError("scheduleDate must say its zone, as 2030-01-31T10:00:00Z")
        return Call(
            namespace=self.namespace,
            flow=self.flow_id,
            revision=self.revision,
            inputs=self.inputs or {},
            labels={key: str(value) for key, value in labels.items()},
            inherit_labels=self.inherit_labels,
            wait=self.wait,
            transmit_failed=self.transmit_failed,
            schedule_date=None if date is None else int(date.timestamp() * 1000),
        )


class Sleep(Task):
    """Wait."""

    duration: timedelta = Field(description="How long, as PT30S or PT1H.")

    async def run(self, ctx: Context) -> None:
        """Wait for the duration."""
        ctx.log(f"Waiting for {duration_text(round(self.duration.total_seconds() * 1000))}")
        await anyio.sleep(self.duration.total_seconds())
