"""Internal storage in a folder of this machine.

A file is written elsewhere and renamed into its place, so that nobody ever sees half of one. Its attributes lie in a
file of their own below `.attributes`, written first: a file that is there has them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread
import msgspec

from engine.errors import NotFound, StorageError
from engine.faults import fault_point
from engine.files.addresses import SCHEME, parts_of
from engine.files.protocol import Attributes, FileInfo
from engine.ids import random_id

CHUNK_BYTES = 1024 * 1024
UNFINISHED = ".unfinished"
ATTRIBUTES = ".attributes"
RESERVED = frozenset({UNFINISHED, ATTRIBUTES})

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class DiskStorage:
    """Files below a folder, which is made at the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(
        self, address: str, source: bytes | AsyncIterable[bytes], attributes: Attributes | None = None
    ) -> FileInfo:
        target = self._place(address)
        if isinstance(source, bytes):
            return await anyio.to_thread.run_sync(self._put_bytes, address, target, source, attributes)
        unfinished = await anyio.to_thread.run_sync(self._new_file)
        try:
            with await anyio.to_thread.run_sync(unfinished.open, "wb") as file:
                async for chunk in source:
                    await anyio.to_thread.run_sync(file.write, chunk)
                await anyio.to_thread.run_sync(_sync, file)
            return await anyio.to_thread.run_sync(self._finish, address, unfinished, target, attributes)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_discard, unfinished)

    async def put_path(self, address: str, path: Path, attributes: Attributes | None = None) -> FileInfo:
        target = self._place(address)
        return await anyio.to_thread.run_sync(self._put_copy, address, target, path, attributes)

    async def read(self, address: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        place = self._place(address)
        file = await anyio.to_thread.run_sync(self._open, address, place)
        try:
            await anyio.to_thread.run_sync(file.seek, start)
            left = CHUNK_BYTES if end is None else max(0, end - start)
            while chunk := await anyio.to_thread.run_sync(file.read, min(CHUNK_BYTES, left)):
                if end is not None:
                    left -= len(chunk)
                yield chunk
        finally:
            file.close()

    async def fetch(self, address: str, path: Path) -> None:
        place = self._place(address)
        await anyio.to_thread.run_sync(self._copy_out, address, place, path)

    async def stat(self, address: str) -> FileInfo:
        place = self._place(address)
        return await anyio.to_thread.run_sync(self._info, address, place)

    async def list(self, prefix: str) -> Sequence[FileInfo]:
        place = self._place(prefix)
        return await anyio.to_thread.run_sync(self._infos, place)

    async def delete(self, prefix: str) -> int:
        place = self._place(prefix)
        return await anyio.to_thread.run_sync(self._remove, place)

    def _place(self, address: str) -> Path:
        """The local path of an address. Raises StorageError for one that leads outside, also by a link."""
        steps = parts_of(address)
        if steps[0] in RESERVED:
            raise StorageError(f"The address '{address}' is refused: '{steps[0]}' belongs to the storage itself")
        return self._root.joinpath(*steps)

    def _checked(self, address: str, place: Path) -> Path:
        if not place.resolve().is_relative_to(self._root.resolve()):
            raise StorageError(f"The address '{address}' is refused: a link leads it outside the storage")
        return place

    def _new_file(self) -> Path:
        folder = self._root / UNFINISHED
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / random_id()

    def _put_bytes(self, address: str, target: Path, content: bytes, attributes: Attributes | None) -> FileInfo:
        unfinished = self._new_file()
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                _sync(file)
            return self._finish(address, unfinished, target, attributes)
        finally:
            _discard(unfinished)

    def _put_copy(self, address: str, target: Path, path: Path, attributes: Attributes | None) -> FileInfo:
        unfinished = self._new_file()
        try:
            with path.open("rb") as source, unfinished.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK_BYTES)
                _sync(file)
            return self._finish(address, unfinished, target, attributes)
        except OSError as error:
            raise StorageError(f"The file '{path.name}' can't be stored: {error.strerror}") from None
        finally:
            _discard(unfinished)

    def _finish(self, address: str, unfinished: Path, target: Path, attributes: Attributes | None) -> FileInfo:
        """Give a written file its name, durably."""
        if target.is_dir():
            raise StorageError(f"The address '{address}' is refused: there is a folder of that name")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StorageError(f"The address '{address}' is refused: a part of it is a file") from None
        self._checked(address, target.parent)
        self._put_attributes(target, attributes)
        fault_point("file written")
        unfinished.replace(target)
        _sync_folder(target.parent)
        fault_point("file named")
        return self._info(address, target)

    def _put_attributes(self, target: Path, attributes: Attributes | None) -> None:
        place = self._attributes_of(target)
        if not attributes:
            place.unlink(missing_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._new_file()
        unfinished.write_bytes(_encode(dict(attributes)))
        unfinished.replace(place)

    def _attributes_of(self, target: Path) -> Path:
        inside = target.relative_to(self._root)
        return self._root / ATTRIBUTES / inside.parent / f"{inside.name}.json"

    def _open(self, address: str, place: Path) -> BinaryIO:
        self._checked(address, place)
        try:
            return place.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise missing(address) from None

    def _copy_out(self, address: str, place: Path, path: Path) -> None:
        with self._open(address, place) as source:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)

    def _info(self, address: str, place: Path) -> FileInfo:
        self._checked(address, place)
        if not place.is_file():
            raise missing(address)
        return self._info_of(place)

    def _info_of(self, place: Path) -> FileInfo:
        found = place.stat()
        attributes = self._attributes_of(place)
        return FileInfo(
            address=f"{SCHEME}/{place.relative_to(self._root).as_posix()}",
            size=found.st_size,
            modified=found.st_mtime_ns // 1_000_000,
            attributes=_decode(attributes.read_bytes()) if attributes.exists() else {},
        )

    def _infos(self, place: Path) -> Sequence[FileInfo]:
        return sorted((self._info_of(file) for file in self._files(place)), key=lambda info: info.address)

    def _files(self, place: Path) -> Iterator[Path]:
        if place.is_file() and not place.is_symlink():
            yield place
        for folder, _, names in os.walk(place):
            yield from (Path(folder, name) for name in names if not Path(folder, name).is_symlink())

    def _remove(self, place: Path) -> int:
        count = sum(1 for _ in self._files(place))
        if place.is_dir():
            shutil.rmtree(place)
            shutil.rmtree(self._root / ATTRIBUTES / place.relative_to(self._root), ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
            self._attributes_of(place).unlink(missing_ok=True)
        return count


def missing(address: str) -> NotFound:
    return NotFound("file", address)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(unfinished: Path) -> None:
    unfinished.unlink(missing_ok=True)
