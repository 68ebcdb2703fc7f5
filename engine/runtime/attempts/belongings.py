"""What belongs to a namespace or a task run, seen from the task run: its files, keys and namespace files."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import NotFound, Refused, StorageError, TaskError
from engine.expressions.masks import forms
from engine.files.protocol import InternalStorage
from engine.runtime.keeping.keys import Keys
from engine.runtime.keeping.namespaces import NamespaceFiles, address_of, resolved
from engine.runtime.rendering.sources import Sources


class TaskFiles:
    """Internal storage for one task run, and what else it may read."""

    def __init__(self, storage: InternalStorage, sources: Sources, folder: str, namespace: str) -> None:
        self._storage = storage
        self._sources = sources
        self._folder = folder
        self._namespace = namespace

    async def put(
        self, name: str, source: bytes | str | Path | AsyncIterable[bytes], attributes: Mapping[str, str] | None = None
    ) -> str:
        address = f"{self._folder}/{name}"
        if isinstance(source, Path):
            return (await self._storage.put_path(address, source, attributes)).address
        return (await self._storage.put(address, _content(source), attributes)).address

    def read(self, uri: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return self._sources.read(uri, self._namespace, start, end)

    async def fetch(self, uri: str, path: Path) -> None:
        with _tidily():
            await self._sources.fetch(uri, self._namespace, path)

    async def size(self, uri: str) -> int:
        return await self._sources.size(uri, self._namespace)

    async def exists(self, uri: str) -> bool:
        try:
            await self._sources.size(uri, self._namespace)
        except NotFound:
            return False
        return True

    async def attributes(self, uri: str) -> Mapping[str, str]:
        return (await self._storage.stat(self._address(uri))).attributes

    async def delete(self, uri: str) -> bool:
        return await self._storage.delete(self._address(uri)) > 0

    def _address(self, uri: str) -> str:
        return resolved(uri, self._namespace)


class TaskKeys:
    """Keys, for one task run; values that hold one of `masks` are stored encrypted, and join them when read."""

    def __init__(self, keys: Keys, namespace: str, masks: set[str]) -> None:
        self._keys = keys
        self._namespace = namespace
        self._masks = masks

    async def get(self, key: str, namespace: str | None = None) -> Any:
        with _tidily():
            entry = await self._keys.get(await self._checked(namespace), key)
            if entry is None:
                return None
            value, sealed = self._keys.opened(entry)
        if sealed:
            for text in _texts(value):
                self._masks |= forms(text)
        return value

    async def set(
        self,
        key: str,
        value: Any,
        namespace: str | None = None,
        *,
        type: str | None = None,
        ttl: int | None = None,
        overwrite: bool = True,
        description: str | None = None,
    ) -> None:
        with _tidily():
            await self._keys.set(
                await self._checked(namespace),
                key,
                value,
                type=type,
                ttl=ttl,
                overwrite=overwrite,
                description=description,
                masks=self._masks,
            )

    async def delete(self, key: str, namespace: str | None = None) -> bool:
        with _tidily():
            return await self._keys.delete(await self._checked(namespace), key)

    async def keys(self, prefix: str = "", namespace: str | None = None) -> list[str]:
        with _tidily():
            return [entry.key for entry in await self._keys.list(await self._checked(namespace), prefix)]

    async def purge(
        self,
        *,
        key: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        expired_only: bool = True,
    ) -> int:
        return await self._keys.purge(
            key=key, namespaces=namespaces, namespace=namespace, below=below, expired_only=expired_only
        )

    async def purge_revisions(self, **choice: Any) -> int:
        return await self._keys.purge_revisions(**choice)

    async def _checked(self, namespace: str | None) -> str:
        if namespace is not None:
            await self._keys.check_namespace(namespace, self._namespace)
        return namespace or self._namespace


class TaskNamespaces:
    """Namespace files, for one task run."""

    def __init__(self, files: NamespaceFiles, namespace: str) -> None:
        self._files = files
        self._namespace = namespace

    async def find(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] = (), namespace: str | None = None
    ) -> dict[str, str]:
        with _tidily():
            found = await self._files.list(namespace or self._namespace, include, exclude)
        return {path: info.address for path, info in found.items()}

    async def put(
        self, path: str, source: bytes | str | Path | AsyncIterable[bytes], namespace: str | None = None
    ) -> str:
        content = source if isinstance(source, Path) else _content(source)
        with _tidily():
            return await self._files.put(namespace or self._namespace, path, content)

    def uri(self, path: str, namespace: str | None = None) -> str:
        with _tidily():
            return address_of(namespace or self._namespace, path)

    async def exists(self, path: str, namespace: str | None = None) -> bool:
        with _tidily():
            return await self._files.exists(namespace or self._namespace, path)

    async def delete(self, path: str, namespace: str | None = None) -> bool:
        with _tidily():
            return await self._files.delete(namespace or self._namespace, path) > 0

    async def purge(self, **choice: Any) -> int:
        with _tidily():
            return await self._files.purge(**choice)


@contextmanager
def _tidily() -> Iterator[None]:
    """What is refused fails the task with its one sentence."""
    try:
        yield
    except (NotFound, Refused, StorageError) as error:
        raise TaskError(str(error)) from None


def _content(source: bytes | str | AsyncIterable[bytes]) -> bytes | AsyncIterable[bytes]:
    return source.encode() if isinstance(source, str) else source


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
