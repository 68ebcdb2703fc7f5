"""What a flow wants to hold before an execution of it is created."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from engine.definition.sla import CheckFields
from engine.errors import Blocked, ExpressionError
from engine.executor.lanes import truthy
from engine.executor.limits import REFUSED
from engine.expressions.masks import masked
from engine.runtime.flows.plans import Compiled
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.variables import View
from engine.state.event import Started
from engine.state.execution import Execution
from engine.state.record import Record
from engine.state.status import Status

BLOCK, FAIL, CREATE = "BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION"

Render = Callable[[Any], Awaitable[Any]]


class Unmet(NamedTuple):
    """A check that does not hold: what to tell, how to show it (ERROR, SUCCESS, WARNING, INFO), what follows."""

    message: str
    style: str
    behavior: str


class Checked(NamedTuple):
    """What came of all checks. behavior: BLOCK_EXECUTION, FAIL_EXECUTION or CREATE_EXECUTION"""

    behavior: str
    unmet: tuple[Unmet, ...]

    @property
    def messages(self) -> str:
        return "\n".join(one.message for one in self.unmet if one.behavior == self.behavior)


def most_restrictive(behaviors: Iterable[str | None]) -> str:
    """What follows from several checks that don't hold; without any the execution is created."""
    given = set(behaviors)
    return next((behavior for behavior in (BLOCK, FAIL) if behavior in given), CREATE)


async def check(checks: Sequence[CheckFields], render: Render) -> Checked:
    """Look at every check. A condition that can't be rendered blocks."""
    unmet = []
    for one in checks:
        try:
            if not truthy(await render(one.condition)):
                unmet.append(Unmet(str(await render(one.message)), one.style, one.behavior))
        except ExpressionError as error:
            text = f"Failed to evaluate check condition. Cause: {error}"
            unmet.append(Unmet(text, "ERROR", BLOCK))
    return Checked(most_restrictive(one.behavior for one in unmet), tuple(unmet))


class Checks:
    """Looks at the checks of a flow as its expressions see a new execution."""

    def __init__(self, renderer: Renderer, look_ups: LookUps) -> None:
        self._renderer = renderer
        self._look_ups = look_ups

    async def first_event(self, compiled: Compiled, execution: Execution, now: int) -> Started:
        """How an execution begins. Raises Blocked where it must not be created."""
        if not compiled.flow.checks:
            return Started(at=now)
        checked = await self.of(compiled, execution)
        if checked.behavior == BLOCK:
            raise Blocked(checked)
        if checked.behavior == FAIL:
            return Started(at=now, admission=REFUSED, state=Status.FAILED, reason=checked.messages)
        return Started(at=now)

    async def of(self, compiled: Compiled, execution: Execution) -> Checked:
        """What comes of the checks for an execution that is about to be created."""
        variables = View(compiled.plan, Record(execution)).of_flow()
        look_up = self._look_ups.for_execution(execution, variables)
        masks: set[str] = set()

        async def render(value: Any) -> Any:
            rendered = await self._renderer.render(value, variables, typed=False, look_up=look_up, masks=masks)
            return masked(rendered, masks)

        return await check(compiled.flow.checks or (), render)
