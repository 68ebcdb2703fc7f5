"""Cases about single rules of the executor, on plans and records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from conformance.bench import Bench
from conformance.flow_cases import sources
from conformance.flow_matching import difference
from conformance.flow_plugins.index import index
from engine.definition.compile import compile_flow
from engine.definition.load import load_flow
from engine.executor.another import replay
from engine.executor.plan import Backoff, Plan, Retry
from engine.executor.retry import delay, next_date
from engine.executor.work import entered, replace
from engine.ids import ExecutionId, NodeId, TaskRunId
from engine.state.event import KillAsked, TaskEnded
from engine.state.execution import Attempt, Change, TaskRun
from engine.state.status import Status
from executor.world import START, World, node, plan_of

MINUTE = 60_000


async def _constant(bench: Bench) -> list[str]:
    retry = Retry(Backoff.CONSTANT, interval=30_000)
    return _problems([delay(retry, attempt, 0) for attempt in (1, 5)], [30_000, 30_000])


async def _exponential(bench: Bench) -> list[str]:
    retry = Retry(Backoff.EXPONENTIAL, interval=1000, max_interval=60_000)
    waits = [delay(retry, attempt, 0) for attempt in bench.case["start"]["unit"]["attempts"]]
    return _problems(waits, [1000, 2000, 4000, 8000, 60_000, 60_000, 60_000])


async def _random(bench: Bench) -> list[str]:
    retry = Retry(Backoff.RANDOM, min_interval=10_000, max_interval=20_000)
    waits = [delay(retry, 1, seed) for seed in range(200)]
    return [] if all(10_000 <= wait < 20_000 for wait in waits) else [f"waits are {sorted(waits)}"]


def _failed(attempts: int) -> TaskRun:
    history = (Change(Status.CREATED, START), Change(Status.FAILED, START + 5))
    tries = tuple(Attempt(number, history) for number in range(1, attempts + 1))
    return TaskRun(TaskRunId("run"), "task", NodeId("task"), 0, history[:1], attempts=tries)


async def _from_the_last_attempt(bench: Bench) -> list[str]:
    retry = Retry(Backoff.CONSTANT, interval=MINUTE, max_attempts=5)
    return _problems(next_date(retry, _failed(2), START + 5, 0), START + 5 + MINUTE)


async def _without_attempts(bench: Bench) -> list[str]:
    return _problems(next_date(Retry(Backoff.CONSTANT, interval=MINUTE), _failed(0), START, 0), None)


async def _beyond_the_duration(bench: Bench) -> list[str]:
    retry = Retry(Backoff.CONSTANT, interval=10 * MINUTE, max_duration=5 * MINUTE, new_execution=True)
    world = World(plan_of(node("a", retry=retry)), {"a": Status.FAILED}).start().run()
    return _problems(world.state.value, "FAILED")


async def _reported(bench: Bench) -> list[str]:
    """What a worker reports is an end; it counts for the attempt that is open."""
    unit = bench.case["start"]["unit"]
    held, reported = unit["held_histories"], unit["reported_histories"]
    world = World(plan_of(node("a", retry=Retry(Backoff.CONSTANT)), node("b"))).start()
    for state in held[1:]:
        if state == "FAILED":
            world.end("a", Status.FAILED)
        elif state == "CREATED":
            world.ring("a")
    before = world.task_run("a")
    end = Status(reported[-1])
    if end.terminal:
        world.send(TaskEnded(at=world.now, path="a", attempt=reported.count("CREATED"), state=end))
    return _problems(world.task_run("a") != before, bench.case["expect"]["result"])


def _plan(bench: Bench) -> Plan:
    return compile_flow(load_flow(sources(bench.case)[0], index=index()).flow, 1)


async def _killed(bench: Bench) -> list[str]:
    """Killing while the first task runs, which then ends; the second one is not created."""
    world = World(_plan(bench)).start()
    world.send(KillAsked(at=world.now))
    state = "KILLED" if "tasks" in bench.case["expect"] else "SUCCESS"
    world.end("t1", Status(state))
    wanted = {"state": "KILLED", "runs": {"t1": state}}
    return _problems({"state": world.state.value, "runs": {key: it.value for key, it in world.states.items()}}, wanted)


async def _replayed_sibling(bench: Bench) -> list[str]:
    world = World(_plan(bench), {"dag/a": Status.FAILED}).start()
    world.end("dag/a", Status.FAILED)
    record = world.record
    dag = record.runs["dag"]
    record.runs["dag"] = replace(dag, history=entered(dag.history, Status.FAILED, world.now))
    execution = record.execution
    record.execution = replace(execution, history=entered(execution.history, Status.FAILED, world.now))
    again = World(world.plan, record=record)
    again.edit(replay(world.plan, record, ExecutionId("again"), "dag/a", world.now))
    sent = sorted(path.rpartition("/")[2] for path, _ in again.tasks)
    return _problems(sent, bench.case["expect"]["dispatched_again"]) + _problems(again.run().state.value, "SUCCESS")


def _problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "retry-date-constant": _constant,
    "retry-date-exponential": _exponential,
    "retry-date-random": _random,
    "retry-date-base-is-last-attempt-end": _from_the_last_attempt,
    "retry-date-no-attempt": _without_attempts,
    "retry-date-new-execution-max-duration": _beyond_the_duration,
    "join-result-newer": _reported,
    "join-result-same": _reported,
    "join-result-older-than-executor-failure": _reported,
    "join-result-stale-after-restart": _reported,
    "killing-all-terminal": _killed,
    "killing-worker-reports-killed": _killed,
    "dag-replay-running-sibling": _replayed_sibling,
}
