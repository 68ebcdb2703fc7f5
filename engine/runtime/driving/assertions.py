"""Whether the assertions of a flow's SLAs hold."""

from __future__ import annotations

from collections import OrderedDict

from engine.errors import ExpressionError
from engine.executor.lanes import truthy
from engine.executor.plan import Plan, Sla
from engine.expressions.masks import masked
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.variables import Variables
from engine.state.execution import Execution

REMEMBERED = 10_000


class Assertions:
    """Renders assertions. One that can't be rendered is ignored, which is told once for each execution."""

    def __init__(self, renderer: Renderer, look_ups: LookUps) -> None:
        self._renderer = renderer
        self._look_ups = look_ups
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()

    def now(self, plan: Plan, variables: Variables) -> list[bool | str | None]:
        """For each SLA whether it holds, or why that can't be told. Raises Needs and TooSlow."""
        found: list[bool | str | None] = []
        for sla in plan.slas:
            try:
                found.append(None if sla.assertion is None else truthy(self._render(sla.assertion, variables)))
            except ExpressionError as error:
                found.append(_ignored(sla, str(error)))
        return found

    async def later(self, plan: Plan, execution: Execution, variables: Variables) -> list[bool | str | None]:
        """The same, fetching what it needs."""
        look_up = self._look_ups.for_execution(execution, variables)
        found: list[bool | str | None] = []
        for sla in plan.slas:
            masks: set[str] = set()
            try:
                rendered = sla.assertion and await self._renderer.render(
                    sla.assertion, variables, typed=False, look_up=look_up, masks=masks
                )
                found.append(None if sla.assertion is None else truthy(rendered))
            except ExpressionError as error:
                found.append(_ignored(sla, masked(str(error), masks)))
        return found

    def news(self, execution: Execution, found: list[bool | str | None]) -> list[str]:
        """Reasons that were not told of this execution yet."""
        new = []
        for place, item in enumerate(found):
            if isinstance(item, str) and (execution.id, place) not in self._told:
                self._told[execution.id, place] = None
                new.append(item)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return new

    def _render(self, assertion: str, variables: Variables) -> object:
        return self._renderer.render_now(assertion, variables, typed=False)


def _ignored(sla: Sla, error: str) -> str:
    return f"Ignoring SLA '{sla.id}' because of the error: {error}"
