"""A poll of a bucket with very many objects, nearly all of them known, from a store in this process."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from plugins.aws.s3.trigger import Trigger

COUNT = int(os.environ.get("TIDEGATE_S3_OBJECTS", "1000000"))
CHANGED = 700
PAGE = 1000
FIRST = f"S3: first look at {COUNT:,} objects, memory (MB)"
WALL = f"S3: poll of {COUNT:,} known objects, {CHANGED} changed (s)"
CPU = "S3: the same, work of the processors (s)"
MEMORY = "S3: the same, memory more than before (MB)"
GOALS = {FIRST: 128.0, CPU: 10.0, MEMORY: 64.0}
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
FLOW = """
id: watch
namespace: bench
tasks: [{id: say, type: core.debug.Return, format: "{{ trigger.objects | length }}"}]
triggers:
  - {id: watch, type: aws.s3.Trigger, bucket: many, prefix: data/, initial: BASELINE, fetch: NONE, maxFiles: 100}
"""


class Store:
    """Answers what a listing asks for. Objects are made when they are asked for."""

    def __init__(self) -> None:
        self.changed = False

    async def list_objects_v2(self, ContinuationToken: str = "0", **_: Any) -> dict[str, Any]:  # noqa: N803
        start = int(ContinuationToken)
        entries = [self._entry(number) for number in range(start, min(start + PAGE, COUNT))]
        more = start + PAGE < COUNT
        return {"Contents": entries, "IsTruncated": more, "NextContinuationToken": str(start + PAGE) if more else None}

    def _entry(self, number: int) -> dict[str, Any]:
        changed = self.changed and number % (COUNT // CHANGED) == 0 and number // (COUNT // CHANGED) < CHANGED
        etag = f"{number + COUNT * changed:032x}"
        return {"Key": f"data/2026/file-{number:09}.csv", "ETag": etag, "Size": number % 9999, "LastModified": WRITTEN}


def run() -> dict[str, float]:
    """Seconds and megabytes of a first look and of one that finds changes."""
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_measure, Path(folder))


async def _measure(folder: Path) -> dict[str, float]:
    store = Store()

    @asynccontextmanager
    async def client(_trigger: Trigger) -> AsyncIterator[Store]:
        yield store

    real, Trigger.client = Trigger.client, client  # type: ignore[assignment, method-assign]
    try:
        async with open_engine(folder, Settings()) as engine:
            await engine.control.save_flow(FLOW)
            before = _megabytes()
            first = await _watched(engine)
            store.changed = True
            known, wall, cpu = _megabytes(), time.perf_counter(), time.process_time()
            second = await _watched(engine)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            audit = await engine.polls.audit("bench", "watch", "watch")
            assert (audit.counts.get("new", 0), audit.counts["done"]) == (0, CHANGED)
            return {FIRST: first - before, WALL: wall, CPU: cpu, MEMORY: second - known}
    finally:
        Trigger.client = real  # type: ignore[method-assign]


async def _watched(engine: Engine) -> float:
    """Poll once; returns the most memory that it took, in megabytes."""
    most = 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, _megabytes())
            await anyio.sleep(0.05)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await engine.polls.poll(await engine.firing.load("bench", "watch", "watch"))
        tasks.cancel_scope.cancel()
    return most


def _megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
