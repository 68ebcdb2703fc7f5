"""Answers to what the executor asks: conditions, switch values, loop values, flow outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.clock import Clock
from engine.definition.coerce import Seal
from engine.definition.outputs import coerce_output
from engine.definition.templates import holds_template
from engine.durations import parse_duration
from engine.errors import ExpressionError, InvalidInputs, TidegateError
from engine.executor import deadlines
from engine.executor.after import LISTENER, is_after
from engine.executor.children import COLLECT, ITEMS_ASK
from engine.executor.finish import OUTPUTS
from engine.executor.lanes import truthy
from engine.executor.plan import Plan
from engine.expressions.masks import masked
from engine.expressions.needs import Needs
from engine.runtime.driving.assertions import Assertions
from engine.runtime.driving.gathering import Gathering
from engine.runtime.driving.items import Items, described, is_file
from engine.runtime.driving.waiting import approval_terms, pause_times
from engine.runtime.keeping.logs import LogPump, said
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.conditions import Sight, all_hold, subject
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.places import placed
from engine.runtime.rendering.renderer import Renderer, TooSlow
from engine.runtime.rendering.variables import Variables, View
from engine.state.command import Evaluate, Say
from engine.state.event import Evaluated
from engine.state.execution import Execution


class Question(NamedTuple):
    """The property to render, whether values keep their types, and what to make of the result."""

    name: str
    source: Any
    typed: bool
    finish: Callable[[Any], Any]


class Evaluator:
    """Renders what the executor asks for, at once where nothing has to be fetched."""

    def __init__(
        self,
        renderer: Renderer,
        look_ups: LookUps,
        vault: Vault,
        logs: LogPump,
        clock: Clock,
        items: Items,
        gathering: Gathering,
    ) -> None:
        self._items = items
        self._gathering = gathering
        self._renderer = renderer
        self._logs = logs
        self._assertions = Assertions(renderer, look_ups)
        self._look_ups = look_ups
        self._vault = vault
        self._clock = clock

    def now(self, plan: Plan, view: View, command: Evaluate) -> Evaluated | None:
        """The answer, or None where it needs I/O or more time than the loop can spare."""
        if command.ask == deadlines.ASK:
            return self._judged(view, command, plan)
        if command.ask == COLLECT or is_after(command.ask):
            return None
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
            return self._failed(view, command, _explained(error, question))

    async def later(self, plan: Plan, view: View, execution: Execution, command: Evaluate) -> Evaluated:
        """The answer, fetching what it needs."""
        if command.ask == deadlines.ASK:
            found = await self._assertions.later(plan, execution, _variables(view, command))
            return self._verdict(view, command, found)
        if command.ask == COLLECT:
            return await self._gathered(plan, view, command)
        if is_after(command.ask):
            return await self._listened(plan, view, command)
        question = _question(plan, command, self._vault.seal)
        variables = _variables(view, command)
        masks: set[str] = set()
        try:
            rendered = await self._renderer.render(
                question.source,
                variables,
                typed=question.typed,
                look_up=self._look_ups.for_execution(execution, variables),
                masks=masks,
            )
            if command.ask == ITEMS_ASK and is_file(rendered):
                described = await self._items.describe(rendered.strip(), execution.namespace)
                return self._answer(command, value=described)
            value = question.finish(rendered)
            if command.ask == OUTPUTS:
                value = self._vault.seal_secrets(value, masks)
            return self._answer(command, value=value)
        except (ExpressionError, InvalidInputs) as error:
            return self._failed(view, command, masked(_explained(error, question), masks))

    def _judged(self, view: View, command: Evaluate, plan: Plan) -> Evaluated | None:
        try:
            return self._verdict(view, command, self._assertions.now(plan, _variables(view, command)))
        except (Needs, TooSlow):
            return None

    def _verdict(self, view: View, command: Evaluate, found: list[bool | str | None]) -> Evaluated:
        """Which SLAs hold; of those that can't be looked at, the log tells once."""
        for text in self._assertions.news(view.record.execution, found):
            self._logs.line(said(view.record, Say("WARN", text), self._clock.now()))
        return self._answer(command, value=[None if isinstance(item, str) else item for item in found])

    async def _listened(self, plan: Plan, view: View, command: Evaluate) -> Evaluated:
        """Whether the conditions of a listener hold."""
        execution = view.record.execution
        outputs = {"trigger": {**view.trigger(), "outputs": execution.outputs or {}}}
        variables = view.of_flow().extended(outputs)
        look_up = self._look_ups.for_execution(execution, variables)
        masks: set[str] = set()

        async def render(source: Any) -> Any:
            return await self._renderer.render(source, variables, typed=False, look_up=look_up, masks=masks)

        sight = Sight(plan.namespace, plan.flow, render, subject(view.record))
        conditions = plan.listeners[int(command.ask.removeprefix(LISTENER))]
        holds, reason = await all_hold(conditions, sight)
        if reason is not None:
            self._logs.line(said(view.record, Say("WARN", masked(reason, masks)), self._clock.now()))
        return self._answer(command, value=holds)

    async def _gathered(self, plan: Plan, view: View, command: Evaluate) -> Evaluated:
        run = view.record.runs[command.path]
        try:
            value = await self._gathering.gather(view.record, run, plan.nodes[run.node])
        except TidegateError as error:
            return self._failed(view, command, f"Unable to gather the outputs: {error}")
        return self._answer(command, value=value)

    def _failed(self, view: View, command: Evaluate, error: str) -> Evaluated:
        """The answer that there is none; the reason is also a log line."""
        self._logs.line(said(view.record, Say("ERROR", error, command.path), self._clock.now()))
        return self._answer(command, error=error)

    def _answer(self, command: Evaluate, *, value: Any = None, error: str | None = None) -> Evaluated:
        return Evaluated(at=self._clock.now(), path=command.path, ask=command.ask, value=value, error=error)


