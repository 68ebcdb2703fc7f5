"""A worker that is told to stop: what runs ends, what waits is left to whoever recovers it."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import end, start, states, until

FLOW = """
id: goes_on
namespace: test
inputs: [{{id: gate, type: STRING}}]
tasks:
  - id: first
    type: scripts.shell.Commands
    taskRunner: {{type: core.runner.Process}}
    commands: ["while [ ! -e {{{{ inputs.gate }}}} ]; do sleep 0.05; done; echo once >> {journal}"]
  - {{id: second, type: core.debug.Return, format: done}}
"""
LATER = "id: later\nnamespace: test\ntasks: [{id: no, type: core.debug.Return, format: x}]\n"


async def test_what_runs_ends_and_what_follows_is_taken_up_by_the_next_process(tmp_path: Path) -> None:
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    flow = FLOW.format(journal=journal)
    async with open_engine(tmp_path / "data", Settings()) as engine:
        id = (await start(engine, flow, {"gate": str(gate)})).id
        await until(engine, id, "first", Status.RUNNING)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_later, engine, gate)
            assert await engine.worker.drain(30) == 0
        record = (await engine.store.executions.load(id)).record
        assert record.runs["first"].state is Status.SUCCESS
        assert record.runs["second"].state is not Status.SUCCESS
    async with open_engine(tmp_path / "data", Settings(), recovers=True) as engine:
        record = await end(engine, id)
    assert states(record) == {"first": "SUCCESS", "second": "SUCCESS"}
    assert journal.read_text() == "once\n"


async def open_later(engine: Engine, gate: Path) -> None:
    """Let the task end once the worker begins nothing more."""
    later = (await start(engine, LATER)).id
    with anyio.fail_after(30):
        while engine.worker.waiting == 0:
            await anyio.sleep(0.01)
    assert not (await engine.store.executions.load(later)).record.execution.state.terminal
    gate.touch()


async def test_what_takes_too_long_is_told(tmp_path: Path) -> None:
    flow = FLOW.format(journal=tmp_path / "journal")
    async with open_engine(tmp_path / "data", Settings()) as engine:
        id = (await start(engine, flow, {"gate": str(tmp_path / "never")})).id
        await until(engine, id, "first", Status.RUNNING)
        assert await engine.worker.drain(0.1) == 1
