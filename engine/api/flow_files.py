"""Flows that come in as files, and go out as files."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import anyio.to_thread
import msgspec
from aiohttp import web

from engine.api.filterable import FLOW
from engine.api.flow_lists import selected
from engine.api.flows_at_once import FlowName, named
from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.transfer import FORM, disposition, file_of, saved, sent
from engine.clock import iso
from engine.definition.rewrite import documents
from engine.errors import InvalidFlow
from engine.runtime.engine import Engine
from engine.runtime.keeping import archives
from engine.store.rows import StoredFlow

FILE = "fileUpload"
CSV = "text/csv"
COLUMNS = ("namespace", "id", "revision", "description", "labels", "disabled", "updated")


class ImportQuery(msgspec.Struct, frozen=True, rename="camel"):
    """failOnError: store nothing when a flow has a mistake, and say what it is"""

    fail_on_error: bool = False


class FlowFiles:
    """Import and export flows."""

    def __init__(self, engine: Engine) -> None:
        self._flows = engine.flows
        self._list = engine.flow_list

    def routes(self) -> Iterable[Route]:
        yield Route(
            "POST",
            "/flows/import",
            self.take,
            "Create and update the flows of a YAML file or zip archive; which have a mistake",
            list[str],
            query=ImportQuery,
            body=FORM,
            role=Role.EDITOR,
        )
        of = "/flows/export"
        texts = "The texts of flows as a zip archive"
        yield Route("POST", f"{of}/by-ids", self.by_ids, texts, bytes, body=list[FlowName])
        yield Route("GET", f"{of}/by-query", self.by_query, texts, bytes, filters=FLOW)
        yield Route("GET", f"{of}/by-query/csv", self.table, "Flows as a table", bytes, filters=FLOW)

    async def take(self, call: Call) -> list[str]:
        """The form has the file as `fileUpload`; its name ends with .yml, .yaml or .zip."""
        query = call.query(ImportQuery)
        part = await file_of(call.request, FILE)
        with tempfile.TemporaryDirectory(prefix="tidegate-upload-") as folder:
            file = Path(folder, "file")
            await saved(call.request, part, file)
            texts = await _texts(part.filename or "", file)
        drafts, failed = [], []
        for name, source in texts:
            try:
                draft = await anyio.to_thread.run_sync(self._flows.read, source)
            except InvalidFlow:
                if query.fail_on_error:
                    raise
                failed.append(name)
                continue
            call.require(Role.EDITOR, draft.flow.namespace)
            drafts.append(draft)
        await self._flows.save(drafts)
        return failed

    async def by_ids(self, call: Call) -> web.StreamResponse:
        return await _exported(call, await named(call, self._flows, Role.VIEWER))

    async def by_query(self, call: Call) -> web.StreamResponse:
        return await _exported(call, await selected(call, self._list))

    async def table(self, call: Call) -> web.Response:
        flows = await selected(call, self._list)
        lines = io.StringIO()
        table = csv.writer(lines)
        table.writerow(COLUMNS)
        for flow, document in zip(flows, await self._list.documents(flows), strict=True):
            labels = ",".join(f"{label['key']}:{label['value']}" for label in document.get("labels", ()))
            own = (flow.namespace, flow.id, flow.revision, document.get("description"), labels)
            table.writerow((*own, str(bool(document.get("disabled"))).lower(), iso(flow.created)))
        headers = {"Content-Disposition": disposition("flows.csv")}
        return web.Response(text=lines.getvalue(), content_type=CSV, headers=headers)


async def _exported(call: Call, flows: Sequence[StoredFlow]) -> web.StreamResponse:
    with tempfile.TemporaryDirectory(prefix="tidegate-export-") as folder:
        file = Path(folder, "archive")
        await archives.write(file, [(f"{flow.namespace}.{flow.id}.yml", flow.source.encode()) for flow in flows])
        return await sent(call.request, file, "flows.zip", "application/zip")


async def _texts(name: str, file: Path) -> list[tuple[str, str]]:
    """The flows of an uploaded file, each with what it is called there. Raises Illegal, Malformed."""
    if name.lower().endswith(".zip"):
        async with archives.opened(file) as archive:
            return [(entry, text) for entry in archive.names for text in documents(await archive.text(entry))]
    if not name.lower().endswith((".yml", ".yaml")):
        raise Illegal(f"a file of flows ends with .yml, .yaml or .zip, not as '{name}'")
    return [(str(index), text) for index, text in enumerate(documents(await archives.plain(file)))]
