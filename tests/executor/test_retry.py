"""When a failed task is tried again."""

from __future__ import annotations

import pytest

from engine.executor.plan import Backoff, Kind, Plan, Retry
from engine.executor.retry import delay, next_date
from engine.executor.work import replace
from engine.ids import NodeId, TaskRunId
from engine.state.command import NewExecution, WakeAt
from engine.state.event import Due, TaskEnded
from engine.state.execution import Attempt, Change, TaskRun
from engine.state.status import Status
from executor.world import START, Outcome, World, node, plan_of

CONSTANT = Retry(Backoff.CONSTANT, interval=1000, max_attempts=3)


def failed_run(attempts: int, at: int = START) -> TaskRun:
    history = (Change(Status.CREATED, at), Change(Status.FAILED, at + 5))
    tries = tuple(Attempt(number, history) for number in range(1, attempts + 1))
    return TaskRun(TaskRunId("x"), "a", NodeId("a"), 0, (Change(Status.CREATED, at),), attempts=tries)


@pytest.mark.parametrize(
    ("retry", "failed", "expected"),
    [
        (Retry(Backoff.CONSTANT, interval=30_000), 1, 30_000),
        (Retry(Backoff.CONSTANT, interval=30_000), 5, 30_000),
        (Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000), 1, 1000),
        (Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000), 2, 2000),
        (Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000), 4, 8000),
        (Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000), 7, 60_000),
        (Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000), 10_000, 60_000),
        (Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000, factor=1.5), 3, 2250),
        (Retry(Backoff.RANDOM, min_interval=10, max_interval=11), 1, 10),
    ],
)
def test_delay(retry: Retry, failed: int, expected: int) -> None:
    assert delay(retry, failed, seed=1) == expected


def test_random_delay_depends_on_the_seed_alone_and_stays_below_its_upper_bound() -> None:
    retry = Retry(Backoff.RANDOM, min_interval=10_000, max_interval=20_000)
    delays = [delay(retry, 1, seed) for seed in range(200)]
    assert all(10_000 <= wait < 20_000 for wait in delays)
    assert len(set(delays)) > 100
    assert delays == [delay(retry, 1, seed) for seed in range(200)]


def test_the_date_counts_from_the_end_of_the_last_attempt() -> None:
    assert next_date(Retry(Backoff.CONSTANT, interval=60_000, max_attempts=5), failed_run(2), 777, 0) == 60_777


def test_all_attempts_count_as_attempts() -> None:
    assert next_date(CONSTANT, failed_run(2), START, 0) is not None
    assert next_date(CONSTANT, failed_run(3), START, 0) is None


def test_a_run_without_attempts_is_not_retried() -> None:
    assert next_date(CONSTANT, failed_run(0), START, 0) is None


def test_the_longest_duration_is_measured_from_the_first_attempt_to_the_next_date() -> None:
    retry = Retry(Backoff.CONSTANT, interval=1000, max_duration=3000)
    assert next_date(retry, failed_run(1), START + 2000, 0) == START + 3000
    assert next_date(retry, failed_run(1), START + 2001, 0) is None


def test_the_same_task_run_is_tried_again() -> None:
    world = World(plan_of(node("a", retry=CONSTANT)), {"a": [Status.FAILED, Status.SUCCESS]}).start()
    id = world.task_run("a").id
    world.run(steps=1)
    assert world.states == {"a": Status.RETRYING}
    world.run()
    assert world.state is Status.SUCCESS
    assert world.task_run("a").id == id
    assert [attempt.state for attempt in world.task_run("a").attempts] == [Status.FAILED, Status.SUCCESS]
    assert world.history() == [
        Status.CREATED,
        Status.RUNNING,
        Status.RETRYING,
        Status.RUNNING,
        Status.SUCCESS,
    ]


def test_errors_begin_after_the_last_attempt() -> None:
    plan = plan_of(node("a", retry=CONSTANT), errors=[node("e")])
    world = World(plan, {"a": Status.FAILED}).start().run(steps=1)
    assert "e" not in world.states
    world.run()
    assert world.states == {"a": Status.FAILED, "e": Status.SUCCESS}
    assert len(world.task_run("a").attempts) == 3


