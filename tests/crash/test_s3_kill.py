"""SIGKILL of a process that watches a bucket while others write to it: each object starts one execution.

TIDEGATE_CRASH_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.store.rows import ExecutionFilter
from support.killing import most, python
from support.object_store import client, object_store

ROUNDS = most(5)
SEED = int(os.environ.get("TIDEGATE_CRASH_SEED", "20261201"))
WRITERS = 20
# How many keys each of them writes: they go on as long as processes are killed.
KEYS = 2 * ROUNDS
# How many fault points a process passes before it dies: from within its first poll to some polls later.
FIRST, LAST = 3, 90
PROCESS = """
import sys
from pathlib import Path
import anyio
from engine.runtime.engine import open_engine
from engine.settings import Settings

async def main():
    with anyio.move_on_after(20):
        async with open_engine(Path(sys.argv[1]), Settings(), recovers=True) as engine:
            while True:
                await engine.polls.poll(await engine.firing.load("crash", sys.argv[2], "watch"))
                await anyio.sleep(0.02)

anyio.run(main)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("s3")) as address:
        yield address


class Writers:
    """Write keys of their own, each once, and others again and again, until they are stopped."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._stopped = False
        self.once: set[str] = set()
        self.last: dict[str, bytes] = {}

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(WRITERS):
                tasks.start_soon(self._write, number)

    def stop(self) -> None:
        self._stopped = True

    async def _write(self, writer: int) -> None:
        number = 0
        while not self._stopped and number < KEYS:
            number += 1
            key = f"in/once/{writer:02}/{number:04}"
            await self._s3.put_object(Bucket=self._bucket, Key=key, Body=key.encode())
            self.once.add(key)
            if writer % 4 == 0:
                key, content = f"in/again/{writer:02}", f"{number}".encode()
                await self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
                self.last[key] = content
            await anyio.sleep(1)


def source(flow: str, address: str, bucket: str, **properties: Any) -> str:
    trigger = {
        "id": "watch",
        "type": "aws.s3.Trigger",
        "endpointOverride": address,
        "forcePathStyle": True,
        "accessKeyId": "key",
        "secretKeyId": "secret",
        "bucket": bucket,
        "settle": "PT0S",
        "maxFiles": 7,
        **properties,
    }
    tasks = [{"id": "say", "type": "core.debug.Return", "format": "{{ trigger.objects | length }}"}]
    return "# dialect: 2\n" + json.dumps({"id": flow, "namespace": "crash", "tasks": tasks, "triggers": [trigger]})


async def killed(folder: Path, flow: str, at: int) -> None:
    """Let a process watch the bucket until it is killed at a point."""
    arguments = ("-c", PROCESS, str(folder), flow)
    done = await anyio.to_thread.run_sync(lambda: python(*arguments, TIDEGATE_FAULT_AT=str(at)))
    assert done.returncode in (0, -signal.SIGKILL), done.stderr


async def settled(engine: Engine, flow: str) -> dict[str, int]:
    """Poll until nothing is left to be done; returns the counts of the audit."""
    with anyio.fail_after(120):
        while True:
            await engine.polls.poll(await engine.firing.load("crash", flow, "watch"))
            audit = await engine.polls.audit("crash", flow, "watch")
            if set(audit.counts) <= {"done", "gone"}:
                assert (audit.missing, audit.duplicate, audit.lost) == ([], [], [])
                return dict(audit.counts)


async def fired(engine: Engine, flow: str) -> list[dict[str, Any]]:
    """All objects that executions have, whose content is the one that they name."""
    executions = await engine.store.executions.list(ExecutionFilter(flow=flow, limit=10_000))
    return [it for one in executions if one.trigger is not None for it in one.trigger.variables["objects"]]


@pytest.mark.timeout(600)
async def test_s3_12_no_object_is_lost_or_fires_twice_whenever_the_process_dies(tmp_path: Path, address: str) -> None:
    chosen = random.Random(SEED)
    async with client(address) as s3:
        await s3.create_bucket(Bucket="moving")
        writers = Writers(s3, "moving")
        async with open_engine(tmp_path, Settings()) as engine:
            move = {"prefix": "in/once/", "action": "MOVE", "moveTo": {"key": "done"}}
            await engine.control.save_flow(source("moves", address, "moving", **move))
            await engine.control.save_flow(source("looks", address, "moving", prefix="in/again/"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writers.run)
            for round in range(ROUNDS):
                flow = "looks" if round % 3 == 2 else "moves"
                await killed(tmp_path, flow, chosen.randint(FIRST, LAST))
            writers.stop()
        async with open_engine(tmp_path, Settings(), recovers=True) as engine:
            await settled(engine, "moves")
            await settled(engine, "looks")
            moved, looked = await fired(engine, "moves"), await fired(engine, "looks")
            for it in moved:
                content = b"".join([chunk async for chunk in engine.files.read(it["uri"])])
                assert content == it["key"].encode()
            latest = {it["key"]: it for it in sorted(looked, key=lambda it: str(it["lastModified"]))}
            for key, content in writers.last.items():
                stored = b"".join([chunk async for chunk in engine.files.read(latest[key]["uri"])])
                assert stored == content
        assert Counter(it["key"] for it in moved) == Counter(writers.once)
        left = [it["Key"] async for it in listed(s3, "in/once/")]
        done = {it["Key"] async for it in listed(s3, "done/")}
        assert (left, done) == ([], {f"done/{key.removeprefix('in/once/')}" for key in writers.once})


async def listed(s3: Any, prefix: str) -> Any:
    async for page in s3.get_paginator("list_objects_v2").paginate(Bucket="moving", Prefix=prefix):
        for entry in page.get("Contents", ()):
            yield entry
