"""Files of this machine that flows may read as `file:///…`: those below the folders that the settings allow."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import anyio
import anyio.to_thread

from engine.errors import NotFound, StorageError

SCHEME = "file://"
CHUNK_BYTES = 1024 * 1024


class LocalFiles:
    """Reads below some folders; links are followed first, so that none leads outside.

    Raises StorageError for a file elsewhere, NotFound for one that does not exist.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = tuple(Path(folder).expanduser() for folder in allowed)

    def takes(self, uri: str) -> bool:
        """Whether a URI names a file of this machine, and any folder is allowed at all."""
        return bool(self._allowed) and uri.startswith(SCHEME)

    async def place(self, uri: str) -> Path:
        """The local path of a file."""
        return await anyio.to_thread.run_sync(self._place, uri)

    async def read(self, uri: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes from `start` up to but not including `end`, in chunks."""
        async with await anyio.open_file(await self.place(uri), "rb") as file:
            await file.seek(start)
            left = CHUNK_BYTES if end is None else max(0, end - start)
            while chunk := await file.read(min(CHUNK_BYTES, left)):
                if end is not None:
                    left -= len(chunk)
                yield chunk

    async def size(self, uri: str) -> int:
        return (await anyio.Path(await self.place(uri)).stat()).st_size

    def _place(self, uri: str) -> Path:
        path = unquote(uri.removeprefix(SCHEME)).replace("\0", "")
        place = Path(path).resolve()
        if not any(place.is_relative_to(folder.resolve()) for folder in self._allowed):
            raise StorageError(
                f"The path {uri} is not authorized: only files below the folders of the setting files.allowed can be "
                "read"
            )
        if not place.is_file():
            raise NotFound("file", uri)
        if not os.access(place, os.R_OK):
            raise StorageError(f"The file '{uri}' can't be read: this process has no right to")
        return place
