"""The record is its own outbox: a process that forgets everything else learns from it what is waited for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.executor.outstanding import outstanding
from engine.executor.plan import Backoff, Kind, Retry
from engine.state.command import Again, Evaluate, RunTask, StopBelow, WakeAt
from engine.state.event import KillAsked
from engine.state.status import Status
from executor.strategies import Case, cases, many
from executor.world import World, node, plan_of


@given(st.one_of(cases(), cases(beside=True)))
@many
def test_what_is_outstanding_is_what_was_commanded_and_not_answered(case: Case) -> None:
    world = World(case.plan, case.luck.outcome, case.luck.answer).start()
    while True:
        commands = outstanding(case.plan, world.record)
        stopping = world.record.execution.killing or world.record.execution.requested is not None
        assert {(c.path, c.attempt) for c in commands if isinstance(c, RunTask)} == set(world.tasks)
        assert {(c.path, c.kind): c.due for c in commands if isinstance(c, WakeAt)} == _retries(world)
        assert any(isinstance(c, Again) for c in commands) == bool(world.agains)
        asks = {(c.path, c.ask) for c in commands if isinstance(c, Evaluate)}
        # What was ended by a failure beside it may still be answered.
        open_asks = {ask for ask in world.asks if not ask[0] or not world.task_run(ask[0]).state.terminal}
        assert asks <= set(world.asks) if stopping else asks == open_asks
        if not world.step(lambda count: case.order.randrange(count)):
            break
    assert world.state.terminal
    assert outstanding(case.plan, world.record) == ()


def _retries(world: World) -> dict[tuple[str, str], int]:
    return {key: due for key, due in world.timers.items() if key[1] in ("retry", "pause")}


@given(cases(exits=False))
@many
def test_forgetting_everything_at_any_point_leads_to_the_same_end(case: Case) -> None:
    luck = case.luck.without_failures()
    straight = World(case.plan, luck.outcome, luck.answer).start().run()
    forgetful = World(case.plan, luck.outcome, luck.answer).start()
    forgetful.forget()
    while forgetful.step(lambda count: case.order.randrange(count)):
        forgetful.forget()
    assert forgetful.state is straight.state
    assert forgetful.states == straight.states


def test_each_kind_of_command() -> None:
    retry = Retry(Backoff.CONSTANT, interval=1000)
    tasks = (
        node("live"),
        node("again", retry=retry),
        node("maybe", run_if="x"),
        node("choice", kind=Kind.IF, branches={"then": ()}),
        node("loop", kind=Kind.FOREACH, concurrent=0, branches={"tasks": (node("t"),)}),
    )
    plan = plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": tasks}))
    world = World(plan).start()
    world.end("p/again", Status.FAILED)
    assert set(outstanding(plan, world.record)) == {
        RunTask("p/live", 1),
        WakeAt("p/again", "retry", world.now + 1000),
        Evaluate("p/maybe", "run_if"),
        Evaluate("p/choice", "condition"),
        Evaluate("p/loop", "values"),
    }
    world.send(KillAsked(at=world.now))
    assert outstanding(plan, world.record) == (RunTask("p/live", 1), StopBelow("", Status.KILLED))


def test_a_block_that_is_not_fully_opened_is_gone_on_with() -> None:
    loop = node("loop", kind=Kind.FOREACH, concurrent=0, branches={"tasks": (node("t"),)})
    world = World(plan_of(loop), answers={"loop": [str(number) for number in range(700)]}).start().run(steps=1)
    assert outstanding(world.plan, world.record)[-1] == Again()
    world.forget()
    assert world.run().state is Status.SUCCESS
    assert len(world.record.runs) == 701
