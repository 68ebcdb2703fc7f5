"""Namespace files of a server."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from engine.cli.http import Http
from engine.cli.port import FileRevision
from engine.clock import to_millis
from engine.errors import NotFound, Refused
from engine.files.protocol import FileInfo


class _File(msgspec.Struct, frozen=True, rename="camel"):
    file_name: str
    type: str
    size: int
    last_modified_time: int


class _Revision(msgspec.Struct, frozen=True):
    revision: int
    size: int
    date: datetime


class RemoteFiles:
    """Files of a server's namespaces."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self, namespace: str, include: Sequence[str] | None = None) -> Mapping[str, FileInfo]:
        from engine.runtime.keeping.globs import path_test

        wanted = None if include is None else [path_test(pattern) for pattern in include]
        found: dict[str, FileInfo] = {}
        folders = [""]
        while folders:
            folder = folders.pop()
            query = {"path": folder or "/"}
            for item in await self._http.ask("GET", f"{_of(namespace)}/directory", list[_File], query=query):
                path = f"{folder}/{item.file_name}"
                if item.type == "Directory":
                    folders.append(path)
                elif wanted is None or any(test(path) for test in wanted):
                    found[path] = FileInfo(path, item.size, item.last_modified_time, {})
        return dict(sorted(found.items()))

    async def revisions(self, namespace: str, path: str) -> Sequence[FileRevision]:
        query = {"path": _rooted(path)}
        found = await self._http.ask("GET", f"{_of(namespace)}/revisions", list[_Revision], query=query)
        return [FileRevision(one.revision, one.size, to_millis(one.date)) for one in found]

    async def fetch(self, namespace: str, path: str, revision: int | None, output: Path | None) -> None:
        query = {"path": _rooted(path)} | ({} if revision is None else {"revision": str(revision)})
        if output is not None:
            await self._http.download(_of(namespace), output, query=query)
            return
        async with self._http.opened("GET", _of(namespace), query=query) as answer:
            async for chunk in answer.content.iter_chunked(1 << 20):
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    async def put(self, namespace: str, path: str, source: Path) -> None:
        if path.lower().endswith(".zip"):
            raise Refused(f"{path}: a server unpacks zip archives, so that they can't be stored there as they are")
        with source.open("rb") as content:
            form = aiohttp.FormData()
            form.add_field("fileContent", content, filename=source.name)
            body: dict[str, Any] = {"data": form}
            await self._http.do("POST", _of(namespace), query={"path": _rooted(path)}, **body)

    async def delete(self, namespace: str, path: str) -> bool:
        try:
            await self._http.do("DELETE", _of(namespace), query={"path": _rooted(path)})
        except NotFound:
            return False
        return True


def _of(namespace: str) -> str:
    return f"/main/namespaces/{namespace}/files"


def _rooted(path: str) -> str:
    return f"/{path.lstrip('/')}"