def test_a_success_after_a_retry_may_be_a_warning() -> None:
    retry = Retry(Backoff.CONSTANT, interval=1, max_attempts=3, warning_on_retry=True)
    assert World(plan_of(node("a", retry=retry))).start().run().state is Status.SUCCESS
    world = World(plan_of(node("a", retry=retry)), {"a": [Status.FAILED, Status.SUCCESS]}).start().run()
    assert world.state is Status.WARNING


def test_allowed_failures_are_retried_first() -> None:
    world = World(plan_of(node("a", retry=CONSTANT, allow_failure=True), node("b")), {"a": Status.FAILED}).start().run()
    assert world.states == {"a": Status.WARNING, "b": Status.SUCCESS}
    assert len(world.task_run("a").attempts) == 3


def test_a_timer_that_rings_early_is_set_again() -> None:
    world = World(plan_of(node("a", retry=CONSTANT)), {"a": [Status.FAILED, Status.SUCCESS]}).start().run(steps=1)
    due = world.timers.pop(("a", "retry"))
    world.send(Due(at=due - 1, path="a", kind="retry"))
    assert world.sent[-1] == WakeAt("a", "retry", due)
    assert world.run().state is Status.SUCCESS


def test_the_history_of_an_execution_with_many_retries_stays_short() -> None:
    loop = node("loop", kind=Kind.FOREACH, concurrent=1, branches={"tasks": (node("a", retry=CONSTANT),)})
    values = [str(number) for number in range(200)]

    def fail_once(_path: str, attempt: int) -> Outcome:
        return Outcome(Status.FAILED if attempt == 1 else Status.SUCCESS)

    world = World(plan_of(loop), fail_once, {"loop": values}).start().run()
    assert world.state is Status.SUCCESS
    assert len(world.history()) <= 105


def new_execution_plan(max_attempts: int = 3) -> Plan:
    retry = Retry(Backoff.CONSTANT, interval=60_000, max_attempts=max_attempts, new_execution=True)
    block = node("block", kind=Kind.PARALLEL, branches={"tasks": (node("a", retry=retry), node("b"))})
    return plan_of(block, errors=[node("e")])


def test_a_new_execution_replaces_the_failed_one_when_its_date_comes() -> None:
    world = World(new_execution_plan(), {"a": Status.FAILED}).start()
    world.end("block/a", Status.FAILED)
    failed_at = world.now
    assert world.task_run("block/a").state is Status.RETRIED
    assert not world.state.terminal
    world.end("block/b", Status.KILLED)
    assert world.state is Status.RETRIED
    assert world.states == {"block": Status.RETRIED, "block/a": Status.RETRIED, "block/b": Status.KILLED}
    assert world.timers == {("", "new_execution"): failed_at + 60_000}
    world.ring("", "new_execution")
    assert world.new_executions == [2]
    assert world.sent[-1] == NewExecution(2)


def test_the_time_for_new_executions_counts_from_the_first_one() -> None:
    retry = Retry(Backoff.CONSTANT, interval=2000, max_duration=5000, new_execution=True)
    started = World(plan_of(node("a", retry=retry)), {"a": Status.FAILED}).start()
    started.record.execution = replace(started.record.execution, tried_since=started.now - 4000)
    assert started.run().state is Status.FAILED
    assert World(plan_of(node("a", retry=retry)), {"a": Status.FAILED}).start().run().state is Status.RETRIED


def test_the_last_execution_of_a_chain_fails() -> None:
    world = World(new_execution_plan(max_attempts=1), {"a": Status.FAILED}).start().run()
    assert world.state is Status.FAILED
    assert world.states["e"] is Status.SUCCESS


def test_an_attempt_that_ended_is_not_ended_again_by_a_late_report() -> None:
    world = World(plan_of(node("a", retry=CONSTANT)), {"a": [Status.FAILED, Status.SUCCESS]}).start().run(steps=1)
    world.ring("a")
    world.send(TaskEnded(at=world.now, path="a", attempt=1, state=Status.SUCCESS))
    assert world.task_run("a").state is Status.CREATED
    assert world.task_run("a").attempt == 2
