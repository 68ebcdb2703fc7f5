"""What is asked of an execution whose process is gone: this process takes up all of it, not only what was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.execution import Execution
from engine.state.status import Status
from support import running

FLOW = """
id: left
namespace: test
tasks:
  - id: both
    type: core.flow.Parallel
    tasks:
      - {id: pause, type: core.flow.Pause}
      - {id: long, type: core.flow.Sleep, duration: PT0.4S}
"""

Ask = Callable[[Engine, ExecutionId], Awaitable[Execution | None]]


async def _resume(engine: Engine, id: ExecutionId) -> None:
    await engine.control.resume(id)


async def _restart(engine: Engine, id: ExecutionId) -> Execution:
    return await engine.control.restart(id)


async def _set_state(engine: Engine, id: ExecutionId) -> Execution:
    return await engine.control.change_status(id, "pause", Status.SUCCESS)


@pytest.mark.parametrize("ask", [_resume, _restart, _set_state])
async def test_what_ran_there_is_run_again(tmp_path: Path, ask: Ask) -> None:
    async with open_engine(tmp_path, Settings()) as first:
        execution = await running.start(first, FLOW)
        await running.until(first, execution.id, "both/long", Status.RUNNING)
        await running.until(first, execution.id, "both/pause", Status.PAUSED)
    async with open_engine(tmp_path, Settings()) as second:
        await ask(second, execution.id)
        record = await running.end(second, execution.id)
    assert record.execution.state is Status.SUCCESS
    assert [attempt.state for attempt in record.runs["both/long"].attempts] == [Status.KILLED, Status.SUCCESS]
