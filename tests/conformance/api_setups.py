"""What cases of the API ask for in words before they begin, by these words. Each gives names for placeholders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conformance import tables
from conformance.bench import Bench
from engine.errors import InvalidFlow
from engine.ids import ExecutionId
from engine.store.rows import LogLine

VALID = "core/src/test/resources/flows/valids"


async def _all_flows(bench: Bench) -> dict[str, Any]:
    for file in sorted((tables.folder() / "flows" / VALID).glob("*.y*ml")):
        try:
            await bench.engine.control.save_flow(file.read_text(encoding="utf-8"))
        except InvalidFlow:
            # Of plugins that are not there.
            continue
    return {}


async def _logs(bench: Bench) -> dict[str, Any]:
    def line(execution: str, level: str, message: str) -> LogLine:
        return LogLine(bench.since, level, message, "io.kestra.unittest", "logs", ExecutionId(execution))

    of_one = [line("one", "INFO", "john doe"), line("one", "INFO", "another message")]
    await bench.engine.store.logs.append([*of_one, line("other", "DEBUG", "nobody")])
    return {"executionId": "one", "namespace": "io.kestra.unittest", "flowId": "logs"}


SETUPS: Mapping[str, Callable[[Bench], Awaitable[dict[str, Any]]]] = {
    f"all flows of {VALID}/ loaded": _all_flows,
    '2 INFO logs ("john doe", "another message") of one execution, 1 DEBUG log of another': _logs,
}
