"""Files of an execution in internal storage: their bytes, parts of them, how long they are, and a look into them."""

from __future__ import annotations

import codecs
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from engine.api.problems import Illegal
from engine.api.reached import head_of, is_within
from engine.api.routing import Call, Route
from engine.api.shapes import Shape
from engine.api.transfer import BYTES, disposition, sent
from engine.errors import NotFound, StorageError
from engine.files.addresses import execution_folder, namespace_folder, parts_of
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.runtime.keeping.preview import Preview, preview_file
from engine.state.execution import Execution

EXECUTIONS = "executions"
PICTURE_BYTES = 5 * 1024 * 1024
PICTURES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "bmp", "svg"})
KINDS: Mapping[str, str] = {"md": "MARKDOWN", "pdf": "PDF", **dict.fromkeys(PICTURES, "IMAGE")}


class FileQuery(msgspec.Struct, frozen=True):
    """path: the file's URI, as `kestra:///…` in inputs and outputs"""

    path: str


class PreviewQuery(FileQuery, frozen=True, rename="camel"):
    """maxRows: of the file, at most 5000"""

    max_rows: int = 100
    encoding: str = "UTF-8"


class SizeShape(Shape, frozen=True, omit_defaults=False):
    size: int


class PreviewShape(Shape, frozen=True, omit_defaults=False):
    """`content`: a list of rows for LIST, base64 for IMAGE and PDF, else text; `truncated`: there is more."""

    extension: str
    type: str
    content: Any
    max_line: int
    truncated: bool


class ExecutionFiles:
    """Files that an execution took in or made, and those of its namespace."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        of = "/executions/{execution}/file"
        yield Route("GET", of, self.content, "The bytes of a file, or a part of them", bytes, query=FileQuery)
        yield Route("GET", f"{of}/metas", self.size, "How long a file is", SizeShape, query=FileQuery)
        yield Route("GET", f"{of}/preview", self.preview, "The beginning of a file", PreviewShape, query=PreviewQuery)

    async def content(self, call: Call) -> web.StreamResponse:
        address = call.query(FileQuery).path
        await self._check(call, address)
        size = (await self._engine.files.stat(address)).size
        name = PurePosixPath(address).name
        try:
            part = call.request.http_range
        except ValueError:
            part = slice(None)
        if part.start is None and part.stop is None:
            return await sent(call.request, self._engine.files.read(address), name, size=size)
        return await self._part(call.request, address, size, part)

    async def size(self, call: Call) -> SizeShape:
        address = call.query(FileQuery).path
        await self._check(call, address)
        return SizeShape((await self._engine.files.stat(address)).size)

    async def preview(self, call: Call) -> PreviewShape:
        query = call.query(PreviewQuery)
        if not 1 <= query.max_rows <= 5000:
            raise Illegal(f"maxRows must be from 1 to 5000, not {query.max_rows}")
        await self._check(call, query.path)
        kind = PurePosixPath(query.path).suffix.lower().lstrip(".")
        if KINDS.get(kind) in ("IMAGE", "PDF"):
            return await self._picture(query, kind)
        try:
            codecs.lookup(query.encoding)
        except LookupError:
            raise Illegal(f"Unable to preview using encoding '{query.encoding}'") from None
        found = await preview_file(self._engine.files, query.path, query.max_rows, query.encoding)
        return PreviewShape(
            extension=kind,
            type="LIST" if found.columns or found.rows else KINDS.get(kind, "TEXT"),
            content=_rows(found) if found.columns or found.rows else found.text,
            max_line=query.max_rows,
            truncated=found.more,
        )

    async def _picture(self, query: PreviewQuery, kind: str) -> PreviewShape:
        size = (await self._engine.files.stat(query.path)).size
        content = b"".join([part async for part in self._engine.files.read(query.path, 0, PICTURE_BYTES)])
        return PreviewShape(
            extension=kind,
            type=KINDS[kind],
            content=b64encode(content).decode(),
            max_line=query.max_rows,
            truncated=size > len(content),
        )

    async def _part(self, request: web.Request, address: str, size: int, part: slice) -> web.StreamResponse:
        start, end, _ = part.indices(size)
        if start >= end:
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
        response = web.StreamResponse(
            status=206,
            headers={
                "Content-Disposition": disposition(PurePosixPath(address).name),
                "Content-Range": f"bytes {start}-{end - 1}/{size}",
                "Accept-Ranges": "bytes",
            },
        )
        response.content_type = BYTES
        response.content_length = end - start
        await response.prepare(request)
        async for chunk in self._engine.files.read(address, start, end):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _check(self, call: Call, address: str) -> None:
        """Raises NotFound, Illegal for a file that is none of the execution's, and HTTPFound where it is another's."""
        try:
            execution = await head_of(call, self._engine)
        except NotFound:
            raise NotFound("execution id", call.path["execution"]) from None
        try:
            steps = parts_of(address)
        except StorageError as error:
            raise Illegal(str(error)) from None
        if is_within(address, (_folder(execution), parts_of(namespace_folder(execution.namespace)))):
            return
        if EXECUTIONS in steps[:-2]:
            other = ExecutionId(steps[steps.index(EXECUTIONS) + 1])
            if other != execution.home:
                path = call.request.path.replace(f"/{execution.id}/", f"/{quote(other, safe='')}/")
                raise web.HTTPFound(f"{path}?{call.request.query_string}")
        raise Illegal(f"Invalid prefix path: the file {address} is none of this execution")


def _folder(execution: Execution) -> tuple[str, ...]:
    return parts_of(execution_folder(execution.namespace, execution.flow, execution.home))


def _rows(found: Preview) -> list[Any]:
    """Rows as maps; values that stand alone as they are."""
    if found.columns == ["value"] and found.kind not in ("csv", "tsv", "parquet"):
        return [row[0] for row in found.rows]
    return [dict(zip(found.columns, row, strict=False)) for row in found.rows]
