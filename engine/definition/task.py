"""What every task may have, whatever its type, and a task that was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.definition.declared import Input
from engine.definition.retry import RetryFields
from engine.durations import parse_duration
from engine.executor.plan import FlowOutput
from engine.plugin.base import Plugin, Shape


def _duration_or_template(value: str) -> str:
    if "{{" not in value and "{%" not in value:
        if parse_duration(value) <= 0:
            raise ValueError(f"must be longer than zero, but is '{value}'")
        return value.strip().upper()
    return value


TaskId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)]
DurationText = Annotated[str, AfterValidator(_duration_or_template)]


class TaskCache(BaseModel):
    """Whether outputs of an equal earlier run are used again."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    enabled: bool
    ttl: DurationText | None = None


class WorkerGroup(BaseModel):
    """Which workers may run a task."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    key: str
    fallback: Literal["FAIL", "WAIT", "CANCEL"] = "WAIT"


class TaskFields(BaseModel):
    """The properties that every task has."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    id: TaskId = Field(description="Name of the task, unique in the flow.")
    type: str = Field(min_length=1, description="Full or short name of the plugin type.")
    version: str | None = Field(None, description="Version of the plugin; has no effect here.")
    description: str | None = Field(None, description="What the task is for, in Markdown.")
    retry: RetryFields | None = Field(None, description="When the task is tried again after a failure.")
    timeout: DurationText | None = Field(None, description="How long one attempt may take, as PT10M.")
    disabled: bool = Field(False, description="Leave the task out as if it were not there.")
    run_if: str | None = Field(None, description="Expression; the task is SKIPPED when it is false, 0 or empty.")
    when: str | None = Field(None, description="The name of `runIf` in dialect 2.")
    allow_failure: bool = Field(False, description="A failure counts as WARNING, and the flow goes on.")
    allow_warning: bool = Field(False, description="A WARNING counts as SUCCESS.")
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] | None = Field(
        None, description="Lines of the task below this level are dropped."
    )
    log_to_file: bool = Field(False, description="Write the lines to a file of internal storage.")
    on_lost: Literal["RERUN", "FAIL"] = Field("RERUN", description="What becomes of an attempt whose process died.")
    task_cache: TaskCache | None = Field(None, description="Use outputs of an equal earlier run again.")
    worker_group: WorkerGroup | None = Field(None, description="Which workers may run the task.")


COMMON = frozenset(field.alias or name for name, field in TaskFields.model_fields.items())

NO_EFFECT: Mapping[str, str] = {
    "workerGroup": "the task runs on any worker",
    "version": "the installed version of the plugin is used",
}
"""Properties that are read and ignored, for ignoring them is safe, and what happens instead."""

NO_EFFECT_ON_FOLDERS: Mapping[str, str] = {"taskCache": "only tasks that run have outputs to keep"}
"""The same, where the task runs others in one folder."""

NO_EFFECT_ON_BLOCKS: Mapping[str, str] = {**NO_EFFECT_ON_FOLDERS, "logToFile": "only tasks that run have a log"}
"""The same, where the task is any other block."""


class Task(NamedTuple):
    """A task that was read: its common fields, its plugin and, for a block, its shape and children by branch.

    type_name: the full name of the plugin type
    properties: what belongs to the plugin, not rendered
    shape: None for a runnable task
    inputs: what a Pause asks for when it is resumed
    outputs: what each iteration of a Loop gives
    """

    fields: TaskFields
    type_name: str
    plugin: type[Plugin]
    properties: Mapping[str, Any]
    shape: Shape | None
    branches: Mapping[str, tuple[Task, ...]]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[FlowOutput, ...] = ()
