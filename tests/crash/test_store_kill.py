"""SIGKILL at any moment: what was reported committed is there, and no step is there in part."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.ids import ExecutionId
from engine.settings import Settings
from engine.store.open import open_store
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter
from support.steps import OWNER, START, version_of, whole

CHILD = Path(__file__).parent / "store_child.py"
ROUNDS = int(os.environ.get("TIDEGATE_KILLS", "6"))
MOST_REPORTS = 1500


def killed_after(folder: Path, name: str, reports: int) -> dict[str, int]:
    """Kill a child after so many reports; the last version it reported of each execution."""
    with subprocess.Popen([sys.executable, str(CHILD), "commit", str(folder), name], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(reports)]
        child.send_signal(signal.SIGKILL)
        # What it still said before it died; the last line may have been cut.
        rest = child.stdout.read().splitlines(keepends=True)
        lines += [line for line in rest if line.endswith(b"\n")]
    assert child.returncode == -signal.SIGKILL
    return last_versions(line.decode() for line in lines)


def last_versions(lines: Iterable[str]) -> dict[str, int]:
    last: dict[str, int] = {}
    for line in lines:
        id, version = line.split()
        last[id] = int(version)
    return last


async def check(store: Store, reported: dict[str, int]) -> None:
    """Every reported step is there, every execution is of one version, its timer too."""
    stored = await store.executions.list(ExecutionFilter(limit=100_000))
    assert reported.keys() <= {found.id for found in stored}
    timers = {timer.execution: timer.due for timer in await store.timers.due(OWNER, START + 1000, 100_000)}
    for found in stored:
        held = await store.executions.load(found.id)
        assert whole(held.record), found.id
        assert timers[found.id] == START + version_of(held)
        # A step may have been committed whose report was never made.
        assert version_of(held) - reported.get(found.id, 0) in (0, 1), found.id


@pytest.mark.timeout(300)
async def test_nothing_reported_is_lost(tmp_path: Path) -> None:
    chance = random.Random(20_240_229)
    reported: dict[str, int] = {}
    for round in range(ROUNDS):
        reported |= killed_after(tmp_path, f"r{round}", chance.randrange(1, MOST_REPORTS))
        async with open_store(tmp_path, Settings()) as store:
            await check(store, reported)
            await store.executions.load(ExecutionId(next(iter(reported))))
    assert sum(reported.values()) > ROUNDS


@pytest.mark.timeout(60)
async def test_a_process_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    first = killed_after(tmp_path, "first", 50)
    async with open_store(tmp_path, Settings()) as store:
        # Another is killed while this one has the store open.
        second = killed_after(tmp_path, "second", 50)
        await check(store, first | second)
