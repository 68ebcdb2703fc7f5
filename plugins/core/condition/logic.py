"""Conditions made of expressions and of other conditions, and those about the flow itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from engine.plugin import Condition, Heard, Seen, holds_true

FAMILY = "io.kestra.plugin.core.condition."
OLD = "io.kestra.core.models.conditions.types."


def old_names(*names: str) -> tuple[str, ...]:
    """The names that a condition had before."""
    return tuple(f"{family}{name}" for family in (FAMILY, OLD) for name in names)


class Expression(Condition):
    """An expression renders to something that is neither blank nor `false`."""

    aliases: ClassVar[tuple[str, ...]] = (
        *old_names("ExpressionCondition", "VariableCondition"),
        f"{OLD}Expression",
    )

    expression: str = Field(description="What decides.")

    async def holds(self, seen: Seen) -> bool:
        """Whether it renders to something."""
        return holds_true(await seen.render(self.expression))


class Not(Condition):
    """None of some conditions holds."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("NotCondition"), f"{OLD}Not")

    conditions: list[Condition] = Field(min_length=1, description="The conditions.")

    async def holds(self, seen: Seen) -> bool:
        """Whether none of them does."""
        return not any([await condition.holds(seen) for condition in self.conditions])


class Or(Condition):
    """At least one of some conditions holds."""

    aliases: ClassVar[tuple[str, ...]] = (*old_names("OrCondition"), f"{OLD}Or")

    conditions: list[Condition] = Field(min_length=1, description="The conditions.")

    def hears(self) -> Sequence[Heard]:
        """What any of them hears."""
        return [heard for condition in self.conditions for heard in condition.hears()]

    async def holds(self, seen: Seen) -> bool:
        """Whether one of them does."""
        return any([await condition.holds(seen) for condition in self.conditions])


class FlowCondition(Condition):
    """The flow that the condition belongs to is a certain one. Old: a flow knows itself."""

    aliases: ClassVar[tuple[str, ...]] = (f"{OLD}FlowCondition",)

    namespace: str = Field(min_length=1, description="Its namespace.")
    flow_id: str = Field(min_length=1, description="Its id.")

    async def holds(self, seen: Seen) -> bool:
        """Whether it is that flow."""
        return (seen.namespace, seen.flow) == (self.namespace, self.flow_id)


class FlowNamespaceCondition(Condition):
    """The flow that the condition belongs to lies in a namespace. Old: a flow knows its namespace."""

    aliases: ClassVar[tuple[str, ...]] = (f"{OLD}FlowNamespaceCondition",)

    namespace: str = Field(min_length=1, description="The namespace.")
    prefix: bool = Field(False, description="Whether its name only has to begin so.")

    async def holds(self, seen: Seen) -> bool:
        """Whether it lies there."""
        return seen.namespace.startswith(self.namespace) if self.prefix else seen.namespace == self.namespace
