"""Answers to what the executor asks: conditions, switch values, loop values, flow outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.clock import Clock
from engine.definition.coerce import Seal
from engine.definition.outputs import coerce_output
from engine.definition.templates import holds_template
from engine.errors import ExpressionError, InvalidInputs
from engine.executor.plan import Plan
from engine.expressions.needs import Needs
from engine.runtime.lookups import LookUps
from engine.runtime.renderer import Renderer, TooSlow
from engine.runtime.variables import Variables, View
from engine.runtime.vault import Vault
from engine.state.command import Evaluate
from engine.state.event import Evaluated
from engine.state.execution import Execution


class Question(NamedTuple):
    """What to render, whether values keep their types, and what to make of the result."""

    source: Any
    typed: bool
    finish: Callable[[Any], Any]


class Evaluator:
    """Renders what the executor asks for, at once where nothing has to be fetched."""

    def __init__(self, renderer: Renderer, look_ups: LookUps, vault: Vault, clock: Clock) -> None:
        self._renderer = renderer
        self._look_ups = look_ups
        self._vault = vault
        self._clock = clock

    def now(self, plan: Plan, view: View, command: Evaluate) -> Evaluated | None:
        """The answer, or None where it needs I/O or more time than the loop can spare."""
        question = _question(plan, command, self._vault.seal)
        try:
            rendered = question.source
            if holds_template(rendered):
                variables = _variables(view, command)
                rendered = self._renderer.render_now(rendered, variables, typed=question.typed)
            return self._answer(command, value=question.finish(rendered))
        except (Needs, TooSlow):
            return None
        except (ExpressionError, InvalidInputs) as error:
            return self._answer(command, error=str(error))

    async def later(self, plan: Plan, view: View, execution: Execution, command: Evaluate) -> Evaluated:
        """The answer, fetching what it needs."""
        question = _question(plan, command, self._vault.seal)
        variables = _variables(view, command)
        try:
            rendered = await self._renderer.render(
                question.source,
                variables,
                typed=question.typed,
                look_up=self._look_ups.for_execution(execution, variables),
            )
            return self._answer(command, value=question.finish(rendered))
        except (ExpressionError, InvalidInputs) as error:
            return self._answer(command, error=str(error))

    def _answer(self, command: Evaluate, *, value: Any = None, error: str | None = None) -> Evaluated:
        return Evaluated(at=self._clock.now(), path=command.path, ask=command.ask, value=value, error=error)


def _variables(view: View, command: Evaluate) -> Variables:
    return view.of(command.path) if command.path else view.of_flow()


def _question(plan: Plan, command: Evaluate, seal: Seal) -> Question:
    if command.ask == "outputs":
        declared = {output.id: output for output in plan.outputs}

        def coerced(values: dict[str, Any]) -> dict[str, Any]:
            return {id: coerce_output(declared[id], value, seal) for id, value in values.items()}

        return Question({output.id: output.value for output in plan.outputs}, True, coerced)
    node = plan.nodes[_node(command.path)]
    if command.ask == "run_if":
        return Question(node.run_if, False, _same)
    if command.ask == "values":
        return Question(node.ask, False, loop_values)
    return Question(node.ask, False, _same)


def _node(path: str) -> Any:
    return path.rpartition("/")[2]


def _same(value: Any) -> Any:
    return value


def loop_values(rendered: Any) -> list[Any]:
    """The values of a loop: a JSON array in a text, or a list whose numbers count as texts. Raises ExpressionError."""
    if isinstance(rendered, str):
        try:
            parsed = json.loads(rendered)
        except ValueError:
            raise ExpressionError(f"The values of a loop must be a JSON array, but are: {rendered[:200]}") from None
        if not isinstance(parsed, list):
            raise ExpressionError(f"The values of a loop must be a JSON array, but are: {rendered[:200]}")
        return parsed
    if not isinstance(rendered, list):
        raise ExpressionError(f"The values of a loop must be a list, but are of type {type(rendered).__name__}")
    for value in rendered:
        if isinstance(value, bool) or not isinstance(value, str | int | dict | None):
            raise ExpressionError(f"Unknown value element type: {type(value).__name__}")
    return [str(value) if isinstance(value, int) else value for value in rendered]
