"""Files of namespaces: content, folders, archives."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path, PurePosixPath

import msgspec
from aiohttp import web

from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Shape
from engine.api.transfer import FORM, chunks, file_of, saved, sent
from engine.clock import iso
from engine.definition.rewrite import documents, with_property
from engine.runtime.engine import Engine
from engine.runtime.keeping import archives
from engine.runtime.keeping.namespace_tree import Item
from engine.runtime.keeping.namespaces import address_of, valid

FLOWS = "_flows"
CONTENT = "fileContent"


class PathQuery(msgspec.Struct, frozen=True):
    """path: from the root of the namespace's files, as /folder/file.txt"""

    path: str


class FolderQuery(msgspec.Struct, frozen=True):
    """path: of a folder, by default the root"""

    path: str = "/"


class ContentQuery(PathQuery, frozen=True):
    """revision: an older content, by its number"""

    revision: int | None = None


class MoveQuery(msgspec.Struct, frozen=True, rename={"source": "from"}):
    source: str
    to: str


class SearchQuery(msgspec.Struct, frozen=True):
    """q: a part of the path"""

    q: str = ""


class FileShape(Shape, frozen=True, omit_defaults=False):
    """`type`: File or Directory; size in bytes, times in milliseconds."""

    file_name: str
    type: str
    size: int
    last_modified_time: int
    creation_time: int
    metadata: dict[str, str]


class RevisionShape(Shape, frozen=True, omit_defaults=False):
    revision: int
    size: int
    date: str


class NamespaceFiles:
    """Read, store, move and delete files of a namespace."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._files = engine.namespaces
        self._tree = engine.tree

    def routes(self) -> Iterable[Route]:
        of = "/namespaces/{namespace}/files"
        yield Route("GET", of, self.content, "The content of a file", bytes, query=ContentQuery)
        yield Route(
            "POST",
            of,
            self.put,
            "Store a file, or what is in a zip archive",
            web.Response,
            query=PathQuery,
            body=FORM,
            role=Role.EDITOR,
        )
        yield Route("PUT", of, self.move, "Move a file or folder", query=MoveQuery, role=Role.EDITOR)
        yield Route("DELETE", of, self.delete, "Delete a file or folder", query=PathQuery, role=Role.EDITOR)
        yield Route("GET", f"{of}/search", self.search, "Paths of files", list[str], query=SearchQuery)
        yield Route("GET", f"{of}/directory", self.folder, "What is in a folder", list[FileShape], query=FolderQuery)
        yield Route(
            "POST", f"{of}/directory", self.make, "Make a folder", web.Response, query=FolderQuery, role=Role.EDITOR
        )
        yield Route("GET", f"{of}/stats", self.stats, "What is known of a file or folder", FileShape, query=FolderQuery)
        yield Route(
            "GET", f"{of}/revisions", self.revisions, "Contents of a file", list[RevisionShape], query=PathQuery
        )
        yield Route("GET", f"{of}/export", self.export, "All files, and the flows, as a zip archive", bytes)

    async def content(self, call: Call) -> web.StreamResponse:
        query = call.query(ContentQuery)
        address = self._address(call, query.path)
        if query.revision is not None:
            address = await self._files.revisions.find(address, query.revision)
        info = await self._engine.files.stat(address)
        name = PurePosixPath(query.path).name
        return await sent(call.request, self._engine.files.read(address), name, size=info.size)

    async def put(self, call: Call) -> web.Response:
        """The form has the file as `fileContent`. At a path that ends with .zip an archive is unpacked."""
        namespace, path = valid(call.path["namespace"]), call.query(PathQuery).path
        part = await file_of(call.request, CONTENT)
        if path.lower().endswith(".zip"):
            with tempfile.TemporaryDirectory(prefix="tidegate-upload-") as folder:
                archive = Path(folder, "archive")
                await saved(call.request, part, archive)
                await self._unpack(namespace, archive)
        else:
            await self._files.put(namespace, allowed(path), chunks(call.request, part))
        return web.Response()

    async def move(self, call: Call) -> None:
        query = call.query(MoveQuery)
        await self._tree.move(call.path["namespace"], allowed(query.source), allowed(query.to))

    async def delete(self, call: Call) -> None:
        namespace, path = call.path["namespace"], allowed(call.query(PathQuery).path)
        await self._tree.look(namespace, path)
        await self._files.delete(namespace, path)

    async def search(self, call: Call) -> list[str]:
        wanted = call.query(SearchQuery).q
        return [path for path in await self._files.list(call.path["namespace"]) if wanted in path]

    async def folder(self, call: Call) -> list[FileShape]:
        path = allowed(call.query(FolderQuery).path)
        return [_shown(item) for item in await self._tree.children(call.path["namespace"], path)]

    async def make(self, call: Call) -> web.Response:
        await self._tree.make(call.path["namespace"], allowed(call.query(FolderQuery).path))
        return web.Response()

    async def stats(self, call: Call) -> FileShape:
        return _shown(await self._tree.look(call.path["namespace"], allowed(call.query(FolderQuery).path)))

    async def revisions(self, call: Call) -> list[RevisionShape]:
        found = await self._files.revisions.all(self._address(call, call.query(PathQuery).path))
        return [RevisionShape(it.number, it.size, iso(it.modified)) for it in sorted(found)]

    async def export(self, call: Call) -> web.StreamResponse:
        namespace = valid(call.path["namespace"])
        flows = await self._engine.store.flows.list(namespace)
        content: list[tuple[str, AsyncIterator[bytes] | bytes]] = [
            (f"{FLOWS}/{flow.id}.yml", flow.source.encode()) for flow in flows
        ]
        for path, info in (await self._files.list(namespace)).items():
            content.append((path.lstrip("/"), self._engine.files.read(info.address)))
        with tempfile.TemporaryDirectory(prefix="tidegate-export-") as folder:
            file = Path(folder, "archive")
            await archives.write(file, content)
            return await sent(call.request, file, f"{namespace}_files.zip", "application/zip")

    async def _unpack(self, namespace: str, file: Path) -> None:
        """Store the files of an archive; those of its folder `_flows` become flows of the namespace."""
        async with archives.opened(file) as archive:
            flows = [name for name in archive.names if name.startswith(f"{FLOWS}/")]
            files = [name for name in archive.names if name not in flows]
            for name in files:
                address_of(namespace, name)
            sources = [source for name in flows for source in documents(await archive.text(name))]
            drafts = [self._engine.flows.read(with_property(source, "namespace", namespace)) for source in sources]
            for name in files:
                await self._files.put(namespace, name, archive.read(name))
            await self._engine.flows.save(drafts)

    def _address(self, call: Call, path: str) -> str:
        return address_of(call.path["namespace"], allowed(path))


def allowed(path: str) -> str:
    """The path of a file. Raises Illegal for where the flows would be."""
    if next((step for step in path.split("/") if step), "") == FLOWS:
        raise Illegal(f"Forbidden path: {path}")
    return path


def _shown(item: Item) -> FileShape:
    kind = "Directory" if item.folder else "File"
    return FileShape(item.name, kind, item.size, item.modified, item.modified, {})
