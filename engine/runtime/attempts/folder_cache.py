"""Files of a working directory that the next run of the same task finds again, as one zip in internal storage."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from engine.clock import Clock
from engine.errors import NotFound, TaskError
from engine.files.protocol import InternalStorage

DIGEST = "digest"
CHUNK_BYTES = 1024 * 1024
MODE = 0o777


class FolderCache:
    """What one task keeps, at `address`."""

    def __init__(self, files: InternalStorage, clock: Clock, address: str, base: Path) -> None:
        self._files = files
        self._clock = clock
        self._address = address
        self._base = base

    async def restore(self, folder: Path, ttl: int | None) -> bool:
        """Put the files back; False where there are none, or they were kept longer than `ttl` milliseconds ago."""
        try:
            info = await self._files.stat(self._address)
        except NotFound:
            return False
        if ttl is not None and info.modified + ttl < self._clock.now():
            await self._files.delete(self._address)
            return False
        archive = await self._scratch()
        try:
            await self._files.fetch(self._address, archive)
            await anyio.to_thread.run_sync(_unpack, archive, folder)
        except NotFound:
            return False
        finally:
            await self._discard(archive)
        return True

    async def save(self, folder: Path, names: Sequence[str]) -> bool:
        """Keep files of a folder unless they are what is kept already; whether they were stored."""
        if not names:
            return False
        digest = await anyio.to_thread.run_sync(_digest, folder, names)
        try:
            if (await self._files.stat(self._address)).attributes.get(DIGEST) == digest:
                return False
        except NotFound:
            pass
        archive = await self._scratch()
        try:
            await anyio.to_thread.run_sync(_pack, archive, folder, names)
            await self._files.put_path(self._address, archive, {DIGEST: digest})
        finally:
            await self._discard(archive)
        return True

    async def _scratch(self) -> Path:
        return await anyio.to_thread.run_sync(lambda: Path(tempfile.mkdtemp(dir=self._base)) / "cache.zip")

    async def _discard(self, archive: Path) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(archive.parent, ignore_errors=True))


def _digest(folder: Path, names: Sequence[str]) -> str:
    whole = hashlib.sha256()
    for name in sorted(names):
        path = folder / name
        content = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                content.update(chunk)
        whole.update(f"{len(name)} {name} {path.stat().st_mode & MODE:o} {content.hexdigest()}\n".encode())
    return whole.hexdigest()


def _pack(archive: Path, folder: Path, names: Sequence[str]) -> None:
    # Old files may bear dates that a zip can't.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as target:
        for name in sorted(names):
            target.write(folder / name, name)


def _unpack(archive: Path, folder: Path) -> None:
    root = folder.resolve()
    try:
        with zipfile.ZipFile(archive) as source:
            for item in source.infolist():
                target = folder / item.filename
                if item.is_dir() or not target.resolve().is_relative_to(root):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(item) as content, target.open("wb") as file:
                    shutil.copyfileobj(content, file)
                target.chmod(item.external_attr >> 16 & MODE or target.stat().st_mode)
    except zipfile.BadZipFile as error:
        raise TaskError(f"The cache of this task can't be read ({error}); delete it to begin without") from None
