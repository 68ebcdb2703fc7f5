"""Approval: what runs before it waits, what each decision leads to, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Refused
from engine.executor.another import replay
from engine.executor.approval import to_review
from engine.executor.edit import change_status, find_run, restart
from engine.executor.pause import to_resume
from engine.executor.plan import Kind, Node
from engine.ids import ExecutionId
from engine.state.event import Due, KillAsked, PauseAsked, Reviewed
from engine.state.status import Status
from executor.world import World, node, plan_of

S = Status


def terms(auto: bool = False, timeout: int | None = None, comment: str = "NEVER", **then: str) -> dict[str, Any]:
    return {
        "auto": auto,
        "timeout": timeout,
        "comment": comment,
        "then": {"APPROVED": "CONTINUE", "DENIED": "CANCEL", "EXPIRED": "CANCEL", **then},
    }


def approval(id: str = "ask", **branches: Any) -> Node:
    allow_failure = branches.pop("allow_failure", False)
    own = {"onApprove": (node("yes"),), "onDeny": (node("no"),), **branches}
    return node(id, kind=Kind.APPROVAL, ask={}, branches=own, allow_failure=allow_failure)


def asking(*tasks: Node, answer: dict[str, Any] | None = None, **outcomes: Status) -> World:
    """A world that waits for a decision on its first task."""
    world = World(plan_of(*tasks), outcomes, {"ask": answer or terms()}).start().run(steps=1)
    assert world.states["ask"] is S.PAUSED
    assert world.state is S.PAUSED
    return world


def outputs(world: World, path: str = "ask") -> dict[str, Any]:
    return world.task_run(path).outputs or {}


def test_an_approval_goes_on_with_the_tasks_for_it() -> None:
    world = asking(approval(), node("after"))
    assert outputs(world) == {"url": "/ui/main/executions/n/f/execution", "due": None}
    world.review("ask", "APPROVED", comment="fine", inputs={"x": 1}, by="anna")
    assert world.history() == [S.CREATED, S.RUNNING, S.PAUSED, S.RESTARTED, S.RUNNING]
    seen = outputs(world)
    assert (seen["decision"], seen["auto"], seen["by"], seen["comment"], seen["inputs"]) == (
        "APPROVED",
        False,
        "anna",
        "fine",
        {"x": 1},
    )
    assert world.run().state is S.SUCCESS
    assert list(world.states) == ["ask", "ask/yes", "after"]
    assert world.history("ask") == [S.CREATED, S.RUNNING, S.PAUSED, S.RUNNING, S.SUCCESS]


def test_one_that_approves_itself_asks_nobody() -> None:
    world = World(plan_of(approval(onWait=(node("tell"),))), answers={"ask": terms(auto=True)}).start().run()
    assert world.history() == [S.CREATED, S.RUNNING, S.SUCCESS]
    assert list(world.states) == ["ask", "ask/yes"]
    assert (outputs(world)["decision"], outputs(world)["auto"]) == ("APPROVED", True)


@pytest.mark.parametrize(
    ("then", "of_block", "of_flow", "more"),
    [
        ("CONTINUE", S.SUCCESS, S.SUCCESS, ["after"]),
        ("WARN", S.WARNING, S.WARNING, ["after"]),
        ("FAIL", S.FAILED, S.FAILED, ["e"]),
        ("CANCEL", S.CANCELLED, S.CANCELLED, []),
        ("SUCCEED", S.SUCCESS, S.SUCCESS, []),
        ("KILL", S.KILLED, S.KILLED, []),
    ],
)
@pytest.mark.parametrize("decision", ["APPROVED", "DENIED", "EXPIRED"])
def test_what_follows_a_decision(then: str, of_block: Status, of_flow: Status, more: list[str], decision: str) -> None:
    plan = plan_of(approval(), node("after"), errors=[node("e")])
    world = World(plan, answers={"ask": terms(timeout=1000, **{decision: then})}).start().run(steps=1)
    world.ring("ask", "pause") if decision == "EXPIRED" else world.review("ask", decision)
    world.run()
    branch = {"APPROVED": ["ask/yes"], "DENIED": ["ask/no"], "EXPIRED": []}[decision]
    assert list(world.states) == ["ask", *branch, *more]
    assert (world.states["ask"], world.state) == (of_block, of_flow)
    assert not world.timers
    assert outputs(world)["decision"] == decision


@pytest.mark.parametrize("then", ["CONTINUE", "WARN", "CANCEL", "SUCCEED", "KILL"])
def test_a_failure_in_a_branch_stays_one_whatever_the_behavior(then: str) -> None:
    world = asking(approval(errors=(node("e"),)), node("after"), answer=terms(APPROVED=then), yes=S.FAILED)
    world.review("ask", "APPROVED")
    world.run()
    assert world.state is S.FAILED
    assert world.states == {"ask": S.FAILED, "ask/yes": S.FAILED, "ask/e": S.SUCCESS}


@pytest.mark.parametrize("then", ["CANCEL", "SUCCEED"])
def test_what_runs_beside_it_goes_on_to_its_end(then: str) -> None:
    tasks = (approval(), node("long"), node("never"))
    both = node("both", kind=Kind.PARALLEL, concurrent=2, branches={"tasks": tasks, "finally": (node("f"),)})
    world = World(plan_of(both, node("after")), answers={"ask": terms(DENIED=then)}).start()
    while world.states["both/ask"] is not S.PAUSED:
        world.step()
    if ("both/long", 1) in world.tasks:
        world.review("both/ask", "DENIED")
        world.end("both/ask/no")
        assert not world.state.terminal
    else:
        world.review("both/ask", "DENIED")
    world.run()
    assert world.states["both/long"] is S.SUCCESS
    assert list(world.states) == ["both", "both/ask", "both/long", "both/ask/no", "both/f"]
    assert world.state is (S.CANCELLED if then == "CANCEL" else S.SUCCESS)


def telling(allow_failure: bool = False, **outcomes: Status) -> World:
    ask = approval(onWait=(node("tell"), node("more")), allow_failure=allow_failure, **{"finally": (node("f"),)})
    return World(plan_of(ask, node("after")), outcomes, {"ask": terms()}).start()


def test_tasks_run_before_it_waits() -> None:
    world = telling().run(steps=1)
    assert (world.state, world.states["ask"]) == (S.PAUSING, S.PAUSING)
    world.forget()
    world.run(steps=2)
    assert world.states == {"ask": S.PAUSED, "ask/tell": S.SUCCESS, "ask/more": S.SUCCESS}
    assert world.history() == [S.CREATED, S.RUNNING, S.PAUSING, S.PAUSED]
    world.forget()
    world.review("ask", "APPROVED")
    assert world.run().state is S.SUCCESS


def test_where_they_fail_it_does_not_wait() -> None:
    world = telling(tell=S.FAILED).run()
    assert world.history() == [S.CREATED, S.RUNNING, S.PAUSING, S.RUNNING, S.FAILED]
    assert world.states == {"ask": S.FAILED, "ask/tell": S.FAILED, "ask/f": S.SUCCESS}
    assert "did not wait" in str(world.task_run("ask").error)
    world.edit(change_status(world.plan, world.record, "tell", S.SUCCESS, world.now)).run(steps=1)
    assert world.states == {"ask": S.PAUSED, "ask/tell": S.SUCCESS, "ask/more": S.SUCCESS}
    world.review("ask", "APPROVED")
    assert world.run().state is S.SUCCESS


def test_where_they_may_fail_it_waits_all_the_same() -> None:
    world = telling(allow_failure=True, tell=S.FAILED).run(steps=2)
    assert world.state is S.PAUSED
    world.review("ask", "APPROVED")
    assert world.run().state is S.SUCCESS


def test_a_kill_and_a_pause_while_they_run() -> None:
    world = telling().run(steps=1)
    world.send(PauseAsked(at=world.now))
    world.end("ask/tell")
    assert (world.state, list(world.states)) == (S.PAUSED, ["ask", "ask/tell"])
    world.resume()
    assert world.states["ask/more"] is S.CREATED
    world.send(KillAsked(at=world.now))
    assert world.run().state is S.KILLED
    assert world.history("ask") == [S.CREATED, S.RUNNING, S.PAUSING, S.KILLING, S.KILLED]


def test_a_decision_for_nothing_that_waits_is_nothing() -> None:
    world = asking(approval(), answer=terms(timeout=1000))
    before = world.record.execution
    world.send(Reviewed(at=world.now, path="ask", since=1, decision="APPROVED"))
    assert world.record.execution is before
    world.review("ask", "APPROVED")
    assert not world.timers
    world.send(Due(at=world.now + 5000, path="ask", kind="pause"))
    world.send(Reviewed(at=world.now, path="ask", decision="DENIED"))
    world.run()
    assert list(world.states) == ["ask", "ask/yes"]


def test_a_restart_asks_again_unless_a_task_failed_after_the_decision() -> None:
    world = asking(approval(), node("after"))
    with pytest.raises(Refused, match="No task found"):
        restart(world.plan, world.record, world.now)
    world.review("ask", "DENIED")
    world.run()
    world.edit(restart(world.plan, world.record, world.now)).run(steps=1)
    assert world.states == {"ask": S.PAUSED}
    assert "decision" not in outputs(world)
    world.review("ask", "APPROVED")
    assert world.run().state is S.SUCCESS
    failing = World(plan_of(approval()), {"yes": [S.FAILED, S.SUCCESS]}, {"ask": terms(APPROVED="WARN")}).start()
    failing.run(steps=1)
    failing.review("ask", "APPROVED")
    failing.run()
    failing.edit(restart(failing.plan, failing.record, failing.now)).run()
    assert (failing.state, outputs(failing)["decision"]) == (S.WARNING, "APPROVED")


def test_a_replay_from_it_or_from_what_came_before_its_wait_asks_again() -> None:
    for name in ("ask", "tell"):
        world = telling().run(steps=3)
        world.review("ask", "APPROVED")
        world.run()
        world.edit(replay(world.plan, world.record, ExecutionId("again"), name, world.now)).run(steps=3)
        assert world.states == {"ask": S.PAUSED, "ask/tell": S.SUCCESS, "ask/more": S.SUCCESS}


def test_what_succeeded_early_stays_so_after_a_restart_of_what_failed_beside_it() -> None:
    tasks = (approval(), node("long"))
    both = node("both", kind=Kind.PARALLEL, branches={"tasks": tasks})
    world = World(plan_of(both, node("after")), {"long": [S.FAILED, S.SUCCESS]}, {"ask": terms(APPROVED="SUCCEED")})
    world.start()
    while world.states["both/ask"] is not S.PAUSED:
        world.step()
    world.review("both/ask", "APPROVED")
    assert world.run().state is S.FAILED
    assert world.edit(restart(world.plan, world.record, world.now)).run().state is S.SUCCESS
    assert "after" not in world.states


def test_who_is_meant_by_a_decision() -> None:
    tasks = (approval(onApprove=(), onDeny=()), approval("other", onApprove=(), onDeny=()))
    world = World(
        plan_of(node("both", kind=Kind.PARALLEL, branches={"tasks": tasks})),
        answers={"ask": terms(comment="ON_DENY"), "other": terms()},
    ).start()
    world.run(steps=2)
    plan, record = world.plan, world.record
    with pytest.raises(Refused, match="Several tasks wait for a decision, name one: both/ask, both/other"):
        to_review(plan, record, None, "APPROVED", None)
    with pytest.raises(Refused, match="'ask' can't be denied without a comment"):
        to_review(plan, record, find_run(record, "ask"), "DENIED", " ")
    assert to_review(plan, record, find_run(record, "ask"), "APPROVED", None).path == "both/ask"
    with pytest.raises(Refused, match="must be APPROVED or DENIED"):
        to_review(plan, record, None, "EXPIRED", None)
    with pytest.raises(Refused, match="waits for a decision, approve or deny: both/ask, both/other"):
        to_resume(plan, record)
    world.review("both/other", "APPROVED")
    assert to_review(plan, record, None, "DENIED", "why not").path == "both/ask"
    with pytest.raises(Refused, match="'both/other' doesn't wait for a decision, its state is SUCCESS"):
        to_review(plan, record, find_run(record, "other"), "APPROVED", None)


def test_a_change_of_what_came_before_the_wait_asks_again() -> None:
    for decided in (True, False):
        world = telling().run(steps=3)
        if decided:
            world.review("ask", "APPROVED")
            world.run()
        world.edit(change_status(world.plan, world.record, "tell", S.WARNING, world.now))
        below = {path: state for path, state in world.states.items() if path.startswith("ask")}
        assert below == {"ask": S.PAUSED, "ask/tell": S.WARNING, "ask/more": S.SUCCESS}
        assert "decision" not in outputs(world)
        world.review("ask", "APPROVED")
        assert world.run().state is S.SUCCESS


def test_one_in_the_branch_of_another_stops_what_follows_and_leaves_the_behavior_of_the_other() -> None:
    inner = node("inner", kind=Kind.APPROVAL, ask={}, branches={})
    answers = {"ask": terms(APPROVED="WARN"), "inner": terms(auto=True, APPROVED="SUCCEED")}
    world = World(plan_of(approval(onApprove=(inner, node("never"))), node("after")), answers=answers).start()
    world.run(steps=1)
    world.review("ask", "APPROVED")
    assert world.run().states == {"ask": S.WARNING, "ask/inner": S.SUCCESS}
    assert world.state is S.WARNING
