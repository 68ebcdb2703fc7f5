"""What must hold in every execution, whatever happens in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given

from engine.errors import Refused
from engine.executor.advance import advance
from engine.executor.edit import restart
from engine.executor.plan import Node
from engine.state.event import KillAsked, PauseAsked, Started
from engine.state.execution import Change, node_of, parent_path
from engine.state.record import Record
from engine.state.status import TRANSITIONS, Status
from executor.rules import SIDE_BY_SIDE
from executor.strategies import Case, cases, many
from executor.world import Outcome, World


def within_limits(world: World) -> bool:
    """Whether no block has more open children or lanes than it may have."""
    open_children = Counter(parent_path(path) for path, state in world.states.items() if not state.terminal)
    return all(open_children[path] <= _limit(world, path) for path in open_children)


def _limit(world: World, path: str) -> int:
    node = world.plan.nodes[node_of(path)]
    block = world.task_run(path).block if path else world.record.execution.block
    assert block is not None
    if block.phase == "main" and node.kind in SIDE_BY_SIDE:
        return node.concurrent or 1_000_000
    return 1


def lawful(history: tuple[Change, ...]) -> bool:
    return all(after.state in TRANSITIONS[before.state] for before, after in pairwise(history))


@given(cases())
@many
def test_limits_hold_and_histories_are_lawful(case: Case) -> None:
    world = World(case.plan, case.luck.outcome, case.luck.answer).start()
    while world.step(lambda count: case.order.randrange(count)):
        if not world.record.execution.killing:
            assert within_limits(world)
    assert lawful(world.record.execution.history)
    for run in world.record.runs.values():
        assert lawful(run.history)
        assert run.state.terminal
        assert all(attempt.state.terminal for attempt in run.attempts)
    orders = {run.order for run in world.record.runs.values()}
    assert len(orders) == len(world.record.runs)
    if not world.record.execution.fence:
        assert orders == set(range(len(world.record.runs)))
    assert len({run.id for run in world.record.runs.values()}) == len(world.record.runs)


@given(cases())
@many
def test_every_event_twice_and_all_of_them_again_at_the_end_change_nothing(case: Case) -> None:
    world = World(case.plan, case.luck.outcome, case.luck.answer).start()
    while world.step(lambda count: case.order.randrange(count)):
        step = advance(world.plan, world.record, world.seen[-1])
        assert step.execution is None or not step.changed
    for event in world.seen:
        step = advance(world.plan, world.record, event)
        assert step.execution is None
        assert not step.changed
        assert not step.answers


@given(cases())
@many
def test_the_same_events_give_the_same_steps(case: Case) -> None:
    world = World(case.plan, case.luck.outcome, case.luck.answer).start()
    world.run(lambda count: case.order.randrange(count))
    again = World(case.plan)
    for event in world.seen:
        again.send(event)
    assert again.sent == world.sent
    assert again.record.runs == world.record.runs
    assert again.record.execution == world.record.execution


@given(cases(exits=False))
@many
def test_a_kill_is_final_whenever_it_comes(case: Case) -> None:
    world = World(case.plan, case.luck.outcome, case.luck.answer)
    world.send(Started(at=world.now))
    world.run(lambda count: case.order.randrange(count), steps=case.order.randrange(12))
    if world.state.terminal:
        return
    world.send(KillAsked(at=world.now))
    before = set(world.states)
    world.run(lambda count: case.order.randrange(count))
    assert world.history()[-1] is Status.KILLED
    assert set(world.states) <= before, "only a loop that was waiting may take out what its last pass did"
    assert all(state.terminal for state in world.states.values())


@given(cases(exits=False))
@many
def test_pausing_at_any_time_changes_nothing_of_the_end(case: Case) -> None:
    luck = case.luck.without_failures()
    straight = World(case.plan, luck.outcome, luck.answer).start().run()
    world = World(case.plan, luck.outcome, luck.answer).start()
    while world.step(lambda count: case.order.randrange(count)):
        if case.order.randrange(4) == 0:
            before = set(world.states)
            world.send(PauseAsked(at=world.now))
            assert world.state is Status.PAUSED or world.state.terminal
            world.run(lambda count: case.order.randrange(max(1, count - 1)), steps=case.order.randrange(3))
            if world.record.execution.held:
                assert set(world.states) <= before, "only a loop that was waiting may take out what its last pass did"
    assert world.states == straight.states
    assert world.state is straight.state
    assert lawful(world.record.execution.history)


class FirstTimeUnlucky:
    """Each task and each question that may fail does so the first time only."""

    def __init__(self, case: Case) -> None:
        self._luck = case.luck
        self._good = case.luck.without_failures()
        self._asked: set[tuple[str, str]] = set()

    def outcome(self, path: str, attempt: int) -> Outcome:
        good = self._good.outcome(path, 1)
        # What an Approval does before it waits is done anew where it asks again, and counts its attempts from 1.
        first_time = attempt == 1 and (path, "") not in self._asked
        self._asked.add((path, ""))
        unlucky = first_time and self._luck.outcome(path, 1).state is Status.FAILED
        return Outcome(Status.FAILED) if unlucky else good

    def answer(self, path: str, ask: str) -> Any:
        first_time = (path, ask) not in self._asked
        self._asked.add((path, ask))
        return self._luck.answer(path, ask) if first_time and self._fails(path, ask) else self._good.answer(path, ask)

    def _fails(self, path: str, ask: str) -> bool:
        answer = self._luck.answer(path, ask)
        return isinstance(answer, ValueError) or (ask == "values" and None in answer)


@given(cases(exits=False, retries=False, lenient=False))
@many
def test_restarting_what_failed_leads_where_success_would_have_led(case: Case) -> None:
    luck = FirstTimeUnlucky(case)
    good = case.luck.without_failures()
    straight = World(case.plan, good.outcome, good.answer).start().run()
    world = World(case.plan, luck.outcome, luck.answer).start()
    world.run(lambda count: case.order.randrange(count))
    for _ in range(200):
        if (restarted := _restart(world)) is None:
            break
        world.edit(restarted).run(lambda count: case.order.randrange(count))
        assert within_limits(world)
        assert world.is_stored
    aside = set(_aside(case.plan.root, False))
    assert _without(world, aside) == _without(straight, aside)
    assert world.state is straight.state


def _aside(node: Node, inside: bool) -> Iterator[str]:
    """Ids of the tasks beside the main branches: their failures are not restarted."""
    for branch, children in node.branches.items():
        for child in children:
            here = inside or branch in ("errors", "finally", "onPause", "onWait")
            if here:
                yield child.id
            yield from _aside(child, here)


def _without(world: World, ids: set[str]) -> dict[str, Status]:
    return {path: state for path, state in world.states.items() if node_of(path) not in ids}


def _restart(world: World) -> Record | None:
    try:
        return restart(world.plan, world.record, world.now)
    except Refused:
        return None
