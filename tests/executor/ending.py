"""The part of the oracle that ends what runs beside a failure, the slow and obvious way."""

from __future__ import annotations

from engine.executor.plan import Kind, Plan
from engine.state.execution import node_of
from engine.state.status import Status


class Ending:
    """What is known of task runs (`states` holds None for one that goes on), and which blocks end what runs in them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.states: dict[str, Status | None] = {}
        self.asking: dict[str, str] = {}
        self.retrying: set[str] = set()
        self.paused: dict[str, str] = {}
        self.before: set[str] = set()
        self.worked: set[str] = set()
        self.ending: dict[str, Status] = {}
        self.stopped_by: Status | None = None

    def _is_task(self, path: str) -> bool:
        """Whether a worker has it, or would have."""
        kind = self.plan.nodes[node_of(path)].kind
        return kind is Kind.TASK or (kind is Kind.FOLDER and path not in self.worked)

    def is_ending(self, path: str) -> Status | None:
        """The state in which a task ends because another one failed beside it, or beside a block around it."""
        around = [block for block in self.ending if path.startswith((f"{block}/", f"{block}#"))]
        return self.ending[min(around, key=len)] if around and self.stopped_by is None else None

    def _end_below(self, path: str, state: Status) -> None:
        """A child of a block failed: what hasn't begun or waits ends at once, what runs is stopped."""
        self.ending[path] = state
        for below in [other for other in self.states if other.startswith((f"{path}/", f"{path}#"))]:
            waits = below in self.asking or below in self.retrying
            if self.states[below] is None and self._is_task(below) and waits:
                self.states[below] = state
            self.asking.pop(below, None)
            self.paused.pop(below, None)
            self.retrying.discard(below)
            self.before.discard(below)

    def _still_ending(self, path: str) -> bool:
        """Whether something still runs below such a block; blocks in which nothing does end too."""
        state = self.ending[path]
        open_paths = [other for other, held in self.states.items() if held is None and other.startswith(f"{path}/")]
        tasks = [other for other in open_paths if self._is_task(other)]
        for block in open_paths:
            if not self._is_task(block) and not any(task.startswith((f"{block}/", f"{block}#")) for task in tasks):
                self.states[block] = state
        if not tasks:
            del self.ending[path]
        return bool(tasks)