def _variables(view: View, command: Evaluate) -> Variables:
    return view.of(view.record.runs[command.path]) if command.path else view.of_flow()


def _question(plan: Plan, command: Evaluate, seal: Seal) -> Question:
    if command.ask == OUTPUTS:
        declared = {output.id: output for output in plan.outputs}

        def coerced(values: dict[str, Any]) -> dict[str, Any]:
            return {id: coerce_output(declared[id], value, seal) for id, value in values.items()}

        return Question(OUTPUTS, {output.id: output.value for output in plan.outputs}, True, coerced)
    node = plan.nodes[_node(command.path)]
    if command.ask == "run_if":
        return Question("runIf", node.run_if, False, _same)
    if command.ask == "values":
        return Question("values", node.ask, False, loop_values)
    if command.ask == ITEMS_ASK:
        return Question("values", node.ask, True, _described)
    if command.ask == "limits":
        return Question("LoopUntil", {name: it for name, it in node.ask.items() if name != "condition"}, False, limits)
    if command.ask == "until":
        return Question("condition", node.ask["condition"], False, _same)
    if command.ask == "pause":
        return Question("Pause", node.ask, False, pause_times)
    if command.ask == "approval":
        return Question("Approval", node.ask, False, approval_terms)
    return Question(command.ask, node.ask, False, _same)


def _explained(error: ExpressionError | InvalidInputs, question: Question) -> str:
    """What went wrong and where. The values of outputs are named by the check of their types."""
    if isinstance(error, ExpressionError):
        return placed(error, question.source, question.name)
    return str(error)


def _node(path: str) -> Any:
    return path.rpartition("/")[2]


def _described(rendered: Any) -> dict[str, Any]:
    if is_file(rendered):
        # Its lines are counted later.
        raise Needs
    return described(rendered)


def _same(value: Any) -> Any:
    return value


def limits(rendered: dict[str, Any]) -> dict[str, Any]:
    """How often and how long a LoopUntil goes on, durations in milliseconds. Raises ExpressionError."""
    found: dict[str, Any] = {"fail": truthy(rendered["failOnMaxReached"])}
    for name, key in (("maxDuration", "duration"), ("interval", "interval")):
        text = rendered[name]
        try:
            found[key] = parse_duration(str(text)) if text not in (None, "") else None
        except ValueError as error:
            raise ExpressionError(f"{name} {error}") from None
    most = rendered["maxIterations"]
    try:
        found["iterations"] = int(str(most)) if most not in (None, "") else None
    except ValueError:
        raise ExpressionError(f"maxIterations must be a whole number, but is '{most}'") from None
    if found["interval"] is None:
        raise ExpressionError("interval must be a duration, but is empty")
    return found


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
