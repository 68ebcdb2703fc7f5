"""The client of a server: what commands ask goes over its API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec

from engine.api.shapes import ExecutionShape, LogShape, Page
from engine.cli.contexts import Context
from engine.cli.decoded import changed, execution_of, line_of, record_of
from engine.cli.forms import form_of
from engine.cli.http import Http, connected
from engine.cli.port import FlowHead, Watcher
from engine.cli.remote_bulk import RemoteBulk
from engine.cli.remote_files import RemoteFiles
from engine.cli.remote_triggers import RemoteTriggers
from engine.cli.remote_values import RemoteKeys, RemoteSecrets
from engine.clock import iso, to_millis
from engine.definition.diagnostic import Diagnostic
from engine.definition.document import read_yaml
from engine.errors import ExpressionError, InvalidFlow, NotFound, Refused, Unavailable
from engine.files.addresses import SCHEME
from engine.files.protocol import FileInfo
from engine.ids import ExecutionId
from engine.state.execution import Execution, ExecutionKind
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import ExecutionFilter, LogLine, StoredFlow

PAGE = 200
YAML = {"Content-Type": "application/x-yaml"}
AGAIN_SECONDS = 1.0
SHOWN_FILES = 50
NORMAL = (ExecutionKind.NORMAL,)
PLACED = re.compile(r"\(line (\d+), column (\d+)\)")


class _Flow(msgspec.Struct, frozen=True):
    namespace: str
    id: str
    revision: int
    source: str = ""
    updated: datetime | None = None


class _Violation(msgspec.Struct, frozen=True):
    flow: str | None = None
    namespace: str | None = None
    constraints: str | None = None


class RemoteFlows:
    """Flows of a server."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self, namespace: str | None = None) -> Sequence[FlowHead]:
        found: list[FlowHead] = []
        query = {"size": str(PAGE), "sort": "id:asc"}
        if namespace is not None:
            query["filters[namespace][EQUALS]"] = namespace
        for number in range(1, 1_000_000):
            asked = {**query, "page": str(number)}
            page = await self._http.ask("GET", "/main/flows/search", Page[_Flow], query=asked)
            found += [FlowHead(flow.namespace, flow.id, flow.revision) for flow in page.results]
            if len(page.results) < PAGE:
                break
        return sorted(found)

    async def get(self, namespace: str, id: str, revision: int | None = None) -> StoredFlow:
        query = {"source": "true"} | ({} if revision is None else {"revision": str(revision)})
        return _stored(await self._http.ask("GET", f"/main/flows/{namespace}/{id}", _Flow, query=query))

    async def check(self, source: str, file: str) -> tuple[str, str]:
        body: dict[str, Any] = {"data": source.encode(), "headers": YAML}
        found = await self._http.ask("POST", "/main/flows/validate", list[_Violation], **body)
        if len(found) != 1:
            raise InvalidFlow([_mistake(f"a file holds one flow, and this one {len(found)}", file)])
        (violation,) = found
        if violation.constraints:
            raise InvalidFlow([_mistake(violation.constraints, file)])
        return violation.namespace or "", violation.flow or ""

    async def inputs(self, flow: StoredFlow) -> Sequence[str]:
        document = read_yaml(flow.source).value
        return _names(document.get("inputs")) if isinstance(document, dict) else []

    async def save(self, source: str, file: str) -> StoredFlow:
        namespace, id = await self.check(source, file)
        body: dict[str, Any] = {"data": source.encode(), "headers": YAML}
        try:
            return _stored(await self._http.ask("PUT", f"/main/flows/{namespace}/{id}", _Flow, **body))
        except NotFound:
            return _stored(await self._http.ask("POST", "/main/flows", _Flow, **body))

    async def delete(self, namespace: str, id: str) -> None:
        await self._http.do("DELETE", f"/main/flows/{namespace}/{id}")


