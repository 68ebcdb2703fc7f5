"""Files of namespaces: a tree of files that all flows of a namespace share, kept in internal storage."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Sequence
from pathlib import Path

from engine.errors import Malformed, NotFound, StorageError
from engine.files.addresses import SCHEME, namespace_folder
from engine.files.protocol import FileInfo, InternalStorage
from engine.runtime.keeping.globs import path_test
from engine.runtime.keeping.keys import among, name_glob, with_parents
from engine.runtime.keeping.revisions import Revisions
from engine.store.protocols import FlowStore

NSFILE = "nsfile://"
NAMESPACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
FOLDER_MARK = ".tidegate-folder"
"""The name of an empty file that keeps a folder which has no files; it is never shown."""

FOREIGN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:/")


class NamespaceFiles:
    """The files of all namespaces. Paths begin with `/`; those that are given may leave it out."""

    def __init__(self, files: InternalStorage, flows: FlowStore, revisions: Revisions) -> None:
        self._files = files
        self._flows = flows
        self.revisions = revisions

    async def list(
        self, namespace: str, include: Sequence[str] | None = None, exclude: Sequence[str] = ()
    ) -> dict[str, FileInfo]:
        """Files by path, sorted; those that match any pattern of `include`, by default all, and none of `exclude`.

        A pattern is a Java glob on the path; one that begins with a letter or digit matches in every folder.
        """
        folder = namespace_folder(valid(namespace))
        wanted = None if include is None else [path_test(pattern) for pattern in include]
        unwanted = [path_test(pattern) for pattern in exclude]
        found = {info.address.removeprefix(folder): info for info in await self._files.list(folder)}
        return {
            path: info
            for path, info in found.items()
            if not path.endswith(f"/{FOLDER_MARK}")
            and (wanted is None or any(test(path) for test in wanted))
            and not any(test(path) for test in unwanted)
        }

    async def put(self, namespace: str, path: str, source: bytes | Path | AsyncIterable[bytes]) -> str:
        """Store a file, replacing what was there; returns its address."""
        address = address_of(namespace, path)
        attributes = await self.revisions.add(address)
        if isinstance(source, Path):
            return (await self._files.put_path(address, source, attributes)).address
        return (await self._files.put(address, source, attributes)).address

    async def exists(self, namespace: str, path: str) -> bool:
        try:
            await self._files.stat(address_of(namespace, path))
        except NotFound:
            return False
        return True

    async def delete(self, namespace: str, path: str) -> int:
        """Delete a file, or a folder with all that is in it, with older contents; returns how many files."""
        address = address_of(namespace, path)
        await self.revisions.forget(address)
        return await self._files.delete(address)

    async def purge(
        self,
        *,
        pattern: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace: str | None = None,
        below: bool = True,
        keep: int | None = None,
        before: int | None = None,
    ) -> int:
        """Drop older contents of files, never the one of now; returns how many.

        pattern: glob of the files
        namespaces: names, with those below them unless `below` is off; `namespace`: a glob that a name must match;
            without either all that have flows
        keep, before: see `Revisions.purge`
        """
        named = {flow.namespace for flow in await self._flows.list()}
        known = {name for flow in named for name in with_parents(flow)} | set(namespaces or ())
        fits = name_glob(namespace)
        dropped = 0
        for name in sorted(known):
            if fits(name) and (namespaces is None or among(name, namespaces, below)):
                for info in (await self.list(name, None if pattern is None else [pattern])).values():
                    dropped += await self.revisions.purge(info.address, keep, before)
        return dropped


def valid(namespace: str) -> str:
    """The namespace. Raises Malformed for what can't be one."""
    if not NAMESPACE.fullmatch(namespace) or ".." in namespace:
        raise Malformed(f"'{namespace[:200]}' is not a namespace: it has letters, digits, '.', '_' and '-'")
    return namespace


def address_of(namespace: str, path: str) -> str:
    """The address in internal storage of a namespace file. Raises Malformed, StorageError."""
    steps = path.strip("/")
    if not steps or ".." in steps.split("/"):
        raise StorageError(f"'{path}' is not a path of a namespace file: it must be like folder/file.txt, without '..'")
    return f"{namespace_folder(valid(namespace))}/{steps}"


def resolved(uri: str, namespace: str) -> str:
    """The address that a URI names: itself, or `nsfile:///PATH` (of `namespace`), `nsfile://NAMESPACE/PATH`.

    Raises Malformed, StorageError for other schemes and malformed paths.
    """
    if uri.startswith(NSFILE):
        other, _, path = uri.removeprefix(NSFILE).partition("/")
        return address_of(other or namespace, path)
    if FOREIGN.match(uri) and not uri.startswith(SCHEME):
        raise StorageError(
            f"'{uri}' lies outside: only internal storage (kestra:///…) can be read, and files of namespaces "
            "(nsfile:///…); the setting files.allowed opens folders of this machine"
        )
    return uri


def located(path: str, namespace: str) -> str:
    """The address of what a template reads: a URI, or the path of a namespace file. Raises Malformed, StorageError."""
    if not FOREIGN.match(path):
        return address_of(namespace, path)
    if not path.startswith((NSFILE, SCHEME)):
        raise StorageError(
            f"Unable to read the file '{path}': only files of internal storage (kestra:///…) and of namespaces "
            "(nsfile:///…) can be read here; the setting files.allowed opens folders of this machine"
        )
    return resolved(path, namespace)
