"""Random edits of random executions: limits hold, nothing is stuck, counters stay those of the task runs."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refused
from engine.executor.another import replay
from engine.executor.edit import change_status, restart
from engine.executor.rebuild import rebuild
from engine.ids import ExecutionId
from engine.state.event import PauseAsked
from engine.state.execution import Phase
from engine.state.record import Record
from engine.state.status import Status
from executor.strategies import Case, cases, many
from executor.test_invariants import within_limits
from executor.world import World

STATES = (Status.SUCCESS, Status.WARNING, Status.FAILED, Status.SKIPPED, Status.KILLED, Status.CANCELLED)


class Edited(World):
    """A world whose execution is edited now and then, also while it runs."""

    talkative = True

    def play(self, case: Case) -> None:
        """Until it has ended and was edited a few times."""
        self.start()
        for _ in range(5):
            self._go_on(case, steps=case.order.randrange(12))
            record = self._edited(case)
            if record is not None:
                self.edit(record)
                self._check()
        self._go_on(case, steps=100_000)
        assert self.state.terminal, "the execution is stuck"

    def _go_on(self, case: Case, steps: int) -> None:
        while steps and self.step(lambda count: case.order.randrange(count)):
            steps -= 1
            self._check()

    def _check(self) -> None:
        execution = self.record.execution
        if not (execution.killing or execution.requested is not None):
            assert within_limits(self)
            if execution.block is not None and not self.state.terminal:
                blocks = [run for run in self.record.runs.values() if run.block and not run.state.terminal]
                kept = {run.path: run.block for run in blocks if run.block}
                rebuilt = rebuild(self.plan, self.record).blocks
                # Places that were taken before an edit are passed over only when their turn comes.
                assert _without_next(rebuilt) == _without_next({"": execution.block, **kept})
        assert self.is_stored

    def _edited(self, case: Case) -> Record | None:
        """The record after one edit, or None where it was refused."""
        paths = [path for path, run in sorted(self.record.runs.items()) if not run.reported]
        if not paths:
            return None
        path = case.order.choice(paths)
        try:
            match case.order.randrange(4):
                case 0:
                    new = ExecutionId(f"{self.record.execution.id}+")
                    return replay(self.plan, self.record, new, path, self.now)
                case 1:
                    return restart(self.plan, self.record, self.now)
                case 2:
                    return change_status(self.plan, self.record, path, case.order.choice(STATES), self.now)
                case _:
                    self.send(PauseAsked(at=self.now))
        except Refused:
            pass
        return None


def _without_next(blocks: Mapping[str, Phase]) -> dict[str, Phase]:
    return {path: msgspec.structs.replace(block, next=0) for path, block in blocks.items()}


@given(st.one_of(cases(exits=False), cases(beside=True)))
@many
def test_limits_hold_whatever_is_edited(case: Case) -> None:
    Edited(case.plan, case.luck.outcome, case.luck.answer).play(case)
