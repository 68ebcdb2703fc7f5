"""Flow triggers: executions started by what other executions come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from engine.definition.labels import Labels
from engine.plugin import Condition, Heard, Trigger
from engine.state.heard import ALL, both
from engine.state.status import Status
from plugins.core.condition import TimeWindow
from triggers.window import Window

Id = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)]
Operator = Literal[
    "EQUAL_TO", "NOT_EQUAL_TO", "IS_NULL", "IS_NOT_NULL", "IS_TRUE", "IS_FALSE", "STARTS_WITH", "ENDS_WITH", "REGEX",
    "CONTAINS", "IN", "NOT_IN",
]  # fmt: skip

DEFAULT_STATES = (
    Status.SUCCESS, Status.WARNING, Status.FAILED, Status.KILLED, Status.CANCELLED, Status.RETRIED, Status.SKIPPED,
    Status.PAUSED,
)  # fmt: skip

EVERY = (
    "This flow will be triggered for EVERY execution of EVERY flow on your instance. Say which ones by "
    "`dependsOn`, `preconditions` or `conditions`."
)


class Part(BaseModel):
    """A part of a Flow trigger."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)


class Upstream(Part):
    """Executions that are waited for; whatever is given must be equal."""

    namespace: str | None = None
    flow_id: str | None = None
    states: list[Status] | None = None
    labels: Labels | None = None

    def hears(self) -> Heard:
        """The executions that it can be about."""
        states = None if self.states is None else frozenset(self.states)
        return Heard(self.namespace, self.flow_id, states=states)


class PreconditionFlow(Upstream):
    """Executions that a precondition waits for."""

    namespace: str = Field(min_length=1)


class Filter(Part):
    """One comparison with an execution."""

    field: Literal["FLOW_ID", "NAMESPACE", "STATE", "EXPRESSION"] = Field(description="What is compared.")
    type: Operator = Field(description="How it is compared.")
    value: Any = Field(None, description="What it is compared with; for EXPRESSION what is rendered.")
    values: list[Any] | None = Field(None, description="For IN and NOT_IN: what it is compared with.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        several = self.type in ("IN", "NOT_IN")
        needed, other = ("values", "value") if several else ("value", "values")
        if several and self.value is not None:
            raise ValueError(f"`{other}` must be null for type {self.type}")
        if getattr(self, needed) is None:
            raise ValueError(f"`{needed}` cannot be null for type {self.type}")
        if getattr(self, other) is not None:
            raise ValueError(f"`{other}` must be null for type {self.type}")
        return self

    def hears(self) -> Sequence[Heard]:
        """The executions that can pass it, as far as that is known before."""
        given = [str(value) for value in (self.values if self.type == "IN" else [self.value]) or ()]
        match self.field, self.type:
            case "NAMESPACE", "EQUAL_TO" | "IN":
                return [Heard(name) for name in given]
            case "NAMESPACE", "STARTS_WITH":
                return [Heard(name, prefix=True) for name in given]
            case "FLOW_ID", "EQUAL_TO" | "IN":
                return [Heard(flow=name) for name in given]
            case "STATE", "EQUAL_TO" | "IN":
                return [Heard(states=frozenset(state for state in Status if state.value in given))]
        return ALL


class Where(Part):
    """Comparisons that an execution must pass, all or one of them."""

    id: Id
    operand: Literal["AND", "OR"] = "AND"
    filters: list[Filter] = Field(min_length=1)

    def hears(self) -> Sequence[Heard]:
        """The executions that can pass it."""
        each = [part.hears() for part in self.filters]
        return [heard for one in each for heard in one] if self.operand == "OR" else _all(each)


class Preconditions(Part):
    """Executions that must all have happened in a window."""

    id: Id = Field(description="Name of the stored window, unique in the flow.")
    flows: list[PreconditionFlow] | None = Field(None, description="Executions that are waited for.")
    where: list[Where] | None = Field(None, description="The same, by comparisons.")
    time_window: TimeWindow | None = Field(None, description="In which time they must happen.")
    reset_on_success: bool = Field(True, description="Whether everything is waited for anew after it fired.")

    def hears(self) -> Sequence[Heard]:
        """The executions that something of it can be about."""
        parts = [heard for where in self.where or () for heard in where.hears()]
        return [*(flow.hears() for flow in self.flows or ()), *parts] or ALL


class Dependency(Upstream):
    """One entry of `dependsOn`."""

    when: str | bool = Field("true", description="Expression on the execution that ended.")


class OnMiss(Part):
    """What becomes of a window that closes before everything has happened."""

    behavior: Literal["FAIL"] = "FAIL"
    labels: Labels | None = None


class Flow(Trigger):
    """Start an execution when executions of other flows have come to something."""

    starts: ClassVar[bool] = True

    states: list[Status] | None = Field(None, description="States that count; by default all at the end, and PAUSED.")
    preconditions: Preconditions | None = Field(None, description="Executions that must all have happened.")
    depends_on: list[Dependency] | None = Field(None, description="The same in dialect 2.")
    window: Window | None = Field(None, description="In which time what `dependsOn` names must happen.")
    mode: Literal["ALL", "ANY", "AT_LEAST"] = Field("ALL", description="How many of `dependsOn` must happen.")
    min_satisfied: int | None = Field(None, gt=0, description="How many for AT_LEAST.")
    on_miss: OnMiss | None = Field(None, description="What becomes of a window that closes too early.")
    wait_for_all_retries: bool = Field(False, description="Whether a failed attempt that is tried again counts not.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if Status.CREATED in (self.states or ()):
            raise ValueError("'states' can't hold CREATED")
        if self.mode == "AT_LEAST" and self.min_satisfied is None:
            raise ValueError("'minSatisfied' is required for mode AT_LEAST")
        if self.min_satisfied is not None and self.mode != "AT_LEAST":
            raise ValueError("'minSatisfied' has no meaning but for mode AT_LEAST")
        if self.on_miss is not None and not self.depends_on:
            raise ValueError("'onMiss' has no meaning without 'dependsOn'")
        if self.on_miss is not None and self.window is not None and self.window.lookback is not None:
            raise ValueError("'onMiss' has no meaning beside 'lookback': such a window never closes")
        return self

    @property
    def expects(self) -> bool:
        """Whether somebody wants to know what didn't happen."""
        return self.on_miss is not None

    def hears(self, conditions: Sequence[Condition]) -> Sequence[Heard]:
        """The executions that could start something."""
        states = frozenset(self.states or DEFAULT_STATES)
        parts: list[Sequence[Heard]] = [[Heard(states=states)], *(condition.hears() for condition in conditions)]
        if self.preconditions is not None:
            parts.append(self.preconditions.hears())
        if self.depends_on:
            parts.append([dependency.hears() for dependency in self.depends_on])
        return _all(parts)

    @classmethod
    def warn(cls, raw: Mapping[str, Any]) -> Iterator[str]:
        """A trigger that names nothing is for everything."""
        if not any(raw.get(name) for name in ("conditions", "preconditions", "dependsOn", "when")):
            yield EVERY


def _all(parts: Iterable[Sequence[Heard]]) -> Sequence[Heard]:
    """What belongs to each of the parts."""
    found: Sequence[Heard] = ALL
    for part in parts:
        found = both(found, part)
    return found
