"""What flows may read by URI: internal storage, files of namespaces, allowed files of this machine."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread

from engine.errors import StorageError
from engine.files.local import LocalFiles
from engine.files.protocol import InternalStorage
from engine.runtime.keeping.namespaces import located, resolved
from engine.runtime.keeping.revisions import CURRENT, Revisions


class Sources:
    """Reads `kestra:///…`, `nsfile:///…` (of the namespace that is given) and `file:///…`.

    Raises NotFound, Refused and StorageError.
    """

    def __init__(self, files: InternalStorage, local: LocalFiles) -> None:
        self._files = files
        self._local = local

    def read(self, uri: str, namespace: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if self._local.takes(uri):
            return self._local.read(uri, start, end)
        return self._files.read(resolved(uri, namespace), start, end)

    async def size(self, uri: str, namespace: str) -> int:
        if self._local.takes(uri):
            return await self._local.size(uri)
        return (await self._files.stat(resolved(uri, namespace))).size

    async def fetch(self, uri: str, namespace: str, path: Path) -> None:
        """Copy to a local file, creating its folders."""
        if self._local.takes(uri):
            await anyio.to_thread.run_sync(_copy, await self._local.place(uri), path)
        else:
            await self._files.fetch(resolved(uri, namespace), path)

    async def revision(self, uri: str, namespace: str, number: int) -> str:
        """The address of a revision of a namespace file, also of its current one."""
        address = resolved(uri, namespace)
        if CURRENT not in address:
            raise StorageError(f"'{uri}' has no versions: only the files of namespaces have")
        return await Revisions(self._files, 0).find(address, number)

    def named(self, path: str, namespace: str) -> str:
        """The URI of what a template reads: a URI, or the path of a namespace file."""
        return path if self._local.takes(path) else located(path, namespace)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
