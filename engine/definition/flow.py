"""A flow as users write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from engine.definition.concurrency import ConcurrencyFields
from engine.definition.declared import Input
from engine.definition.labels import Labels, label_map
from engine.definition.outputs import Output
from engine.definition.retry import RetryFields
from engine.definition.sla import CheckFields, SlaFields
from engine.definition.task import Task
from engine.plugin.base import property_name

RESERVED_IDS = frozenset(
    "pause resume force-run change-status kill executions search source disable enable".split()  # noqa: SIM905
)
USER_SYSTEM_LABELS = frozenset({"system.readOnly"})


class PluginDefaultFields(BaseModel):
    """Values for everything of a type. What is missing or wrong with it is told by `check_defaults`."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    type: str | None = Field(None, description="Full or short name of a type, or the front of several.")
    values: dict[str, Any] | None = Field(None, description="Properties and their values.")
    forced: bool = Field(False, description="Whether they win over what is written at the task.")


class Listener(BaseModel):
    """A listener as users write it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    description: str | None = Field(None, description="What it is for, in Markdown.")
    conditions: list[dict[str, Any]] | None = Field(None, description="Conditions that must all hold.")
    tasks: list[dict[str, Any]] = Field(min_length=1, description="The tasks, in order.")


class FlowFields(BaseModel):
    """The properties of a flow."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=property_name)

    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$", min_length=1, max_length=100)] = Field(
        description="Name of the flow, unique in its namespace."
    )
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", min_length=1, max_length=150)] = Field(
        description="Where the flow belongs; dots make a hierarchy."
    )
    revision: int | None = Field(None, ge=1, description="Ignored: saving a flow gives it its revision.")
    description: str | None = Field(None, description="What the flow is for, in Markdown.")
    labels: Labels | None = Field(None, description="Labels of every execution: a map, or a list of key and value.")
    inputs: tuple[Input, ...] | None = Field(None, description="What an execution takes.")
    variables: dict[str, Any] | None = Field(None, description="Values for expressions, as `vars.name`.")
    tasks: list[dict[str, Any]] = Field(
        default=[], min_length=1, validate_default=True, description="What to run, in this order."
    )
    errors: list[dict[str, Any]] | None = Field(None, description="Tasks that run after a task failed.")
    finally_: list[dict[str, Any]] | None = Field(None, description="Tasks that run at the end, whatever happened.")
    after_execution: list[dict[str, Any]] | None = Field(
        None, description="Tasks that run once the execution has ended; they change nothing of its state."
    )
    listeners: tuple[Listener, ...] | None = Field(
        None, description="Old: tasks that run after the end where conditions hold."
    )
    triggers: list[dict[str, Any]] | None = Field(None, description="What starts executions.")
    plugin_defaults: tuple[PluginDefaultFields, ...] | None = Field(
        None,
        validation_alias=AliasChoices("pluginDefaults", "taskDefaults"),
        description="Properties for all tasks, triggers and task runners of a type.",
    )
    outputs: tuple[Output, ...] | None = Field(None, description="What an execution gives back.")
    retry: RetryFields | None = Field(None, description="For every task that has no retry of its own.")
    concurrency: ConcurrencyFields | None = Field(None, description="How many executions may run at once.")
    sla: list[SlaFields] | None = Field(None, description="What every execution must keep to.")
    checks: list[CheckFields] | None = Field(None, description="What must hold before an execution is created.")
    disabled: bool = Field(False, description="No execution may be created.")
    deleted: bool = Field(False, description="Ignored: flows are deleted by command.")
    tenant_id: str | None = Field(None, description="Ignored: there is one tenant.")

    def label_map(self) -> dict[str, str]:
        """The flow's labels by key, without those that only the engine sets."""
        return {key: value for key, value in label_map(self.labels).items() if not key.startswith("system.")}


class Flow(FlowFields):
    """A flow without mistakes. `branches` holds its tasks as read, those of its listeners too."""

    branches: Mapping[str, tuple[Task, ...]] = Field(default_factory=dict, exclude=True)
    listener_conditions: tuple[tuple[Any, ...], ...] = Field((), exclude=True)
    trigger_definitions: tuple[Any, ...] = Field((), exclude=True)


NOT_AVAILABLE: Mapping[str, str] = {
    "workerGroup": "executions run on any worker",
    "workerSelector": "executions run on any worker",
    "quotas": "executions would not be limited",
    "policyRefs": "they would not be applied",
}
"""Properties that this version refuses, for a flow that relies on them must not run without, and why."""
