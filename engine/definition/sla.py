"""The `sla` and `checks` properties of flows: what executions must keep, and what must hold before one is created."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from engine.definition.collect import Collector
from engine.definition.dialect import difference
from engine.definition.labels import Labels, check_labels, label_map
from engine.executor.plan import Sla
from engine.plugin.duration import Duration
from engine.state.execution import Label
from engine.state.status import Status

BEHAVIORS = {"FAIL": Status.FAILED, "CANCEL": Status.CANCELLED, "NONE": None}


class SlaFields(BaseModel):
    """What every execution of the flow must keep to, and what becomes of one that doesn't."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    id: str = Field(min_length=1, description="Name of the SLA, for the log.")
    type: Literal["MAX_DURATION", "EXECUTION_ASSERTION"] = Field(description="A time limit, or what must always hold.")
    behavior: Literal["FAIL", "CANCEL", "NONE"] = Field(description="How the execution ends; with NONE it goes on.")
    duration: Duration | None = Field(None, description="For MAX_DURATION: the most time from its creation to its end.")
    assert_: str | None = Field(
        None, alias="assert", description="For EXECUTION_ASSERTION: looked at whenever the execution changes."
    )
    labels: Labels | None = Field(None, description="Labels that the execution gets.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        needed, other = ("duration", "assert") if self.type == "MAX_DURATION" else ("assert", "duration")
        given = {"duration": self.duration, "assert": self.assert_}
        if given[needed] is None:
            raise ValueError(f"'{needed}' is required for an SLA of type {self.type}")
        if given[other] is not None:
            raise ValueError(f"'{other}' has no meaning for an SLA of type {self.type}, remove it")
        return self

    def compiled(self) -> Sla:
        """The same for the plan."""
        return Sla(
            id=self.id,
            end=BEHAVIORS[self.behavior],
            labels=tuple(Label(key, value) for key, value in label_map(self.labels).items()),
            duration=self.duration,
            assertion=self.assert_,
        )


class CheckFields(BaseModel):
    """What must hold before an execution is created."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    condition: str = Field(
        validation_alias=AliasChoices("condition", "when"), description="An expression; true when all is well."
    )
    message: str = Field(min_length=1, description="What whoever starts the flow is told otherwise.")
    style: Literal["ERROR", "SUCCESS", "WARNING", "INFO"] = Field("INFO", description="How the message is shown.")
    behavior: Literal["BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION"] = Field(
        "BLOCK_EXECUTION", description="Whether there is no execution then, one that is FAILED, or one that runs."
    )


def check_slas(raw: Any, collector: Collector) -> None:
    """Report labels that only the engine sets."""
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(item, dict):
            check_labels(item.get("labels"), ("sla", place, "labels"), collector, end=".")


def check_checks(raw: Any, collector: Collector, dialect: int) -> None:
    """Report the name that dialect 2 has for conditions, in dialect 1."""
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        row = difference("check", "when") if isinstance(item, dict) and "when" in item else None
        if row is not None and dialect != row.only:
            text = f"exists in dialect 2 only, write '{row.instead}'"
            collector.error(("checks", place, "when"), text, "dialect", key=True)
