"""What people say to an execution that waits for them, as the events that it takes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.definition.inputs import InputState
from engine.executor import approval, edit, pause
from engine.executor.plan import Plan
from engine.runtime.actions.inputs import Inputs
from engine.runtime.rendering.variables import View
from engine.state.event import Resumed, Reviewed
from engine.state.execution import TaskRun


class Asked(NamedTuple):
    """An execution that may wait for somebody, and what its inputs are resolved with.

    here: whoever answers is on this machine, so that a FILE input may be a local path
    """

    plan: Plan
    view: View
    inputs: Inputs
    now: int
    here: bool

    async def resumed(self, task_run: str | None, given: Mapping[str, Any], by: str | None) -> list[Resumed]:
        """Let it go on: the Pause that is meant, and what was stopped by asking. Raises as `Control.resume` does."""
        run = pause.to_resume(self.plan, self.view.record, self._named(task_run))
        events = []
        if run is not None:
            values = await self._values(run, given)
            events.append(Resumed(at=self.now, path=run.path, since=run.history[-1].at, inputs=values, by=by))
        if self.view.record.execution.held:
            events.append(Resumed(at=self.now))
        return events

    async def previewed(self, task_run: str | None, given: Mapping[str, Any]) -> list[InputState]:
        """What would become of the inputs of the Pause that is meant. Raises Refused."""
        run = pause.to_resume(self.plan, self.view.record, self._named(task_run))
        if run is None:
            return []
        declared = self.plan.nodes[run.node].inputs
        return await self.inputs.preview(declared, self.view.record.execution, self.view.of(run), given)

    def behind(self, task_run: str | None) -> dict[str, int]:
        """Paths of the task runs that wait for a paused execution, by their order, where nothing else is to resume."""
        found = pause.waits_for_paused(self.plan, self.view.record, self._named(task_run))
        return {run.path: run.order for run in found}

    async def reviewed(
        self, decision: str, task_run: str | None, comment: str | None, given: Mapping[str, Any], by: str | None
    ) -> Reviewed:
        """Decide on the Approval that is meant. Raises as `Control.review` does."""
        run = approval.to_review(self.plan, self.view.record, self._named(task_run), decision, comment)
        values = await self._values(run, given)
        since = run.history[-1].at
        return Reviewed(
            at=self.now, path=run.path, since=since, decision=decision, comment=comment, inputs=values, by=by
        )

    def _named(self, task_run: str | None) -> TaskRun | None:
        return None if task_run is None else edit.find_run(self.view.record, task_run)

    async def _values(self, run: TaskRun, given: Mapping[str, Any]) -> dict[str, Any]:
        declared = self.plan.nodes[run.node].inputs
        seen = self.view.of(run)
        return await self.inputs.resolve(declared, self.view.record.execution, seen, given, here=self.here)
