"""Cases about single rules of the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from conformance.bench import Bench
from conformance.flow_matching import difference
from engine.executor.plan import Backoff, Retry
from engine.executor.retry import delay


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


def _problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "retry-date-constant": _constant,
    "retry-date-exponential": _exponential,
    "retry-date-random": _random,
}
