"""Internal storage in a folder of this machine.

A file is written elsewhere and renamed into its place, so that nobody ever sees half of one. Its attributes lie in a
file of their own below `.attributes`, written first; see `engine.files.attributes`. No link is followed.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread

from engine.errors import NotFound, StorageError
from engine.faults import fault_point
from engine.files.addresses import SCHEME, parts_of
from engine.files.attributes import known, with_version
from engine.files.protocol import Attributes, FileInfo
from engine.ids import random_id

CHUNK_BYTES = 1024 * 1024
UNFINISHED = ".unfinished"
ATTRIBUTES = ".attributes"
RESERVED = frozenset({UNFINISHED, ATTRIBUTES})
# What a killed process left unfinished this long ago, nobody is writing any more.
LEFTOVER_NS = 24 * 3600 * 1_000_000_000


class DiskStorage:
    """Files below a folder, which is made at the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = False
        self._naming = threading.Lock()

    async def put(
        self, address: str, source: bytes | AsyncIterable[bytes], attributes: Attributes | None = None
    ) -> FileInfo:
        target = self._place(address)
        if isinstance(source, bytes):
            return await anyio.to_thread.run_sync(self._put_bytes, address, target, source, attributes)
        unfinished = await anyio.to_thread.run_sync(self._new_file, address)
        try:
            with await anyio.to_thread.run_sync(unfinished.open, "wb") as file:
                async for chunk in source:
                    await anyio.to_thread.run_sync(_write, file, chunk, address)
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
        return await anyio.to_thread.run_sync(self._infos, prefix, place)

    async def delete(self, prefix: str) -> int:
        place = self._place(prefix)
        return await anyio.to_thread.run_sync(self._remove, prefix, place)

    def _place(self, address: str) -> Path:
        """The local path of an address. Raises StorageError for one that leads outside."""
        steps = parts_of(address)
        if steps[0] in RESERVED:
            raise StorageError(f"The address '{address}' is refused: '{steps[0]}' belongs to the storage itself")
        return self._root.joinpath(*steps)

    def _checked(self, address: str, place: Path) -> Path:
        """Raises StorageError when a step of the address is a link, wherever it leads."""
        if place.resolve() != self._root.resolve() / place.relative_to(self._root):
            raise StorageError(f"The address '{address}' is refused: a step of it is a link")
        return place

    def _new_file(self, address: str) -> Path:
        """A place to write to, on the same file system."""
        folder = self._root / UNFINISHED
        with _explained(address, "stored"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._swept:
                self._swept = True
                _sweep(folder)
        return folder / random_id()

    def _put_bytes(self, address: str, target: Path, content: bytes, attributes: Attributes | None) -> FileInfo:
        unfinished = self._new_file(address)
        try:
            with _explained(address, "stored"), unfinished.open("wb") as file:
                file.write(content)
            return self._finish(address, unfinished, target, attributes)
        finally:
            _discard(unfinished)

    def _put_copy(self, address: str, target: Path, path: Path, attributes: Attributes | None) -> FileInfo:
        # Opening a pipe would wait for its other end.
        if path.exists() and not path.is_file():
            raise StorageError(f"The file '{path.name}' can't be stored: it is no regular file")
        unfinished = self._new_file(address)
        try:
            with _explained(address, "stored"), path.open("rb") as source, unfinished.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK_BYTES)
            return self._finish(address, unfinished, target, attributes)
        finally:
            _discard(unfinished)

    def _finish(self, address: str, unfinished: Path, target: Path, attributes: Attributes | None) -> FileInfo:
        """Give a written file its name, durably."""
        self._checked(address, target)
        if target.is_dir():
            raise StorageError(f"The address '{address}' is refused: there is a folder of that name")
        with _explained(address, "stored"):
            _sync(unfinished)
            new = [folder for folder in target.parents if not folder.exists()]
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise StorageError(f"The address '{address}' is refused: a part of it is a file") from None
            # Two that write the same file at once must not mix up their attributes.
            with self._naming:
                self._put_attributes(unfinished, target, attributes)
                fault_point("file written")
                unfinished.replace(target)
            for folder in {target.parent, *(folder.parent for folder in new)}:
                _sync(folder)
        fault_point("file named")
        return self._info(address, target)

    def _put_attributes(self, unfinished: Path, target: Path, attributes: Attributes | None) -> None:
        place = self._attributes_of(target)
        before = place.read_bytes() if place.exists() else b""
        if not attributes and not before:
            return
        old = target.stat().st_mtime_ns if target.exists() else None
        new = unfinished.stat().st_mtime_ns
        if new == old:
            # The kernel counts in ticks of some milliseconds.
            new += 1
            os.utime(unfinished, ns=(new, new))
        content = with_version(before, old, new, attributes or {})
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = unfinished.with_name(random_id())
        try:
            beside.write_bytes(content)
            _sync(beside)
            beside.replace(place)
            _sync(place.parent)
        finally:
            _discard(beside)

    def _attributes_of(self, target: Path) -> Path:
        return self._root / ATTRIBUTES / target.relative_to(self._root)

    def _open(self, address: str, place: Path) -> BinaryIO:
        self._checked(address, place)
        with _explained(address, "read"):
            try:
                return place.open("rb")
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise missing(address) from None

    def _copy_out(self, address: str, place: Path, path: Path) -> None:
        with self._open(address, place) as source, _explained(address, f"copied to {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)

    def _info(self, address: str, place: Path) -> FileInfo:
        info = self._info_of(self._checked(address, place)) if place.is_file() else None
        if info is None:
            raise missing(address)
        return info

    def _info_of(self, place: Path) -> FileInfo | None:
        """What is known of a file; None when it has gone meanwhile."""
        attributes = self._attributes_of(place)
        try:
            found = place.stat()
            versions = attributes.read_bytes() if attributes.exists() else b""
        except FileNotFoundError:
            return None
        return FileInfo(
            address=f"{SCHEME}/{place.relative_to(self._root).as_posix()}",
            size=found.st_size,
            modified=found.st_mtime_ns // 1_000_000,
            attributes=known(versions, found.st_mtime_ns),
        )

    def _infos(self, prefix: str, place: Path) -> Sequence[FileInfo]:
        infos = (self._info_of(file) for file in self._files(self._checked(prefix, place)))
        return sorted((info for info in infos if info is not None), key=lambda info: info.address)

    def _files(self, place: Path) -> Iterator[Path]:
        if place.is_file() and not place.is_symlink():
            yield place
        for folder, _, names in os.walk(place):
            yield from (Path(folder, name) for name in names if not Path(folder, name).is_symlink())

    def _remove(self, prefix: str, place: Path) -> int:
        count = sum(1 for _ in self._files(self._checked(prefix, place)))
        attributes = self._attributes_of(place)
        with _explained(prefix, "deleted"):
            if place.is_dir():
                shutil.rmtree(place)
                shutil.rmtree(attributes, ignore_errors=True)
            elif count:
                place.unlink(missing_ok=True)
                attributes.unlink(missing_ok=True)
        return count


def missing(address: str) -> NotFound:
    return NotFound("file", address)


@contextmanager
def _explained(address: str, done: str) -> Iterator[None]:
    """Say what the disk refused: no space, no permission, a name too long."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"The file '{address}' can't be {done}: {error.strerror}") from None


def _write(file: BinaryIO, chunk: bytes, address: str) -> None:
    with _explained(address, "stored"):
        file.write(chunk)


def _sync(place: Path) -> None:
    """Have a file's content, or a folder's names, survive a power cut."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished."""
    now = folder.stat().st_mtime_ns
    for file in folder.iterdir():
        try:
            old = file.stat().st_mtime_ns < now - LEFTOVER_NS
        except FileNotFoundError:
            continue
        if old:
            _discard(file)


def _discard(unfinished: Path) -> None:
    unfinished.unlink(missing_ok=True)
