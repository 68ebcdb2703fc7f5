"""This process among others on the same data folder.

A process holds a lock on `nodes/ID.lock` as long as it lives; whoever can take that lock knows that it is gone.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import TidegateError, Unavailable
from engine.ids import ExecutionId, random_id
from engine.runtime.driving.driver import Driver
from engine.runtime.driving.skips import SKIPPED, Skips
from engine.state.event import AnyEvent
from engine.store.protocols import Store
from engine.store.rows import NodeRow

LOOK_SECONDS = 0.15
RECOVER_EVERY = 20
ADOPT_BATCH = 200

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyEvent).decode


class Node:
    """The presence of this process: its id and its lock."""

    def __init__(self, folder: Path) -> None:
        self.id = random_id()
        self._folder = folder
        self._file: int | None = None

    def lock(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._folder / f"{self.id}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def unlock(self) -> None:
        if self._file is not None:
            (self._folder / f"{self.id}.lock").unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def gone(self, id: str) -> bool:
        """Whether a process with this id no longer lives."""
        if id == self.id:
            return False
        try:
            file = os.open(self._folder / f"{id}.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True


class Nodes:
    """Messages from other processes, and the executions of those that died."""

    def __init__(self, node: Node, store: Store, driver: Driver, clock: Clock, recovers: bool, skips: Skips) -> None:
        self._node = node
        self._store = store
        self._driver = driver
        self._clock = clock
        self._recovers = recovers
        self._skips = skips
        self._knows_skipped = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look for messages, and now and then for orphans, until cancelled."""
        await self._store.nodes.register(NodeRow(id=self._node.id, pid=os.getpid(), started=self._clock.now()))
        task_status.started()
        looks = 0
        while True:
            try:
                await self._take_messages()
                if self._recovers and looks % RECOVER_EVERY == 0:
                    await self.recover()
            except Unavailable as error:
                logging.getLogger("tidegate").warning("The store can't answer: %s", error)
            looks += 1
            await anyio.sleep(LOOK_SECONDS)

    async def gone(self, owner: str) -> bool:
        """Whether the process that owned an execution no longer lives."""
        return await anyio.to_thread.run_sync(self._node.gone, owner)

    async def dead(self) -> Sequence[str]:
        """Processes that left executions behind."""
        owners = await self._store.executions.owners()
        return [owner for owner in owners if await self.gone(owner)]

    async def recover(self) -> list[ExecutionId]:
        """Take up what processes that died had in hand; returns the executions taken."""
        taken: list[ExecutionId] = []
        for owner in await self.dead():
            if owner == SKIPPED and self._skips and self._knows_skipped:
                continue
            aside: list[ExecutionId] = []
            while adopted := await self._store.executions.adopt(owner, self._node.id, ADOPT_BATCH):
                aside += (skipped := await self._skipped(adopted))
                mine = [id for id in adopted if id not in skipped]
                for id in mine:
                    await self._take_up(id)
                taken += mine
            for id in aside:
                await self._store.executions.claim(id, SKIPPED, self._node.id)
            await self._store.nodes.retire(owner)
        self._knows_skipped = True
        return taken

    async def _skipped(self, ids: Sequence[ExecutionId]) -> set[ExecutionId]:
        """Those of some executions that are set aside."""
        heads = await self._store.executions.heads(ids) if self._skips else ()
        return {execution.id for execution in heads if self._skips.has(execution)}

    async def tell(self, owner: str, execution: ExecutionId, event: AnyEvent) -> None:
        """Send an event to the process that drives an execution."""
        await self._store.nodes.send(owner, execution, _encode(event))

    async def _take_up(self, id: ExecutionId) -> None:
        try:
            await self._driver.recover(id)
        except TidegateError as error:
            logging.getLogger("tidegate").error("Execution %s can't be recovered: %s", id, error)

    async def _take_messages(self) -> None:
        messages = await self._store.nodes.take(self._node.id, 100)
        for message in messages:
            try:
                await self._driver.submit(message.execution, _decode(message.body))
            except TidegateError as error:
                logging.getLogger("tidegate").warning("Message for execution %s: %s", message.execution, error)
        if messages:
            await self._store.nodes.done([message.id for message in messages])
