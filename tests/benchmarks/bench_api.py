"""A server of its own: starting executions by POST, and lists over 10,000 executions and 1,000,000 log lines."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import quantiles
from urllib.parse import quote

import anyio
from raw_http import connected, exchange, server

from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.execution import Change, Execution
from engine.state.status import Status
from engine.store.rows import LogLine, Write

FLOW = """
id: two_tasks
namespace: bench
tasks:
  - {id: values, type: core.output.OutputValues, values: {greeting: hello}}
  - {id: say, type: core.log.Log, message: "{{ outputs.values.values.greeting }}"}
"""
EXECUTIONS = 10_000
LINES = 1_000_000
POSTS = 4_000
AT_ONCE = 32
ASKED = 60
DAY = 86_400_000
STATES = (Status.SUCCESS, Status.FAILED, Status.RUNNING, Status.WARNING)
POSTED = "execution started by POST, answered (µs)"
LISTS = {
    "of a flow": "/executions/search?filters[namespace][EQUALS]=bench.n3&filters[flowId][EQUALS]=flow7",
    "below a namespace": "/executions/search?filters[namespace][PREFIX]=bench.n3&sort=state.startDate:desc",
    "in a state": "/executions/search?filters[state][IN]=FAILED,RUNNING&sort=state.startDate:desc&size=100",
    "of a day": "/executions/search?filters[startDate][GREATER_THAN]=DAY&sort=state.startDate:asc&page=3",
    "all of them": "/executions/search?size=25&sort=state.startDate:desc",
    "lines of an execution": "/logs/search?filters[executionId][EQUALS]=e5000&size=100",
    "lines of a level": "/logs/search?filters[level][EQUALS]=ERROR&filters[timeRange][EQUALS]=PT1H&size=100",
}
WORDS = {
    "a word in executions": "/executions/search?filters[q][EQUALS]=flow77",
    "a word in the lines of an hour": "/logs/search?filters[q][EQUALS]=4711&filters[timeRange][EQUALS]=PT1H",
}
GOALS = {
    POSTED: 1000.0,
    **{f"list: {name}, p95 (ms)": 50.0 for name in LISTS},
    **{f"list: {name}, p95 (ms)": 2000.0 for name in WORDS},
}


def run() -> dict[str, float]:
    """Microseconds of a start, and the 95th percentile of each list in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "data", [FLOW]) as port:
        found = {POSTED: anyio.run(_posts, port)}
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_fill, Path(folder) / "data")
        with server(Path(folder) / "data", []) as port:
            return found | anyio.run(_lists, port)


async def _posts(port: int) -> float:
    async def starter(count: int) -> None:
        async with connected(port) as stream:
            for _ in range(count):
                await exchange(stream, "POST", "/executions/bench/two_tasks", b"")

    async def many(count: int) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(starter, count // AT_ONCE)

    await many(POSTS // 10)
    start = time.perf_counter()
    await many(POSTS)
    return (time.perf_counter() - start) / POSTS * 1_000_000


async def _lists(port: int) -> dict[str, float]:
    found = {}
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 2 * 3600))
    for name, path in {**LISTS, **WORDS}.items():
        took = []
        async with connected(port) as stream:
            for _ in range(ASKED if name in LISTS else 10):
                start = time.perf_counter()
                await exchange(stream, "GET", quote(path.replace("DAY", since), safe="/?&=[]:,"), b"")
                took.append((time.perf_counter() - start) * 1000)
        found[f"list: {name}, p95 (ms)"] = quantiles(took, n=20)[-1]
    return found


async def _fill(folder: Path) -> None:
    """Executions of the last ten days, all with as many lines; those of the newest are of the last hour."""
    now = int(time.time() * 1000)
    async with open_engine(folder, Settings()) as engine:
        for start in range(0, EXECUTIONS, 500):
            async with anyio.create_task_group() as tasks:
                for number in range(start, start + 500):
                    tasks.start_soon(_commit, engine, _execution(number, now))
        for start in range(0, LINES, 10_000):
            await engine.store.logs.append([_line(number, now) for number in range(start, start + 10_000)])


async def _commit(engine: Engine, execution: Execution) -> None:
    await engine.store.executions.commit(Write(execution=execution, owner="", released=True))


def _execution(number: int, now: int) -> Execution:
    created = now - 10 * DAY * (EXECUTIONS - number) // EXECUTIONS
    state = STATES[0] if number % 10 else STATES[number // 10 % 4]
    return Execution(
        id=ExecutionId(f"e{number}"),
        namespace=f"bench.n{number % 20}",
        flow=f"flow{number % 100}",
        revision=1,
        history=(Change(Status.CREATED, created), Change(state, created + 1000)),
        version=1,
        created=created,
    )


def _line(number: int, now: int) -> LogLine:
    execution = number * EXECUTIONS // LINES
    return LogLine(
        at=now - 10 * DAY * (LINES - number) // LINES,
        level="ERROR" if number % 50 == 0 else "INFO",
        message=f"line {number} of what was done",
        namespace=f"bench.n{execution % 20}",
        flow=f"flow{execution % 100}",
        execution=ExecutionId(f"e{execution}"),
        task="say",
    )
