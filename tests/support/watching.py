"""A bucket, a flow that watches it, and what a test wants to know of both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio

from engine.clock import Clock, SystemClock
from engine.plugin.polling import Audit
from engine.runtime.engine import Engine, open_engine
from engine.runtime.triggering.polling import Polled
from engine.settings import Settings
from engine.state.execution import Execution
from engine.store.rows import ExecutionFilter
from support.faulty_store import Door, door_to
from support.object_store import client

SECONDS = 40
TASKS = [{"id": "log", "type": "io.kestra.plugin.core.log.Log", "message": "{{ trigger.objects | length }}"}]


class Watched:
    """A bucket behind a door, and an engine."""

    def __init__(self, engine: Engine, s3: Any, door: Door, clock: Clock) -> None:
        self.engine = engine
        self.s3 = s3
        self.door = door
        self.clock = clock
        self.bucket = f"watched-{uuid4().hex[:12]}"

    def trigger(self, **properties: Any) -> dict[str, Any]:
        return {
            "id": "watch",
            "type": "io.kestra.plugin.aws.s3.Trigger",
            "endpointOverride": self.door.address,
            "forcePathStyle": True,
            "accessKeyId": "key",
            "secretKeyId": "secret",
            "bucket": self.bucket,
            "settle": "PT0S",
            **properties,
        }

    async def save(self, *, flow: str = "flow", dialect: int = 1, more: Any = None, **properties: Any) -> None:
        """Store a flow with the trigger."""
        source = {"id": flow, "namespace": "test", "tasks": TASKS, "triggers": [self.trigger(**properties)]}
        await self.engine.control.save_flow(f"# dialect: {dialect}\n{json.dumps({**source, **(more or {})}, indent=1)}")

    async def put(self, *keys: str, content: bytes | None = None) -> None:
        room = anyio.Semaphore(16)

        async def put(key: str) -> None:
            async with room:
                body = key.encode() if content is None else content
                await self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

        async with anyio.create_task_group() as tasks:
            for key in keys:
                tasks.start_soon(put, key)

    async def delete(self, *keys: str) -> None:
        for key in keys:
            await self.s3.delete_object(Bucket=self.bucket, Key=key)

    async def keys(self, bucket: str | None = None) -> list[str]:
        page = await self.s3.list_objects_v2(Bucket=bucket or self.bucket)
        return [entry["Key"] for entry in page.get("Contents", ())]

    async def content(self, key: str) -> bytes:
        answer = await self.s3.get_object(Bucket=self.bucket, Key=key)
        content: bytes = await answer["Body"].read()
        return content

    async def poll(self, flow: str = "flow") -> Polled:
        """Poll the trigger once."""
        with anyio.fail_after(SECONDS):
            return await self.engine.polls.poll(await self.engine.firing.load("test", flow, "watch"))

    async def audit(self, flow: str = "flow") -> Audit:
        return await self.engine.polls.audit("test", flow, "watch")

    async def proved(self, flow: str = "flow") -> None:
        """The audit finds nothing missing, nothing twice, nothing without its execution."""
        audit = await self.audit(flow)
        assert (audit.missing, audit.duplicate, audit.lost) == ([], [], [])
        assert "not seen yet" not in audit.counts

    async def executions(self, flow: str = "flow") -> list[Execution]:
        found = await self.engine.store.executions.list(ExecutionFilter(flow=flow, limit=10_000))
        return sorted(
            found, key=lambda it: (it.created, it.trigger.variables["objects"][0]["key"] if it.trigger else "")
        )

    async def batches(self, flow: str = "flow") -> list[list[str]]:
        """The keys that each execution got, in the order of creation."""
        return [[it["key"] for it in objects] for objects in await self.objects(flow)]

    async def objects(self, flow: str = "flow") -> list[list[dict[str, Any]]]:
        return [it.trigger.variables["objects"] for it in await self.executions(flow) if it.trigger is not None]

    async def last(self, flow: str = "flow") -> dict[str, Any]:
        """The only object of the last execution."""
        (found,) = (await self.objects(flow))[-1]
        return found

    async def states(self) -> dict[str, str]:
        """The state of each version that is known."""
        scope = await self.engine.store.ledger.scope("test", "flow/watch", f"s3://{self.bucket}", 1)
        return {f"{it.item}": it.state.value for it in await self.engine.store.ledger.known(scope.id, None, 10_000)}

    async def stored(self, uri: str) -> bytes:
        return b"".join([chunk async for chunk in self.engine.files.read(uri)])


@asynccontextmanager
async def watching(folder: Path, address: str, clock: Clock | None = None) -> AsyncIterator[Watched]:
    """A new bucket and an engine over a folder."""
    clock = clock or SystemClock()
    async with (
        client(address) as s3,
        door_to(address) as door,
        open_engine(folder, Settings(), clock=clock) as engine,
    ):
        watched = Watched(engine, s3, door, clock)
        await s3.create_bucket(Bucket=watched.bucket)
        yield watched
