"""Retries of what starts executions: a ForEachItem runs those again that failed, a Loop all of its own execution."""

from __future__ import annotations

from typing import Any

import pytest

from engine.executor.outstanding import outstanding
from engine.executor.plan import Backoff, Kind, Retry
from engine.executor.reasons import Cause, Seen, reason
from engine.executor.rebuild import rebuild
from engine.state.command import DropTimer, StartMissing, WakeAt
from engine.state.event import ChildEnded, Evaluated, KillAsked
from engine.state.status import Status
from executor.world import World, node, plan_of

S = Status
RETRY = Retry(Backoff.CONSTANT, interval=1000, max_attempts=2)


def items(*ends: Status, **fields: Any) -> World:
    """Batches that ended so."""
    given = {"kind": Kind.ITEMS, "retry": RETRY, **fields}
    block = node("items", branches={"errors": (node("e"),)}, **given)
    world = World(plan_of(block)).start()
    world.send(Evaluated(at=world.now, path="items", ask="items", value={"total": len(ends)}))
    return end(world, *enumerate(ends))


def end(world: World, *ends: tuple[int, Status]) -> World:
    for index, state in ends:
        world.now += 1
        world.send(ChildEnded(at=world.now, path="items", index=index, state=state))
    if ("items", "collect") in world.asks:
        world.send(Evaluated(at=world.now, path="items", ask="collect", value={}))
    return world


def test_batches_that_failed_run_again_when_the_retry_is_due() -> None:
    world = items(S.FAILED, S.SUCCESS, S.WARNING, S.KILLED)
    assert world.states == {"items": S.RETRYING}
    assert world.state is S.RETRYING
    kept = {"": world.record.execution.block, "items": world.task_run("items").block}
    assert rebuild(world.plan, world.record).blocks == kept
    world.ring("items")
    assert StartMissing("items") in world.sent
    run = world.task_run("items")
    assert run.block is not None
    assert (run.state, run.block.live, run.block.since) == (S.RUNNING, 2, 2)
    assert run.outputs is not None
    assert run.outputs["iterations"] == {"CREATED": 0, "RUNNING": 2, "SUCCESS": 1, "WARNING": 1}
    end(world, (0, S.SUCCESS), (3, S.SUCCESS))
    assert world.states == {"items": S.WARNING}
    assert [attempt.state for attempt in world.task_run("items").attempts] == [S.FAILED, S.WARNING]


def test_errors_come_when_no_attempt_is_left() -> None:
    world = items(S.FAILED, S.SUCCESS)
    world.ring("items")
    end(world, (0, S.FAILED))
    assert world.states == {"items": S.RUNNING, "items/e": S.CREATED}
    assert world.run().state is S.FAILED


@pytest.mark.parametrize(("fields", "state"), [({"transmit": False}, S.SUCCESS), ({"retry": None}, S.FAILED)])
def test_what_is_no_failure_of_it_is_not_tried_again(fields: dict[str, Any], state: Status) -> None:
    assert items(S.FAILED, **fields).run().states["items"] is state


def test_a_success_that_took_a_retry_may_count_as_warning() -> None:
    retry = Retry(Backoff.CONSTANT, interval=1000, max_attempts=2, warning_on_retry=True)
    world = items(S.FAILED, retry=retry)
    world.ring("items")
    assert end(world, (0, S.SUCCESS)).states == {"items": S.WARNING}
    assert items(S.SUCCESS, retry=retry).states == {"items": S.SUCCESS}


def test_a_process_that_takes_it_up_knows_when() -> None:
    world = items(S.FAILED)
    assert outstanding(world.plan, world.record) == (WakeAt("items", "retry", world.timers["items", "retry"]),)
    world.forget()
    world.ring("items")
    assert outstanding(world.plan, world.record) == (StartMissing("items"),)


def test_why_it_waits_is_told() -> None:
    world = items(S.FAILED)
    found = reason(world.plan, world.record, Seen(now=world.now))
    assert (found.cause, [run.path for run in found.runs]) == (Cause.RETRY, ["items"])
    assert found.until == world.timers["items", "retry"]


def test_a_kill_while_it_waits_is_final() -> None:
    world = items(S.FAILED)
    world.send(KillAsked(at=world.now))
    assert world.states == {"items": S.KILLED}
    assert world.state is S.KILLED
    assert DropTimer("items", "retry") in world.sent


@pytest.mark.parametrize("kind", [Kind.LOOP, Kind.ITEMS])
def test_it_may_be_tried_again_as_another_execution(kind: Kind) -> None:
    retry = Retry(Backoff.CONSTANT, interval=1000, max_attempts=2, new_execution=True)
    world = items(S.SUCCESS, S.FAILED, kind=kind, concurrent=2, retry=retry)
    assert world.states == {"items": S.RETRIED}
    assert world.state is S.RETRIED
    world.ring("", "new_execution")
    assert world.new_executions == [2]
