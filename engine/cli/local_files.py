"""Namespace files of the data folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.download import download
from engine.cli.port import FileRevision

if TYPE_CHECKING:
    from engine.files.protocol import FileInfo
    from engine.runtime.engine import Engine


class LocalFiles:
    """Files of the namespaces of a data folder."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, namespace: str, include: Sequence[str] | None = None) -> Mapping[str, FileInfo]:
        return await self._engine.namespaces.list(namespace, include)

    async def revisions(self, namespace: str, path: str) -> Sequence[FileRevision]:
        from engine.runtime.keeping.namespaces import address_of

        found = await self._engine.namespaces.revisions.all(address_of(namespace, path))
        return [FileRevision(it.number, it.size, it.modified) for it in found]

    async def fetch(self, namespace: str, path: str, revision: int | None, output: Path | None) -> None:
        from engine.runtime.keeping.namespaces import address_of

        address = address_of(namespace, path)
        if revision is not None:
            address = await self._engine.namespaces.revisions.find(address, revision)
        await download(self._engine.files, address, output)

    async def put(self, namespace: str, path: str, source: Path) -> None:
        await self._engine.namespaces.put(namespace, path, source)

    async def delete(self, namespace: str, path: str) -> bool:
        return await self._engine.namespaces.delete(namespace, path) > 0
