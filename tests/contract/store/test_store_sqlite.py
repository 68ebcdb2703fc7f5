"""What only the adapter on SQLite must stand: files, locks, other processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from engine.errors import Refused, Unavailable
from engine.ids import ExecutionId
from engine.settings import Settings, Sqlite
from engine.store.open import DATABASE, open_store
from engine.store.rows import ExecutionFilter
from support.steps import step, whole

IMPATIENT = Settings(sqlite=Sqlite(busy_seconds=0.05))
PROCESSES = 4
SHARING = Path(__file__).parents[2] / "support" / "sharing.py"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the database's write lock, as a process in the middle of a commit does."""
    other = sqlite3.connect(folder / DATABASE, isolation_level=None)
    try:
        other.execute("begin immediate")
        yield
        other.execute("rollback")
    finally:
        other.close()


async def test_a_busy_database_is_unavailable_and_then_goes_on(tmp_path: Path) -> None:
    async with open_store(tmp_path, IMPATIENT) as store:
        failed = 0

        async def commit(id: str) -> None:
            nonlocal failed
            try:
                await store.executions.commit(step(id))
            except Unavailable:
                failed += 1

        with locked(tmp_path):
            # All of a group fail together: none of them waits for its own turn to fail.
            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    for number in range(400):
                        tasks.start_soon(commit, f"e{number}")
            assert await store.executions.count(ExecutionFilter()) == 0
        assert failed == 400
        await store.executions.commit(step("e1"))
        assert whole((await store.executions.load(ExecutionId("e1"))).record)


async def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    async with open_store(tmp_path, Settings()) as store, anyio.create_task_group() as tasks:
        with locked(tmp_path):
            tasks.start_soon(store.executions.commit, step("one"))
            tasks.start_soon(store.executions.commit, step("two"))
            assert await store.executions.count(ExecutionFilter()) == 0
    async with open_store(tmp_path, Settings()) as store:
        assert await store.executions.count(ExecutionFilter()) == 2


async def test_a_waiter_leaves_at_once_and_the_writer_goes_on(tmp_path: Path) -> None:
    async with open_store(tmp_path, Settings()) as store:
        with locked(tmp_path):
            with anyio.fail_after(5), anyio.move_on_after(0.01) as left:
                await store.executions.commit(step("one"))
            assert left.cancelled_caught
        await store.executions.commit(step("two"))
        # It had been asked for before its waiter left.
        assert whole((await store.executions.load(ExecutionId("one"))).record)


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with open_store(tmp_path, Settings()) as store:
        pass
    with pytest.raises(Unavailable, match="closed"):
        await store.executions.commit(step("one"))
    with pytest.raises(Unavailable, match="closed"):
        await store.executions.load(ExecutionId("one"))


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"something else entirely" * 100)
    with pytest.raises(Refused, match="not a database"):
        async with open_store(tmp_path, Settings()):
            pass


async def test_a_folder_that_can_not_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="can't be made"):
        async with open_store(tmp_path / "file", Settings()):
            pass


async def test_what_a_dying_process_left_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / DATABASE).with_suffix(".new").write_bytes(b"half")
    async with open_store(tmp_path, Settings()) as store:
        await store.executions.commit(step("one"))


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_durability_is_as_set(tmp_path: Path, synchronous: str) -> None:
    settings = msgspec.convert({"sqlite": {"synchronous": synchronous, "group": 1}}, Settings)
    async with open_store(tmp_path, settings) as store, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(store.executions.commit, step(f"e{number}"))
    async with open_store(tmp_path, settings) as store:
        assert await store.executions.count(ExecutionFilter()) == 20


async def test_processes_share_a_new_folder(tmp_path: Path) -> None:
    def share(number: int) -> list[str]:
        child = subprocess.run(
            [sys.executable, str(SHARING), str(tmp_path), f"p{number}"], capture_output=True, text=True, timeout=50
        )
        assert child.returncode == 0, child.stderr
        return child.stdout.split()

    claimed: Counter[str] = Counter()

    async def run(number: int) -> None:
        claimed.update(await anyio.to_thread.run_sync(share, number))

    async with anyio.create_task_group() as tasks:
        for number in range(PROCESSES):
            tasks.start_soon(run, number)
    # Each process offered the same ten executions: one made each, one claimed each.
    assert claimed == Counter({**{f"made-{n}": 1 for n in range(10)}, **{f"claimed-{n}": 1 for n in range(10)}})
    async with open_store(tmp_path, Settings()) as store:
        assert await store.executions.count(ExecutionFilter()) == PROCESSES * 30 + 10
        assert len(await store.logs.lines(ExecutionId("shared"))) == PROCESSES * 5
        for found in await store.executions.list(ExecutionFilter(limit=500)):
            assert whole((await store.executions.load(found.id)).record)
