"""One of several processes on one data folder: `sharing.py FOLDER NAME`. Prints what it won against the others."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio
import msgspec

from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.settings import Settings
from engine.store.open import open_store
from engine.store.protocols import Store
from engine.store.rows import LogLine
from support.steps import START, step


async def main(folder: Path, name: str) -> None:
    async with open_store(folder, Settings()) as store, anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(drive, store, f"{name}-{number}", name)
        for number in range(10):
            tasks.start_soon(contend, store, number, name)
        for number in range(5):
            line = LogLine(START, "INFO", f"{name} {number}", "shop", "flow", ExecutionId("shared"))
            tasks.start_soon(store.logs.append, [line])


async def drive(store: Store, id: str, owner: str) -> None:
    for version in range(1, 6):
        await store.executions.commit(step(id, version, owner))


async def contend(store: Store, number: int, owner: str) -> None:
    id = f"contended-{number}"
    try:
        await store.executions.commit(msgspec.structs.replace(step(id, owner=owner), released=True))
        print(f"made-{number}")
    except Conflict:
        pass
    if await store.executions.claim(ExecutionId(id), owner):
        print(f"claimed-{number}")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
