"""What must hold before something happens: the conditions of listeners and triggers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from engine.plugin.base import Plugin
from engine.state.heard import ALL, Heard


class Subject(NamedTuple):
    """The execution that a condition is about.

    outputs: None where it has none
    attempts: for each of its task runs the states of its attempts
    """

    namespace: str
    flow: str
    state: str
    labels: Mapping[str, str]
    outputs: Mapping[str, Any] | None
    attempts: Sequence[Sequence[str]] = ()


class Seen(Protocol):
    """What a condition sees: who asks, and the execution in question, if there is one."""

    @property
    def namespace(self) -> str:
        """Of the flow that the condition belongs to."""
        ...

    @property
    def flow(self) -> str: ...

    @property
    def execution(self) -> Subject:
        """Raises TaskError where there is none."""
        ...

    async def render(self, source: Any) -> Any:
        """A text with its templates rendered. Raises ExpressionError."""
        ...


class Condition(Plugin):
    """Something that holds or doesn't. Its properties are not rendered."""

    def hears(self) -> Sequence[Heard]:
        """The executions that it can hold for; a Flow trigger is told of no others."""
        return ALL

    @abstractmethod
    async def holds(self, seen: Seen) -> bool:
        """Whether it holds. Raise anything where that can't be told: it counts as no, and is logged."""
