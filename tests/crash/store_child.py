"""A process that writes to a store until it is killed, or on a disk that gets full.

`store_child.py commit FOLDER NAME` drives executions for ever; `store_child.py fill FOLDER NAME` meets a full disk and
goes on once there is room. Both print `ID VERSION` for each step when its commit has returned.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio

from engine.errors import Unavailable
from engine.ids import ExecutionId
from engine.settings import Settings
from engine.store.open import DATABASE, open_store
from engine.store.protocols import Store
from engine.store.rows import LogLine
from support.steps import START, step

AT_ONCE = 30
STEPS = 20
TEXT = "x" * 20_000


def report(id: str, version: int) -> None:
    os.write(1, f"{id} {version}\n".encode())


async def commit(store: Store, name: str) -> None:
    """Many executions at once, one step after the other, without end."""

    async def drive(lane: int) -> None:
        count = 0
        while True:
            count += 1
            id = f"{name}-{lane}-{count}"
            for version in range(1, STEPS + 1):
                await store.executions.commit(step(id, version))
                report(id, version)

    async with anyio.create_task_group() as tasks:
        for lane in range(AT_ONCE):
            tasks.start_soon(drive, lane)


async def fill(store: Store, folder: Path, name: str) -> None:
    """Write until nothing fits, then make room; each step is tried until it is committed."""
    room = anyio.Event()
    refused = 0

    async def drive(lane: int) -> None:
        nonlocal refused
        id = f"{name}-{lane}"
        for version in range(1, STEPS + 1):
            while True:
                try:
                    await store.executions.commit(step(id, version, text=TEXT))
                    break
                except Unavailable:
                    refused += 1
                    if refused >= AT_ONCE:
                        room.set()
                    await room.wait()
            report(id, version)

    def limit(size: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    line = LogLine(START, "INFO", "x" * 500_000, "shop", "flow", ExecutionId(name))
    await store.logs.append([line])
    limit(max(file.stat().st_size for file in folder.glob(f"{DATABASE}*")) + 3_000_000)
    async with anyio.create_task_group() as tasks:
        for lane in range(AT_ONCE):
            tasks.start_soon(drive, lane)
        await room.wait()
        lost_lines = 0
        try:
            await store.logs.append([line] * 20)
        except Unavailable:
            lost_lines += 1
        limit(resource.RLIM_INFINITY)
        await store.logs.append([line] * 20)
    print("refused", refused, lost_lines, flush=True)


async def main(what: str, folder: Path, name: str) -> None:
    async with open_store(folder, Settings()) as store:
        await (commit(store, name) if what == "commit" else fill(store, folder, name))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3])
