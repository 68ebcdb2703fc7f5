"""How long the reducer thinks about an event. Run as a module, or call `run`."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from engine.executor.advance import advance, apply
from engine.executor.plan import Kind, Plan
from engine.state.command import Again, Evaluate, RunTask
from engine.state.event import AnyEvent, Continue, Evaluated, Started, TaskEnded
from engine.state.status import Status
from executor.world import START, blank, node, plan_of

LOOP_VALUES = 10_000
SMALL_FLOWS = 3_000


def run() -> dict[str, float]:
    """Microseconds an event, by case: `foreach of 10,000, …` and `two tasks`."""
    body = {"tasks": (node("work"),)}
    values = [str(number) for number in range(LOOP_VALUES)]
    one_by_one = plan_of(node("loop", kind=Kind.FOREACH, ask="x", concurrent=1, branches=body))
    at_once = plan_of(node("loop", kind=Kind.FOREACH, ask="x", concurrent=0, branches=body))
    two_tasks = plan_of(node("first"), node("second"))
    return {
        "foreach of 10,000, one by one": _microseconds(one_by_one, values),
        "foreach of 10,000, all at once": _microseconds(at_once, values),
        "two tasks": _microseconds(two_tasks, values, repeat=SMALL_FLOWS),
    }


def _microseconds(plan: Plan, values: list[str], repeat: int = 1) -> float:
    spent, events = 0.0, 0
    for _ in range(repeat):
        seconds, count = _play(plan, values)
        spent += seconds
        events += count
    return spent / events * 1e6


def _play(plan: Plan, values: list[str]) -> tuple[float, int]:
    """Run one execution; returns the seconds spent in the reducer and the number of events."""
    record = blank()
    todo: deque[AnyEvent] = deque([Started(at=START)])
    spent, events = 0.0, 0
    while todo:
        event = todo.popleft()
        began = time.perf_counter()
        step = advance(plan, record, event)
        apply(record, step)
        spent += time.perf_counter() - began
        events += 1
        for command in step.commands:
            if isinstance(command, RunTask):
                todo.append(
                    TaskEnded(at=START, started=START, path=command.path, attempt=command.attempt, state=Status.SUCCESS)
                )
            elif isinstance(command, Evaluate):
                todo.append(Evaluated(at=START, path=command.path, ask=command.ask, value=values))
            elif isinstance(command, Again):
                todo.append(Continue(at=START))
    assert record.execution.state is Status.SUCCESS
    return spent, events


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name}: {value:.1f} µs an event")
