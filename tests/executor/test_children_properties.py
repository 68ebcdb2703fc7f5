"""Loops whose iterations, and batches whose flows, are executions: in any order, whatever happens, each counts once."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.executor.finish import STOPS, calls_many, softened
from engine.executor.plan import Backoff, FlowOutput, Kind, Node, Plan, Retry, make_plan
from engine.executor.rebuild import rebuild
from engine.executor.work import attempt_of
from engine.state.command import Command, Say, StartChild, StartMissing
from engine.state.event import ChildEnded, ChildPaused, KillAsked, Lost, PauseAsked
from engine.state.execution import TaskRun
from engine.state.status import Status, worst
from executor.strategies import Case, Luck, cases, many
from executor.world import World

ENDS = (Status.SUCCESS, Status.SUCCESS, Status.SUCCESS, Status.WARNING, Status.FAILED, Status.KILLED, Status.CANCELLED)
RETRIES = (
    None,
    Retry(Backoff.CONSTANT, interval=1000, max_attempts=3),
    Retry(Backoff.CONSTANT, interval=1000, max_attempts=2, warning_on_retry=True),
    Retry(Backoff.CONSTANT, interval=1000, max_attempts=2, new_execution=True),
)
OUTPUT = FlowOutput("o", "STRING", "{{ x }}")


def with_callers(plan: Plan, chance: random.Random) -> Plan:
    """The same plan, where some of the tasks start executions."""

    def changed(node: Node) -> Node:
        if node.kind is Kind.FOLDER:
            return node
        branches = {name: tuple(map(changed, children)) for name, children in node.branches.items()}
        fields: dict[str, Any] = {"branches": branches}
        if node.kind is Kind.TASK and node.id and chance.randrange(2) == 0:
            loop = chance.randrange(2) == 0
            fields = {
                "kind": Kind.LOOP if loop else Kind.ITEMS,
                "concurrent": chance.randrange(4) if loop else 0,
                "transmit": chance.randrange(4) > 0,
                "outputs": (OUTPUT,) if loop and chance.randrange(2) else (),
                "retry": RETRIES[chance.randrange(len(RETRIES))],
            }
        return msgspec.structs.replace(node, **fields)

    return make_plan(namespace="n", flow="f", revision=1, root=changed(plan.root), outputs=plan.outputs)


class Calling(World):
    """A world whose executions start others: `live` by caller, `ends` as they came."""

    def __init__(self, case: Case, luck: Luck, seed: int) -> None:
        self.chance = random.Random(seed)
        self.luck = luck
        self.live: dict[str, list[int]] = {}
        self.sleeping: set[tuple[str, int]] = set()
        self.ends: dict[tuple[str, int], dict[int, Status]] = {}
        self.belongs: dict[tuple[str, int, int], int] = {}
        super().__init__(with_callers(case.plan, self.chance), luck.outcome, self._answer_of)

    def _answer_of(self, path: str, ask: str) -> Any:
        number = self.luck.number(path, ask)
        if ask == "items":
            return ValueError("no items") if number % 9 == 0 else {"total": number % 6}
        if ask == "collect":
            return ValueError("no such output") if number % 9 == 0 else {"outputs": []}
        return self.luck.answer(path, ask)

    def _take(self, command: Command) -> None:
        super()._take(command)
        if isinstance(command, StartChild):
            assert not self.record.execution.killing
            assert self.record.execution.requested is None
            run = self.record.runs[command.path]
            assert run.block is not None
            assert run.block.stopping is None
            begun = len(self.ends.setdefault((run.path, run.order), {})) + len(self.live.get(run.path, ()))
            assert command.index == begun, "each of them begins once, in their order"
            self._begin(run, command.index)
        elif isinstance(command, StartMissing) and not self.stopping:
            run = self.record.runs[command.path]
            assert run.block is not None
            ends = self.ends.get((run.path, run.order), {})
            failed = [index for index, state in ends.items() if state in STOPS]
            for index in failed if run.block.stopping is None else ():
                if self.belongs[run.path, run.order, index] < run.block.since:
                    del ends[index]
                    self._begin(run, index)

    def _begin(self, run: TaskRun, index: int) -> None:
        self.belongs[run.path, run.order, index] = attempt_of(self.record.execution, run)
        self.live.setdefault(run.path, []).append(index)

    def _choices(self) -> list[Any]:
        alive = [(path, index) for path, them in self.live.items() for index in them]
        ends = [lambda one=one: self.end_child(*one) for one in alive]  # type: ignore[misc]
        return super()._choices() + ends

    def end_child(self, path: str, index: int) -> None:
        run = self.record.runs[path]
        assert run.block is not None
        stopping = self.stopping or run.block.stopping is not None
        belongs = self.belongs[path, run.order, index]
        state = Status.KILLED if stopping else ENDS[self.luck.number(path, index, belongs) % len(ENDS)]
        error = "could not start" if not stopping and self.luck.number(path, index, "error") % 15 == 0 else None
        state = Status.FAILED if error else state
        self.live[path].remove(index)
        self.sleeping.discard((path, index))
        self.ends[path, run.order][index] = state
        self.send(ChildEnded(at=self.now, path=path, index=index, state=state, error=error))

    @property
    def stopping(self) -> bool:
        return self.record.execution.killing or self.record.execution.requested is not None

    def pause_child(self) -> None:
        """One of the executions is paused, or goes on."""
        alive = [(path, index) for path, them in self.live.items() for index in them]
        if alive:
            one = self.chance.choice(alive)
            self.sleeping ^= {one}
            self.send(ChildPaused(at=self.now, path=one[0], paused=one in self.sleeping))

    def stir(self) -> None:
        what = self.chance.randrange(60)
        if what < 6:
            self.pause_child()
        elif what == 6 and self.tasks:
            path, attempt = self.chance.choice(list(self.tasks))
            del self.tasks[path, attempt]
            self.send(Lost(at=self.now, path=path, attempt=attempt))
        elif what < 10:
            self.forget()
        elif what in (10, 12, 13):
            self.send(PauseAsked(at=self.now))
        elif what == 11 and self.chance.randrange(5) == 0:
            self.send(KillAsked(at=self.now))

    def check(self) -> None:
        for path, run in self.record.runs.items():
            node = self.plan.nodes[run.node]
            if calls_many(node, run):
                assert run.block is not None
                alive = self.live.get(path, [])
                assert run.block.live == len(alive)
                assert not node.concurrent or len(alive) <= node.concurrent
                # One whose outputs could not be rendered has no counters left.
                undecided = run.error is not None and not run.block.total
                assert undecided or run.block.next - run.block.live == len(self.ends.get((path, run.order), ()))
            elif run.state.terminal:
                assert not self.live.get(path), "it ends after all that it started"
        execution = self.record.execution
        if execution.block is not None and not (self.state.terminal or self.stopping):
            kept = {run.path: run.block for run in self.record.runs.values() if run.block and not run.state.terminal}
            assert rebuild(self.plan, self.record).blocks == {"": execution.block, **kept}
        assert self.is_stored


def expected(node: Node, run: TaskRun, ends: list[Status]) -> Status:
    """How what started these executions must end, where nothing stopped it and nothing in it went wrong."""
    state = Status.SUCCESS
    if node.transmit and node.kind is Kind.LOOP:
        state = worst(ends)
    elif node.transmit:
        state = next((one for one in (Status.FAILED, Status.KILLED, Status.WARNING) if one in ends), Status.SUCCESS)
    retried = sum(attempt.state is Status.FAILED for attempt in run.attempts)
    if state is Status.SUCCESS and retried and node.retry is not None and node.retry.warning_on_retry:
        state = Status.WARNING
    return softened(node, state)


@given(st.one_of(cases(), cases(beside=True)))
@many
def test_each_execution_that_was_started_counts_once_whatever_happens(case: Case) -> None:
    world = Calling(case, case.luck, case.order.randrange(2**32))
    world.start()
    while world.step(lambda count: case.order.randrange(count)):
        world.check()
        world.stir()
        world.check()
    assert world.state.terminal, "the execution is stuck"
    assert all(run.state.terminal for run in world.record.runs.values())
    assert not any(world.live.values())
    if world.stopping:
        return
    terminated = {command.path for command in world.sent if isinstance(command, Say) and "sibling" in command.message}
    for run in world.record.runs.values():
        node = world.plan.nodes[run.node]
        by_itself = run.error is None and run.state is not Status.SKIPPED and run.path not in terminated
        if node.kind in (Kind.LOOP, Kind.ITEMS) and by_itself:
            ends = list(world.ends.get((run.path, run.order), {}).values())
            assert run.state is expected(node, run, ends)
            if node.kind is Kind.ITEMS and node.retry is not None and Status.FAILED in ends and node.transmit:
                assert len(run.attempts) == node.retry.max_attempts or node.retry.new_execution


@given(cases(exits=False))
@many
def test_nothing_is_started_and_nothing_changes_after_a_kill(case: Case) -> None:
    world = Calling(case, case.luck, case.order.randrange(2**32))
    world.start().run(lambda count: case.order.randrange(count), steps=case.order.randrange(20))
    if world.state.terminal:
        return
    world.send(KillAsked(at=world.now))
    started = sum(isinstance(command, StartChild) for command in world.sent)
    world.forget()
    world.run(lambda count: case.order.randrange(count))
    assert world.state is Status.KILLED
    ended = world.record.execution, dict(world.record.runs)
    for event in list(world.seen):
        world.send(event)
    assert (world.record.execution, world.record.runs) == ended
    assert sum(isinstance(command, StartChild) for command in world.sent) == started
