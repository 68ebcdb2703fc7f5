"""Starting an execution of another flow."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Call, Context, Task, TaskError, Template


class LabelPair(BaseModel):
    """A label in list form."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    key: str
    value: Any


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
    inherit_labels: bool | str = Field(False, description="Hand on the labels of this execution.")
    wait: bool = Field(True, description="End when that execution ends, not when it starts.")
    transmit_failed: bool = Field(True, description="End as that execution does: FAILED, KILLED or WARNING.")
    schedule_date: datetime | None = Field(None, description="When it starts, with its zone; by default now.")
    restart_behavior: Literal["RETRY_FAILED", "NEW_EXECUTION"] = Field(
        "RETRY_FAILED", description="A restart runs the failed execution again, or starts a new one."
    )
    outputs: Template | None = Field(
        None,
        description="Old: `outputs` in the place of those that the flow doesn't declare, rendered as it sees them.",
    )

    async def run(self, ctx: Context) -> SubflowOutputs | Call:
        """Ask for the execution."""
        return self.call()

    def call(self) -> Call:
        """The execution to be started. Raises TaskError."""
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
            inherit_labels=str(self.inherit_labels).strip().lower() == "true",
            wait=self.wait,
            transmit_failed=self.transmit_failed,
            schedule_date=None if date is None else int(date.timestamp() * 1000),
            restart=self.restart_behavior == "RETRY_FAILED",
            outputs=None if self.outputs is None else self.outputs.source,
        )
