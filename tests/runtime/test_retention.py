"""What is kept for how long, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec
import pytest

from engine.clock import ManualClock
from engine.errors import NotFound
from engine.files.addresses import execution_folder
from engine.ids import ExecutionId
from engine.runtime.attempts.stored import StoredExecutions
from engine.runtime.engine import Engine, open_engine
from engine.runtime.upkeep.retention import Retention
from engine.settings import Executions, Logs, Settings
from engine.state.status import Status
from engine.store.rows import AuditEntry, AuditFilter, ExecutionFilter, LogLine
from support.running import end, start, until

DAY = 86_400.0
SETTINGS = Settings(executions=Executions(retention_days=90), logs=Logs(retention_days=30))
WRITES = """
id: writes
namespace: test
tasks:
  - {id: file, type: core.storage.Write, content: kept for a while}
  - {id: say, type: core.log.Log, message: hello}
"""
WAITS = "id: waits\nnamespace: test\ntasks: [{id: wait, type: core.flow.Pause}]\n"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", SETTINGS, clock=clock) as opened:
        yield opened


async def left(engine: Engine, clock: ManualClock, *ids: str) -> None:
    """Wait until exactly these executions are left; some hours go by."""
    with anyio.fail_after(30):
        while {one.id for one in await engine.store.executions.list(ExecutionFilter())} != set(ids):
            clock.advance(3600)
            await anyio.sleep(0.05)


async def test_executions_go_with_their_files_some_days_after_their_end(engine: Engine, clock: ManualClock) -> None:
    old = (await end(engine, (await start(engine, WRITES)).id)).execution
    waits = (await start(engine, WAITS)).id
    await until(engine, waits, "wait", Status.PAUSED)
    clock.advance(60 * DAY)
    young = (await end(engine, (await start(engine, WRITES)).id)).execution
    clock.advance(31 * DAY)
    await left(engine, clock, young.id, waits)
    with pytest.raises(NotFound):
        await engine.store.executions.load(old.id)
    assert await engine.files.list(execution_folder("test", "writes", old.id)) == []
    assert await engine.files.list(execution_folder("test", "writes", young.id)) != []
    # It was created long ago, and yet it ended today.
    await engine.control.resume(waits)
    await end(engine, waits)
    await left(engine, clock, young.id, waits)
    clock.advance(91 * DAY)
    await left(engine, clock)


async def test_log_files_go_after_some_days(engine: Engine, clock: ManualClock, tmp_path: Path) -> None:
    line = LogLine(at=clock.now(), level="INFO", message="x", namespace="n", flow="f", execution=ExecutionId("e"))
    await engine.store.logs.append([line])
    clock.advance(29 * DAY)
    await engine.store.logs.append([msgspec.structs.replace(line, at=clock.now(), message="young")])
    clock.advance(2 * DAY)
    with anyio.fail_after(30):
        while len(list((tmp_path / "data" / "logs").glob("*.db"))) > 1:
            clock.advance(3600)
            await anyio.sleep(0.05)
    assert [found.message for _, found in await engine.store.logs.lines(line.execution)] == ["young"]


async def test_the_audit_log_goes_after_a_year_and_tokens_when_they_have_expired(
    engine: Engine, clock: ManualClock
) -> None:
    await engine.users.add("ann", None, {})
    kept, _ = await engine.tokens.create("ann", "kept", None)
    _, expired = await engine.tokens.create("ann", "expired", 3_600_000)
    old = AuditEntry(clock.now(), "ann", "", "", "PUT", "/x", "", "", 200)
    young = msgspec.structs.replace(old, at=clock.now() + 2 * 86_400_000)
    await engine.store.audit.append([old, young])
    clock.advance(366 * DAY)
    with anyio.fail_after(30):
        while await engine.store.audit.count(AuditFilter()) > 1 or len(await engine.tokens.list()) > 1:
            clock.advance(3600)
            await anyio.sleep(0.05)
    assert await engine.store.audit.list(AuditFilter()) == [young]
    assert await engine.tokens.list() == [kept]
    assert await engine.tokens.find(expired) is None


async def test_nought_keeps_everything(engine: Engine, clock: ManualClock) -> None:
    settings = Settings(executions=Executions(retention_days=0), logs=Logs(retention_days=0))
    ran = (await end(engine, (await start(engine, WRITES)).id)).execution
    much_later = ManualClock(clock.now() + 10_000 * 86_400_000)
    executions = StoredExecutions(engine.store, engine.files, engine.logs)
    await Retention(engine.store, executions, settings, much_later).apply()
    assert (await engine.store.executions.load(ran.id)).record.execution.id == ran.id
    assert len(await engine.store.logs.lines(ran.id)) == 1