class RemoteExecutions:
    """Executions of a server."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._watchers: list[Watcher] = []

    async def list(self, where: ExecutionFilter) -> Sequence[Execution]:
        if where.prefix:
            # The whole id, most often; else the beginning of one.
            try:
                return [(await self.record(ExecutionId(where.prefix))).execution]
            except NotFound:
                where = msgspec.structs.replace(where, limit=1000)
        query = [*_filters(where), ("page", str(where.offset // where.limit + 1)), ("size", str(where.limit))]
        page = await self._http.ask("GET", "/main/executions/search", Page[ExecutionShape], query=query)
        return [execution_of(shape) for shape in page.results if shape.id.startswith(where.prefix or "")]

    async def record(self, id: ExecutionId) -> Record:
        return record_of(await self._http.ask("GET", f"/main/executions/{id}", ExecutionShape))

    async def lines(
        self, id: ExecutionId, task: str | None = None, levels: Sequence[str] = ()
    ) -> AsyncIterator[LogLine]:
        query = {} if task is None else {"taskId": task}
        for shape in await self._http.ask("GET", f"/main/logs/{id}", list[LogShape], query=query):
            if not levels or shape.level in levels:
                yield line_of(shape)

    async def files(self, execution: Execution) -> Sequence[FileInfo]:
        record = await self.record(execution.id)
        values = [record.execution.inputs, record.execution.outputs, *(run.outputs for run in record.runs.values())]
        found = []
        for address in list(dict.fromkeys(address for value in values for address in _addresses(value)))[:SHOWN_FILES]:
            path = f"/main/executions/{execution.id}/file/metas"
            try:
                size = (await self._http.ask("GET", path, dict[str, int], query={"path": address}))["size"]
            except NotFound:
                continue
            found.append(FileInfo(address, size, 0, {}))
        return found

    async def fetch(self, execution: Execution, address: str, path: Path) -> None:
        await self._http.download(f"/main/executions/{execution.id}/file", path, query={"path": address})

    async def start(self, namespace: str, flow: str, inputs: Mapping[str, str], labels: Mapping[str, str]) -> Execution:
        query = [("labels", f"{key}:{value}") for key, value in labels.items()]
        path = f"/main/executions/{namespace}/{flow}"
        with form_of(inputs or {}) as form:
            shape = await self._http.ask("POST", path, ExecutionShape, query=query, data=form)
        return execution_of(shape)

    @asynccontextmanager
    async def watching(self, watcher: Watcher) -> AsyncIterator[None]:
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    async def until_end(self, id: ExecutionId) -> Execution:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_lines, id)
            await self._tell_changes(id)
        return (await self.record(id)).execution

    async def evaluate(self, id: ExecutionId, expression: str, task: str | None = None) -> Any:
        run = "" if task is None else f"/{await self._run_of(id, task)}"
        path = f"/main/executions/{id}/actions/eval{run}"
        text: dict[str, Any] = {"data": expression.encode(), "headers": {"Content-Type": "text/plain"}}
        found = await self._http.ask("POST", path, dict[str, Any], **text)
        if (error := found.get("error")) is not None:
            raise ExpressionError(str(error))
        return found.get("result", "")

    async def _run_of(self, id: ExecutionId, task: str) -> str:
        """The id of a task run that is named by it or by its task; of several of a task, the latest."""
        runs = (await self.record(id)).runs.values()
        found = [run for run in runs if task in (run.id, run.node)]
        if not found:
            raise NotFound("task run", task, f"`tidegate execution show {id}` shows those of the execution")
        return max(found, key=lambda run: run.order).id

    async def goes_on_elsewhere(self, id: ExecutionId) -> bool:
        return False

    async def finish(self, ids: Sequence[ExecutionId]) -> None:
        return

    async def _tell_changes(self, id: ExecutionId) -> None:
        before: Record | None = None
        while True:
            try:
                async with aclosing(self._http.events(f"/main/executions/{id}/follow")) as events:
                    async for kind, data in events:
                        if kind not in ("progress", "end"):
                            continue
                        record = record_of(msgspec.json.decode(data, type=ExecutionShape))
                        for watcher in self._watchers:
                            watcher.on_change(record.execution, changed(before, record))
                        before = record
                        if kind == "end":
                            return
            except Unavailable:
                if before is None:
                    raise
            # The server goes away, and another one comes.
            await anyio.sleep(AGAIN_SECONDS)

    async def _tell_lines(self, id: ExecutionId) -> None:
        told = 0
        while True:
            seen = 0
            try:
                async with aclosing(self._http.events(f"/main/logs/{id}/follow")) as events:
                    async for kind, data in events:
                        if kind == "end":
                            return
                        if kind == "progress":
                            seen += 1
                            if seen > told:
                                self._tell_line(data)
                told = max(told, seen)
            except Unavailable:
                told = max(told, seen)
            await anyio.sleep(AGAIN_SECONDS)

    def _tell_line(self, data: bytes) -> None:
        line = line_of(msgspec.json.decode(data, type=LogShape))
        for watcher in self._watchers:
            watcher.on_line(line)


class RemoteActions:
    """What a server does to its executions."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def kill(self, id: ExecutionId, *, cascade: bool = True) -> None:
        query = {"isOnKillCascade": str(cascade).lower()}
        await self._http.do("DELETE", f"/main/executions/{id}/actions/kill", query=query)

    async def pause(self, id: ExecutionId) -> None:
        await self._http.do("POST", f"/main/executions/{id}/actions/pause")

    async def resume(
        self, id: ExecutionId, inputs: Mapping[str, str] | None = None, task_run: str | None = None
    ) -> None:
        _only_here(task_run, "--task-run")
        with form_of(inputs or {}) as form:
            await self._http.do("POST", f"/main/executions/{id}/actions/resume", data=form)

    async def review(
        self,
        id: ExecutionId,
        decision: str,
        *,
        task_run: str | None = None,
        comment: str | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        raise Refused("Decisions work on a data folder of this machine (--data), not yet with a server")

    async def unqueue(self, id: ExecutionId, state: Status = Status.RUNNING) -> None:
        await self._http.do("POST", f"/main/executions/{id}/actions/unqueue", query={"state": state.value})

    async def force_run(self, id: ExecutionId) -> None:
        await self._http.do("POST", f"/main/executions/{id}/actions/force-run")

    async def restart(self, id: ExecutionId, revision: int | None = None) -> Execution:
        query = {} if revision is None else {"revision": str(revision)}
        path = f"/main/executions/{id}/actions/restart"
        return execution_of(await self._http.ask("POST", path, ExecutionShape, query=query))

    async def replay(
        self,
        id: ExecutionId,
        task_run: str | None = None,
        revision: int | None = None,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Execution:
        _only_here(outputs, "--output")
        asked = {"taskRunId": task_run, "revision": None if revision is None else str(revision)}
        query = {name: value for name, value in asked.items() if value is not None}
        action = "replay-with-inputs" if inputs else "replay"
        with form_of(inputs or {}) as form:
            body = {"data": form} if inputs else {}
            path = f"/main/executions/{id}/actions/{action}"
            return execution_of(await self._http.ask("POST", path, ExecutionShape, query=query, **body))


def _stored(flow: _Flow) -> StoredFlow:
    return StoredFlow(
        flow.namespace, flow.id, flow.revision, flow.source, created=to_millis(flow.updated) if flow.updated else 0
    )


def _mistake(message: str, file: str) -> Diagnostic:
    found = PLACED.search(message)
    line, column = (int(found[1]), int(found[2])) if found else (1, 1)
    return Diagnostic(message, line, column, "refused", file=file)


def _filters(where: ExecutionFilter) -> list[tuple[str, str]]:
    """The query that stands for a filter. Raises Refused for what a server can't be asked."""
    asked = [
        ("filters[namespace][EQUALS]", where.namespace),
        ("filters[namespace][PREFIX]", where.below),
        ("filters[flowId][EQUALS]", where.flow),
        ("filters[state][IN]", ",".join(where.states) or None),
        ("filters[kind][IN]", ",".join(where.kinds or ExecutionKind) if where.kinds != NORMAL else None),
        ("filters[startDate][GREATER_THAN_OR_EQUAL_TO]", None if where.since is None else iso(where.since)),
        ("filters[startDate][LESS_THAN]", None if where.until is None else iso(where.until)),
        *((f"filters[labels][EQUALS][{label.key}]", label.value) for label in where.labels),
    ]
    return [(name, value) for name, value in asked if value is not None]


def _addresses(value: Any) -> Iterator[str]:
    """The addresses of internal storage in a value."""
    if isinstance(value, str) and value.startswith(SCHEME):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _addresses(item)
    elif isinstance(value, list):
        for item in value:
            yield from _addresses(item)


def _names(inputs: Any, front: str = "") -> list[str]:
    """Names of declared inputs, those of forms with the form's name before them."""
    found = []
    for declared in inputs if isinstance(inputs, list) else ():
        if isinstance(declared, dict):
            name = f"{front}{declared.get('id', declared.get('name'))}"
            found += _names(declared.get("inputs"), f"{name}.") if declared.get("inputs") else [name]
    return found


def _only_here(value: object, option: str) -> None:
    if value:
        raise Refused(f"{option} works on a data folder of this machine (--data), not yet with a server")


class RemoteClient(NamedTuple):
    """A server."""

    flows: RemoteFlows
    executions: RemoteExecutions
    actions: RemoteActions
    bulk: RemoteBulk
    keys: RemoteKeys
    secrets: RemoteSecrets
    files: RemoteFiles
    triggers: RemoteTriggers
    here: bool = False


@asynccontextmanager
async def remote_client(context: Context) -> AsyncIterator[RemoteClient]:
    """Talk to a server for one command."""
    async with connected(context) as http:
        executions, actions = RemoteExecutions(http), RemoteActions(http)
        yield RemoteClient(
            flows=RemoteFlows(http),
            executions=executions,
            actions=actions,
            bulk=RemoteBulk(http, executions, actions),
            keys=RemoteKeys(http),
            secrets=RemoteSecrets(http),
            files=RemoteFiles(http),
            triggers=RemoteTriggers(http),
        )
