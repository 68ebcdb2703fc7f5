"""Zip archives that people send and take: read within limits, written to a local file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread

from engine.errors import Malformed

MOST_FILES = 10_000
MOST_BYTES = 4 * 1024 * 1024 * 1024
MOST_TEXT = 16 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


class Archive:
    """An open archive of at most 10,000 files, 4 GiB unpacked. `names` are those of its files, without folders."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self._left = MOST_BYTES
        self.names = [info.filename for info in opened.infolist() if not info.is_dir()]
        if len(self.names) > MOST_FILES:
            raise Malformed(f"the archive has {len(self.names):,} files, and at most {MOST_FILES:,} are taken at once")

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """The content of a file, in chunks. Raises Malformed for what is broken, or too much."""
        with await anyio.to_thread.run_sync(self._open, name) as file:
            while chunk := await anyio.to_thread.run_sync(_chunk, file, name):
                # What the archive says of sizes may be wrong.
                self._left -= len(chunk)
                if self._left < 0:
                    raise Malformed(
                        f"the archive holds more than {MOST_BYTES:,} bytes, which is the most that is taken"
                    )
                yield chunk

    async def text(self, name: str) -> str:
        """The content of a file as text. Raises Malformed."""
        return await _text(name, self.read(name))

    def _open(self, name: str) -> IO[bytes]:
        try:
            return self._opened.open(name)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            # The last two are compressed in a way that is not known, and encrypted.
            raise _broken(name, error) from None


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Archive]:
    """Read an archive while the block is open. Raises Malformed for what is none."""
    try:
        file = await anyio.to_thread.run_sync(zipfile.ZipFile, path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Malformed(f"this is no zip archive: {error}") from None
    with file:
        yield Archive(file)


async def plain(path: Path) -> str:
    """The content of a local file as text. Raises Malformed."""
    async with await anyio.open_file(path, "rb") as file:
        return await _text(path.name, file)


async def write(path: Path, files: Iterable[tuple[str, AsyncIterator[bytes] | bytes]]) -> None:
    """Write an archive of files given by name and content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            if isinstance(content, bytes):
                await anyio.to_thread.run_sync(archive.writestr, name, content)
                continue
            with archive.open(name, "w", force_zip64=True) as target:
                async for chunk in content:
                    await anyio.to_thread.run_sync(target.write, chunk)


async def _text(name: str, chunks: AsyncIterable[bytes]) -> str:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MOST_TEXT:
            raise Malformed(f"the file '{name}' is longer than {MOST_TEXT:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the file '{name}' is no text in UTF-8, see byte {error.start}") from None


def _chunk(file: IO[bytes], name: str) -> bytes:
    try:
        return file.read(CHUNK_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _broken(name, error) from None


def _broken(name: str, error: Exception) -> Malformed:
    return Malformed(f"the file '{name}' of the archive can't be read: {error}")
