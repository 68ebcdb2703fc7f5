"""The bus of one process: work and hints in memory, gone with the process. What must last lies in the store."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ObjectReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from engine.bus.protocol import Lease
from engine.clock import Clock
from engine.errors import Unavailable

LEASE_SECONDS = 30.0
QUEUE_LIMIT = 100_000
HINT_LIMIT = 256


class LocalQueue:
    """Work for the takers of this process.

    lease_seconds: how long a taker may be silent before another gets its work, and how long an id is remembered
    limit: pieces of a group that may wait; more are refused with Unavailable
    """

    def __init__(self, clock: Clock, *, lease_seconds: float = LEASE_SECONDS, limit: int = QUEUE_LIMIT) -> None:
        self._clock = clock
        self._lease = int(lease_seconds * 1000)
        self._limit = limit
        self._groups: dict[str, _Group] = {}

    async def push(self, group: str, id: str, body: bytes) -> None:
        self._group(group).add(id, body, self._limit)

    async def pull(self, group: str) -> Lease:
        return await self._group(group).take()

    def _group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group(name, self._clock, self._lease))


class _Work:
    """A piece of work; `delivery` counts how often it was taken."""

    __slots__ = ("body", "delivery", "id")

    def __init__(self, id: str, body: bytes) -> None:
        self.id = id
        self.body = body
        self.delivery = 0


class _Group:
    """The work of one worker group: what waits, what is taken and until when, which ids came lately and until when.

    Both maps stay in order of their times, since every entry gets the same span and moves to the end with a new one.
    """

    def __init__(self, name: str, clock: Clock, lease: int) -> None:
        self._name = name
        self._clock = clock
        self._span = lease
        self._waiting: deque[_Work] = deque()
        self._taken: OrderedDict[_Work, int] = OrderedDict()
        self._known: OrderedDict[str, int] = OrderedDict()
        self._news = anyio.Event()

    def add(self, id: str, body: bytes, limit: int) -> None:
        now = self._clock.now()
        while self._known and next(iter(self._known.values())) <= now:
            self._known.popitem(last=False)
        if id in self._known:
            return
        if len(self._waiting) >= limit:
            raise Unavailable(f"The worker group '{self._name}' has {limit} pieces of work waiting: add workers to it")
        self._known[id] = now + self._span
        self._waiting.append(_Work(id, body))
        self._tell()

    async def take(self) -> Lease:
        while True:
            self._give_back_overdue()
            if self._waiting:
                work = self._waiting.popleft()
                work.delivery += 1
                self._taken[work] = self._clock.now() + self._span
                return _LocalLease(self, work)
            await self._change()

    def holds(self, work: _Work, delivery: int) -> bool:
        """Whether the taker of a delivery still has the work."""
        return work.delivery == delivery and work in self._taken

    def extend(self, work: _Work) -> None:
        self._taken[work] = self._clock.now() + self._span
        self._taken.move_to_end(work)

    def finish(self, work: _Work) -> None:
        """Whoever has it now, or has it next, need not do it again."""
        if self._taken.pop(work, None) is None and work in self._waiting:
            self._waiting.remove(work)

    def give_back(self, work: _Work) -> None:
        del self._taken[work]
        self._waiting.appendleft(work)
        self._tell()

    def _give_back_overdue(self) -> None:
        now = self._clock.now()
        while self._taken and next(iter(self._taken.values())) <= now:
            self.give_back(next(iter(self._taken)))

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def _change(self) -> None:
        """Wait for new work, or for the end of a lease."""
        news = self._news
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._lease_end, tasks.cancel_scope)
            await news.wait()
            tasks.cancel_scope.cancel()

    async def _lease_end(self, wait: anyio.CancelScope) -> None:
        """End the wait when the first lease does; one that begins only now ends after a whole span."""
        now = self._clock.now()
        await self._clock.sleep((next(iter(self._taken.values()), now + self._span) - now) / 1000)
        wait.cancel()


class _LocalLease:
    """A delivery; what is said after the work has gone to another changes nothing, except that it is finished."""

    def __init__(self, group: _Group, work: _Work) -> None:
        self._group = group
        self._work = work
        self._delivery = work.delivery

    @property
    def body(self) -> bytes:
        return self._work.body

    async def extend(self) -> None:
        if self._group.holds(self._work, self._delivery):
            self._group.extend(self._work)

    async def finish(self) -> None:
        self._group.finish(self._work)

    async def give_back(self) -> None:
        if self._group.holds(self._work, self._delivery):
            self._group.give_back(self._work)


class LocalHints:
    """News among the parts of this process.

    limit: hints that wait for a slow reader; the oldest are dropped
    """

    def __init__(self, *, limit: int = HINT_LIMIT) -> None:
        self._limit = limit
        self._readers: dict[str, set[_Reader]] = {}

    async def publish(self, subject: str, body: bytes = b"") -> None:
        for reader in self._readers.get(subject, ()):
            reader.send(body)

    @asynccontextmanager
    async def subscribe(self, subject: str) -> AsyncIterator[ObjectReceiveStream[bytes]]:
        sending, receiving = anyio.create_memory_object_stream[bytes](self._limit)
        with sending, receiving, receiving.clone() as oldest:
            reader = _Reader(sending, oldest)
            self._readers.setdefault(subject, set()).add(reader)
            try:
                yield receiving
            finally:
                self._readers[subject].discard(reader)
                if not self._readers[subject]:
                    del self._readers[subject]


class _Reader:
    """Both ends of a reader's stream: the one to write to, and the one to drop from."""

    def __init__(self, sending: MemoryObjectSendStream[bytes], oldest: MemoryObjectReceiveStream[bytes]) -> None:
        self._sending = sending
        self._oldest = oldest

    def send(self, body: bytes) -> None:
        try:
            self._sending.send_nowait(body)
        except anyio.WouldBlock:
            self._oldest.receive_nowait()
            self._sending.send_nowait(body)
