"""The executions that a process has in hand. What waits for nothing there is forgotten and read again when needed."""

from __future__ import annotations

from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.runtime.attempts.worker import Worker
from engine.runtime.driving.hot import Hot
from engine.runtime.flows.plans import Plans
from engine.runtime.rendering.variables import View
from engine.state.execution import Execution, ExecutionKind
from engine.store.protocols import Store


class InHand:
    """Keeps, reads and forgets them."""

    def __init__(self, owner: str, store: Store, plans: Plans, worker: Worker) -> None:
        self._owner = owner
        self._store = store
        self._plans = plans
        self._worker = worker
        self._hot: dict[ExecutionId, Hot] = {}

    def get(self, id: ExecutionId) -> Hot | None:
        return self._hot.get(id)

    def hold(self, id: ExecutionId) -> Hot:
        """The execution in hand, perhaps not read yet."""
        hot = self._hot.get(id)
        if hot is None:
            hot = self._hot[id] = Hot(id)
        return hot

    def add(self, hot: Hot) -> None:
        """Have a new execution in hand."""
        self._hot[hot.id] = hot

    async def load(self, hot: Hot) -> None:
        """Read an execution. Raises NotFound; Conflict for one that another process drives."""
        held = await self._store.executions.load(hot.id)
        if held.owner not in ("", self._owner):
            self._worker.stop_below(hot.id, "", held.record.execution.state)
            raise Conflict(f"execution '{hot.id}' is driven by another process")
        execution = held.record.execution
        hot.take(held.record, await self._plans.of(execution), await self.around(execution))
        self.belong(hot, execution)

    async def around(self, execution: Execution) -> View | None:
        """What an iteration of a loop sees besides its own: the variables of the execution around."""
        if execution.kind is not ExecutionKind.LOOP:
            return None
        assert execution.caller is not None
        id = execution.caller.execution
        hot = self._hot.get(id)
        if hot is not None and hot.loaded:
            return hot.view
        record = (await self._store.executions.load(id)).record
        compiled = await self._plans.of(record.execution)
        return View(compiled.plan, record, await self.around(record.execution))

    def belong(self, hot: Hot, execution: Execution) -> None:
        """Let an execution that its caller waits for keep that in hand."""
        caller = execution.caller
        if caller is not None and caller.index is not None and (parent := self._hot.get(caller.execution)) is not None:
            hot.belong(parent)

    def forget_idle(self, hot: Hot) -> None:
        """Let go of an execution that waits for nothing in this process."""
        if hot.idle and self._hot.get(hot.id) is hot:
            del self._hot[hot.id]
            if (parent := hot.leave()) is not None:
                self.forget_idle(parent)
