"""The reducer against the naive walk and against its counters rebuilt, after every event of random executions."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from engine.executor.rebuild import rebuild
from engine.executor.work import awaited
from engine.state.event import AnyEvent, Due, Evaluated, KillAsked, Lost, Resumed, Reviewed, Started, TaskEnded
from engine.state.execution import parent_path
from engine.state.status import Status
from executor.oracle import Oracle
from executor.strategies import Case, cases, many
from executor.world import World


class Watched(World):
    """A world that tells an oracle what happens, and compares."""

    talkative = True

    def __init__(self, case: Case) -> None:
        super().__init__(case.plan, case.luck.outcome, case.luck.answer)
        self.oracle = Oracle(case.plan)
        self.random = case.order

    def send(self, event: AnyEvent) -> None:
        taken = self._is_awaited(event)
        before = self.record.execution
        super().send(event)
        if taken:
            self._tell(event)
        elif not isinstance(event, Due):
            assert self.record.execution.history is before.history
        self._compare()

    def stir(self) -> None:
        """Something that may come between: an event again, a lost attempt, a kill, a crash of this process."""
        what = self.random.randrange(40)
        if what < 6 and self.seen:
            self.send(self.random.choice(self.seen))
        elif what == 6 and self.tasks:
            path, attempt = self.random.choice(list(self.tasks))
            del self.tasks[path, attempt]
            self.send(Lost(at=self.now, path=path, attempt=attempt))
        elif what == 7 and self.random.randrange(10) == 0:
            self.send(KillAsked(at=self.now))
        elif what == 8:
            self.forget()

    def play(self) -> None:
        self.start()
        while self.step(lambda count: self.random.randrange(count)):
            self.stir()

    def _is_awaited(self, event: AnyEvent) -> bool:
        """Whether an event is news; anything else must change nothing."""
        if isinstance(event, Started):
            return self.record.execution.block is None
        if isinstance(event, KillAsked):
            return not self.state.terminal and not self.record.execution.killing
        if isinstance(event, TaskEnded | Lost):
            run = self.record.runs.get(event.path)
            return (
                run is not None
                and not run.state.terminal
                and run.attempt == event.attempt
                and not run.attempts[-1].state.terminal
            )
        if isinstance(event, Evaluated):
            if not event.path:
                return self.oracle.before_outputs is not None and self.oracle.state is None
            return self.oracle.asking.get(event.path) == event.ask
        if isinstance(event, Due):
            run = self.record.runs.get(event.path)
            waits = run is not None and run.state in (Status.RETRYING, Status.PAUSED)
            return waits and run is not None and (run.due or 0) <= event.at
        if isinstance(event, Resumed | Reviewed):
            run = self.record.runs.get(event.path)
            return run is not None and run.state is Status.PAUSED and run.history[-1].at == event.since
        return False

    def _tell(self, event: Any) -> None:
        if isinstance(event, Started):
            self.oracle.start()
        elif isinstance(event, TaskEnded):
            self.oracle.end(event.path, event.state, event.patch.end if event.patch else None)
        elif isinstance(event, Lost):
            if self.oracle.stopped_by is not None or self.oracle.is_ending(event.path):
                self.oracle.end(event.path, Status.KILLED)
            elif self.plan.nodes[self.record.runs[event.path].node].fail_when_lost:
                self.oracle.end(event.path, Status.FAILED)
        elif isinstance(event, Evaluated):
            self.oracle.answer(event.path, event.ask, event.value, event.error is not None)
        elif isinstance(event, Due):
            self.oracle.due(event.path)
        elif isinstance(event, Resumed):
            self.oracle.resume(event.path)
        elif isinstance(event, Reviewed):
            self.oracle.decide(event.path, event.decision or "")
        elif isinstance(event, KillAsked):
            self.oracle.stop(Status.KILLED)

    def _compare(self) -> None:
        shown = {path: state if state.terminal else None for path, state in self.states.items()}
        assert shown == self.oracle.states
        for path, state in self.parts.items():
            assert state.terminal or awaited(self.record.runs[parent_path(path)])
        assert self.is_stored
        assert (self.state if self.state.terminal else None) == self.oracle.state
        execution = self.record.execution
        if execution.block is None or self.state.terminal or execution.killing or execution.requested is not None:
            return
        assert execution.paused == len(self.oracle.paused)
        assert (self.state is Status.PAUSED) == bool(self.oracle.paused)
        rebuilt = rebuild(self.plan, self.record)
        kept = {run.path: run.block for run in self.record.runs.values() if run.block and not run.state.terminal}
        assert rebuilt.blocks == {"": execution.block, **kept}
        assert rebuilt.lanes == []


@given(cases(beside=True))
@many
def test_they_agree_where_a_failure_ends_what_runs_beside_it(case: Case) -> None:
    world = Watched(case)
    world.play()
    assert world.state.terminal, "the execution is stuck"


@given(cases())
@many
def test_the_reducer_agrees_with_the_naive_walk_and_with_rebuilt_counters(case: Case) -> None:
    world = Watched(case)
    world.play()
    assert world.state.terminal, "the execution is stuck"
