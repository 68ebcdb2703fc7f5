"""Conditions about the execution that something is to follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine.plugin import Condition, Heard, Seen, Status, holds_true
from plugins.core.condition.logic import OLD, old_names


class ExecutionFlow(Condition):
    """The execution is one of a certain flow."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("ExecutionFlowCondition"), f"{OLD}ExecutionFlow")

    namespace: str = Field(min_length=1, description="Namespace of the flow.")
    flow_id: str = Field(min_length=1, description="Id of the flow.")

    def hears(self) -> Sequence[Heard]:
        """Those of that flow."""
        return (Heard(self.namespace, self.flow_id),)

    async def holds(self, seen: Seen) -> bool:
        """Whether it is one of that flow."""
        return (seen.execution.namespace, seen.execution.flow) == (self.namespace, self.flow_id)


class ExecutionNamespace(Condition):
    """The execution is one of a namespace."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("ExecutionNamespaceCondition"), f"{OLD}ExecutionNamespace")

    namespace: str = Field(min_length=1, description="The namespace, or a part of its name.")
    comparison: Literal["EQUALS", "PREFIX", "SUFFIX"] | None = Field(None, description="How the names are compared.")
    prefix: bool = Field(False, description="Short for PREFIX; without effect beside `comparison`.")

    def hears(self) -> Sequence[Heard]:
        """Those of namespaces whose names begin so, where that is known."""
        suffix = self._compared() == "SUFFIX"
        return (Heard() if suffix else Heard(self.namespace, prefix=self._compared() == "PREFIX"),)

    async def holds(self, seen: Seen) -> bool:
        """Whether the namespace fits."""
        comparison = self._compared()
        name = seen.execution.namespace
        if comparison == "PREFIX":
            return name.startswith(self.namespace)
        return name.endswith(self.namespace) if comparison == "SUFFIX" else name == self.namespace

    def _compared(self) -> str:
        return self.comparison or ("PREFIX" if self.prefix else "EQUALS")


class ExecutionLabels(Condition):
    """The execution has certain labels."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("ExecutionLabelsCondition"), f"{OLD}ExecutionLabels")

    labels: dict[str, Any] | list[dict[str, Any]] = Field(description="Labels: a map, or a list of key and value.")

    async def holds(self, seen: Seen) -> bool:
        """Whether it has all of them, with these values."""
        wanted = self.labels
        pairs = wanted.items() if isinstance(wanted, dict) else [(pair["key"], pair["value"]) for pair in wanted]
        return all(seen.execution.labels.get(str(key)) == str(value) for key, value in pairs)


class ExecutionStatus(Condition):
    """The execution is in one of some states, and in none of others."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("ExecutionStatusCondition"), f"{OLD}ExecutionStatus")

    in_: list[Status] | None = Field(None, description="One of these; without them any.")
    not_in: list[Status] | None = Field(None, description="None of these.")

    def hears(self) -> Sequence[Heard]:
        """Those that come to one of the states."""
        return (Heard(states=frozenset(state for state in Status if fits(state, self.in_, self.not_in))),)

    async def holds(self, seen: Seen) -> bool:
        """Whether the state fits."""
        return fits(seen.execution.state, self.in_, self.not_in)


class HasRetryAttempt(Condition):
    """A task of the execution was tried more than once, and one of its attempts ended in one of some states."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("HasRetryAttemptCondition"), f"{OLD}HasRetryAttempt")

    in_: list[Status] | None = Field(None, description="One of these; without them any.")
    not_in: list[Status] | None = Field(None, description="None of these.")

    async def holds(self, seen: Seen) -> bool:
        """Whether there is such a task run."""
        return any(
            fits(state, self.in_, self.not_in)
            for attempts in seen.execution.attempts
            if len(attempts) > 1
            for state in attempts
        )


class ExecutionOutputs(Condition):
    """The execution has outputs, and an expression about them holds. It sees them as `trigger.outputs`."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("ExecutionOutputsCondition"), f"{OLD}ExecutionOutputs")

    expression: str = Field(description="What decides.")

    async def holds(self, seen: Seen) -> bool:
        """Whether there are outputs for which it holds."""
        return bool(seen.execution.outputs) and holds_true(await seen.render(self.expression))


def fits(state: str, among: Iterable[Status] | None, apart: Iterable[Status] | None) -> bool:
    """Whether a state is among some, where there are some, and apart from others."""
    return (among is None or state in set(among)) and (apart is None or state not in set(apart))
