"""A disk that gets full: callers hear Unavailable, nothing is lost, and it goes on when there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.ids import ExecutionId
from engine.settings import Settings
from engine.store.open import open_store
from engine.store.rows import ExecutionFilter
from support.steps import version_of, whole

CHILD = Path(__file__).parent / "store_child.py"


@pytest.mark.timeout(90)
async def test_nothing_is_lost_and_all_goes_on(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, str(CHILD), "fill", str(tmp_path), "e"], capture_output=True, text=True, timeout=80
    )
    assert child.returncode == 0, child.stderr
    *reports, last = child.stdout.splitlines()
    word, refused, lost_lines = last.split()
    assert word == "refused"
    # The limit was really met, by the database and by the logs.
    assert int(refused) >= 30
    assert int(lost_lines) == 1
    reported = {id: int(version) for id, version in (line.split() for line in reports)}
    async with open_store(tmp_path, Settings()) as store:
        stored = await store.executions.list(ExecutionFilter(limit=1000))
        assert {found.id for found in stored} == reported.keys()
        for found in stored:
            held = await store.executions.load(found.id)
            assert version_of(held) == reported[found.id] == 20
            assert whole(held.record)
        # Lines refused once and given again are there once.
        assert len(await store.logs.lines(ExecutionId("e"))) == 21
