"""Several flows at once: those of a namespace, of a file, or chosen by their ids."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from engine.api.flows import YAML, shown
from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import FlowShape, Shape
from engine.api.transfer import FORM, file_of, saved, sent
from engine.definition.rewrite import documents
from engine.errors import InvalidFlow, NotFound
from engine.runtime import archives
from engine.runtime.engine import Engine
from engine.runtime.flow_changes import Draft, mistake
from engine.store.rows import StoredFlow

FILE = "fileUpload"


class ReplaceQuery(msgspec.Struct, frozen=True, rename="camel"):
    """delete: the namespace's flows that are not in the body; dryRun: store nothing, say what would be stored"""

    delete: bool = True
    dry_run: bool = False


class BulkQuery(ReplaceQuery, frozen=True, rename="camel"):
    """namespace: all flows must be in it, or with allowNamespaceChild below it; without one nothing is deleted"""

    namespace: str | None = None
    allow_namespace_child: bool = False


class ImportQuery(msgspec.Struct, frozen=True, rename="camel"):
    """failOnError: store nothing when a flow has a mistake, and say what it is"""

    fail_on_error: bool = False


class FlowName(Shape, frozen=True):
    namespace: str
    id: str


class Count(Shape, frozen=True, omit_defaults=False):
    count: int


class FlowsAtOnce:
    """Replace, switch, delete, import and export flows."""

    def __init__(self, engine: Engine) -> None:
        self._flows = engine.flows
        self._store = engine.store.flows

    def routes(self) -> Iterable[Route]:
        of = "/flows/{namespace}"
        yield Route("GET", of, self.of_namespace, "Flows of a namespace", list[FlowShape])
        yield Route(
            "POST",
            "/flows/bulk",
            self.bulk,
            "Create and update flows",
            list[FlowShape],
            query=BulkQuery,
            body=YAML,
            role=Role.EDITOR,
        )
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
        yield Route(
            "POST",
            of,
            self.replace,
            "Create, update and delete a namespace's flows",
            list[FlowShape],
            query=ReplaceQuery,
            body=YAML,
            role=Role.EDITOR,
        )
        yield self._by_ids("POST", "disable", self.disable, "Disable flows; how many were not")
        yield self._by_ids("POST", "enable", self.enable, "Enable flows; how many were not")
        yield self._by_ids("DELETE", "delete", self.delete, "Delete flows")
        yield Route(
            "POST",
            "/flows/export/by-ids",
            self.export,
            "The texts of flows as a zip archive",
            bytes,
            body=list[FlowName],
        )

    def _by_ids(self, method: str, name: str, handler: Any, summary: str) -> Route:
        return Route(method, f"/flows/{name}/by-ids", handler, summary, Count, body=list[FlowName], role=Role.EDITOR)

    async def of_namespace(self, call: Call) -> list[FlowShape]:
        return [shown(stored, source=False) for stored in await self._store.list(call.path["namespace"])]

    async def replace(self, call: Call) -> list[FlowShape]:
        query = call.query(ReplaceQuery)
        drafts = self._flows.read_all(await call.text())
        return await self._replaced(call, drafts, call.path["namespace"], False, query)

    async def bulk(self, call: Call) -> list[FlowShape]:
        query = call.query(BulkQuery)
        drafts = self._flows.read_all(await call.text())
        return await self._replaced(call, drafts, query.namespace, query.allow_namespace_child, query)

    async def take(self, call: Call) -> list[str]:
        query = call.query(ImportQuery)
        part = await file_of(call.request, FILE)
        with tempfile.TemporaryDirectory(prefix="tidegate-upload-") as folder:
            file = Path(folder, "file")
            await saved(part, file)
            texts = await _texts(part.filename or "", file)
        drafts, failed = [], []
        for name, source in texts:
            try:
                draft = self._flows.read(source)
            except InvalidFlow:
                if query.fail_on_error:
                    raise
                failed.append(name)
                continue
            call.require(Role.EDITOR, draft.flow.namespace)
            drafts.append(draft)
        await self._flows.save(drafts)
        return failed

    async def disable(self, call: Call) -> Count:
        return Count(len(await self._flows.switch(await self._named(call, Role.EDITOR), True)))

    async def enable(self, call: Call) -> Count:
        return Count(len(await self._flows.switch(await self._named(call, Role.EDITOR), False)))

    async def delete(self, call: Call) -> Count:
        return Count(await self._flows.delete(await self._named(call, Role.EDITOR)))

    async def export(self, call: Call) -> web.StreamResponse:
        return await exported(call, await self._named(call, Role.VIEWER))

    async def _named(self, call: Call, role: Role) -> list[StoredFlow]:
        """The flows that the body names. Raises Denied, NotFound where one of them does not exist."""
        names: list[FlowName] = await call.json(list[FlowName])
        for name in names:
            call.require(role, name.namespace)
        found = []
        for name in dict.fromkeys(names):
            stored = await self._flows.find(name.namespace, name.id)
            if stored is None:
                raise NotFound("flow", f"{name.namespace}.{name.id}", "nothing was done")
            found.append(stored)
        return found

    async def _replaced(
        self, call: Call, drafts: Sequence[Draft], namespace: str | None, below: bool, query: ReplaceQuery
    ) -> list[FlowShape]:
        for draft in drafts:
            _check_namespace(draft, namespace, below)
            call.require(Role.EDITOR, draft.flow.namespace)
        gone = []
        if query.delete and namespace is not None:
            call.require(Role.EDITOR, namespace)
            gone = await self._flows.others(namespace, drafts, below=below)
        stored = await self._flows.save(drafts, trial=query.dry_run)
        if not query.dry_run:
            await self._flows.delete(gone)
        return [shown(flow) for flow in stored]


async def exported(call: Call, flows: Sequence[StoredFlow]) -> web.StreamResponse:
    """Answer with the texts of flows as a zip archive."""
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
    texts = documents(await archives.plain(file))
    return [(str(index), text) for index, text in enumerate(texts)]


def _check_namespace(draft: Draft, namespace: str | None, below: bool) -> None:
    own = draft.flow.namespace
    if namespace is None or own == namespace or (below and own.startswith(f"{namespace}.")):
        return
    text = f"Flow namespace is invalid: it is '{own}', and should be '{namespace}'"
    raise InvalidFlow([mistake(draft.source, "namespace", f"{text} or below it" if below else text)])
