"""Internal storage's port: bytes by address.

An address is a text `kestra:///…` (see `engine.files.addresses`); every method takes addresses of one tenant and raises
StorageError for one that is malformed or leads outside, NotFound for one that does not exist.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

Attributes = Mapping[str, str]


class FileInfo(msgspec.Struct, frozen=True):
    """A stored file: size in bytes, `modified` in milliseconds, the attributes it was stored with."""

    address: str
    size: int
    modified: int
    attributes: dict[str, str]


class InternalStorage(Protocol):
    """Stores whole files; what is being written is never seen half."""

    async def put(
        self, address: str, source: bytes | AsyncIterable[bytes], attributes: Attributes | None = None
    ) -> FileInfo:
        """Store bytes, replacing what was there."""
        ...

    async def put_path(self, address: str, path: Path, attributes: Attributes | None = None) -> FileInfo:
        """Store a copy of a local file."""
        ...

    def read(self, address: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes from `start` up to but not including `end`, in chunks of at most 1 MiB."""
        ...

    async def fetch(self, address: str, path: Path) -> None:
        """Copy to a local file, creating its folders."""
        ...

    async def stat(self, address: str) -> FileInfo: ...

    async def list(self, prefix: str) -> Sequence[FileInfo]:
        """Files at or below an address, sorted by address; empty when there are none."""
        ...

    async def delete(self, prefix: str) -> int:
        """Delete a file or everything below an address; returns how many files."""
        ...
