"""The bus's ports: `Queue` carries work with leases, `Hints` carry news that may be lost.

Losing a hint costs latency, never correctness: whoever waits for one also looks from time to time.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from anyio.abc import ObjectReceiveStream


class Lease(Protocol):
    """A piece of work that was taken and not yet given back or finished."""

    @property
    def body(self) -> bytes: ...

    async def extend(self) -> None:
        """Say that the work is still going on."""
        ...

    async def finish(self) -> None:
        """The work is done and its result stored; it is never delivered again."""
        ...

    async def give_back(self) -> None:
        """Someone else shall do it, now."""
        ...


class Queue(Protocol):
    """Work in order of arrival, each piece to one taker."""

    async def push(self, group: str, id: str, body: bytes) -> None:
        """Offer work to a worker group; the same id again within the lease time is dropped."""
        ...

    async def pull(self, group: str) -> Lease:
        """Wait for work."""
        ...


class Hints(Protocol):
    """Publish and subscribe by subject."""

    async def publish(self, subject: str, body: bytes = b"") -> None: ...

    def subscribe(self, subject: str) -> AbstractAsyncContextManager[ObjectReceiveStream[bytes]]:
        """Hints published while the block is open; the oldest are dropped when the reader is slow."""
        ...
