"""The truth in SQLite: flows, executions, timers, nodes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from engine.errors import Conflict, NotFound
from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.record import Record
from engine.store.codec import decode_answer, decode_execution, decode_task_run, encode
from engine.store.query import Where, queries
from engine.store.reader import Reader
from engine.store.rows import (
    Concurrency,
    DeclaredTrigger,
    ExecutionFilter,
    Granted,
    Held,
    LimitUse,
    Message,
    NewFlow,
    NodeRow,
    SlotUse,
    StoredFlow,
    Timer,
)
from engine.store.selecting import count_query, distinct_query, list_query
from engine.store.slots import FlowKey, free, grant, limit_of, repair
from engine.store.trigger_rows import declare_triggers
from engine.store.writer import Writer

SQL = queries("sqlite")
TENANT = "main"
LIST_SECONDS = 30.0
"""What a list may take; people make up what it is chosen by."""
EXECUTION, TASK_RUN, ANSWER = 0, 1, 2


class Flows:
    """Flows and their revisions."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def save(
        self,
        namespace: str,
        id: str,
        source: str,
        at: int,
        concurrency: Concurrency | None = None,
        triggers: Sequence[DeclaredTrigger] = (),
        fresh: bool = False,
    ) -> StoredFlow:
        flow = NewFlow(namespace, id, source, concurrency, triggers)

        def work(connection: sqlite3.Connection) -> tuple[StoredFlow, list[Granted]]:
            known = connection.execute(SQL["latest_flow"], _named(namespace, id)).fetchone() if fresh else None
            if known is not None and not known[-1]:
                raise Conflict(f"the flow '{namespace}.{id}' exists already")
            stored = _save_flow(connection, flow, at)
            return stored, grant(connection, [FlowKey(TENANT, namespace, id)])

        stored, granted = await self._writer.run(work)
        self._writer.on_granted(granted)
        self._writer.tell_triggers()
        return stored

    async def replace(self, flows: Sequence[NewFlow], gone: Sequence[tuple[str, str]], at: int) -> Sequence[StoredFlow]:
        def work(connection: sqlite3.Connection) -> tuple[list[StoredFlow], list[Granted]]:
            stored = [_save_flow(connection, flow, at) for flow in flows]
            for namespace, id in gone:
                _delete_flow(connection, namespace, id, at)
            return stored, grant(connection, [FlowKey(TENANT, flow.namespace, flow.id) for flow in flows])

        stored, granted = await self._writer.run(work)
        self._writer.on_granted(granted)
        self._writer.tell_triggers()
        return stored

    async def get(self, namespace: str, id: str, revision: int | None = None) -> StoredFlow:
        params = {"tenant": TENANT, "namespace": namespace, "id": id, "revision": revision}
        row = await self._reader.row(SQL["latest_flow" if revision is None else "flow_revision"], params)
        if row is None or (revision is None and row[-1]):
            raise _no_flow(namespace, id, revision)
        return _flow(row)

    async def revisions(self, namespace: str, id: str) -> Sequence[StoredFlow]:
        params = {"tenant": TENANT, "namespace": namespace, "id": id}
        rows = await self._reader.rows(SQL["flow_revisions"], params)
        if not rows:
            raise _no_flow(namespace, id, None)
        return [_flow(row) for row in rows]

    async def list(self, namespace: str | None = None) -> Sequence[StoredFlow]:
        where = Where().add("namespace", namespace)
        return [_flow(row) for row in await self._reader.rows(where.fill(SQL["list_flows"]), where.params)]

    async def delete(self, namespace: str, id: str, at: int) -> None:
        if not await self._writer.run(lambda connection: _delete_flow(connection, namespace, id, at)):
            raise _no_flow(namespace, id, None)
        self._writer.tell_triggers()

    async def delete_revisions(self, namespace: str, id: str, revisions: Sequence[int]) -> int:
        params = {"tenant": TENANT, "namespace": namespace, "id": id, "revisions": encode(revisions)}
        return len(await self._writer.execute(SQL["delete_flow_revisions"], params))


class Executions:
    """Executions and their task runs."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self.commit = writer.commit
        self._writer = writer

    async def load(self, id: ExecutionId) -> Held:
        held = await self._reader.run(lambda connection: _held(connection, id))
        if held is None:
            raise NotFound("execution", id)
        return held

    async def head(self, id: ExecutionId) -> tuple[Execution, str]:
        row = await self._reader.row(SQL["execution_head"], {"id": id})
        if row is None:
            raise NotFound("execution", id)
        return decode_execution(row[1]), row[0]

    async def heads(self, ids: Sequence[ExecutionId]) -> Sequence[Execution]:
        rows = await self._reader.rows(SQL["execution_heads"], {"executions": encode(ids)})
        return [decode_execution(row[0]) for row in rows]

    async def list(self, where: ExecutionFilter) -> Sequence[Execution]:
        return [decode_execution(row[0]) for row in await self._reader.found(*list_query(where), LIST_SECONDS)]

    async def count(self, where: ExecutionFilter, most: int | None = None) -> int:
        rows = await self._reader.found(*count_query(where, most), LIST_SECONDS)
        return int(rows[0][0])

    async def live_states(self) -> Mapping[str, int]:
        return dict(await self._reader.rows(SQL["live_states"], {}))

    async def distinct(self, field: str, where: ExecutionFilter) -> Sequence[str]:
        rows = await self._reader.found(*distinct_query(field, where), LIST_SECONDS)
        return [str(row[0]) for row in rows]

    async def owners(self) -> Sequence[str]:
        return [row[0] for row in await self._reader.rows(SQL["owners"], {})]

    async def adopt(self, dead: str, owner: str, limit: int) -> Sequence[ExecutionId]:
        params = {"dead": dead, "owner": owner, "limit": limit}

        def work(connection: sqlite3.Connection) -> list[ExecutionId]:
            taken = [ExecutionId(row[0]) for row in connection.execute(SQL["adopt_executions"], params).fetchall()]
            _follow(connection, taken, owner)
            if len(taken) < limit:
                connection.execute(SQL["adopt_stray_timers"], params)
            return taken

        return await self._writer.run(work)

    async def claim(self, id: ExecutionId, owner: str, previous: str = "") -> bool:
        params = {"id": id, "owner": owner, "previous": previous}

        def work(connection: sqlite3.Connection) -> bool:
            claimed = connection.execute(SQL["claim_execution"], params).fetchall()
            if claimed:
                _follow(connection, [id], owner)
            return bool(claimed)

        return await self._writer.run(work)

    async def delete(self, id: ExecutionId, version: int | None = None) -> None:
        def work(connection: sqlite3.Connection) -> tuple[bool, list[Granted]]:
            if version is not None:
                _check_version(connection, id, version)
            # Bound as one list, since the iterations of a loop may be many.
            whole = [row[0] for row in connection.execute(SQL["with_iterations"], {"id": id}).fetchall()]
            for name in ("delete_executions", "delete_task_runs", "delete_answers", "delete_timers", "delete_messages"):
                connection.execute(SQL[name], {"executions": encode(whole)})
            return bool(whole), grant(connection, free(connection, [id]))

        deleted, granted = await self._writer.run(work)
        self._writer.on_granted(granted)
        if not deleted:
            raise NotFound("execution", id)


def _named(namespace: str, id: str) -> dict[str, object]:
    return {"tenant": TENANT, "namespace": namespace, "id": id}


def _save_flow(connection: sqlite3.Connection, flow: NewFlow, at: int) -> StoredFlow:
    limit, behavior = flow.concurrency or (None, None)
    params = {**_named(flow.namespace, flow.id), "source": flow.source, "at": at}
    connection.execute(SQL["save_flow"], {**params, "concurrency": limit, "behavior": behavior})
    if limit is not None:
        connection.execute(SQL["count_running"], FlowKey(TENANT, flow.namespace, flow.id)._asdict())
    declare_triggers(connection, flow.namespace, flow.id, flow.triggers, at)
    return _flow(connection.execute(SQL["latest_flow"], params).fetchone())


def _delete_flow(connection: sqlite3.Connection, namespace: str, id: str, at: int) -> bool:
    deleted = connection.execute(SQL["delete_flow"], {**_named(namespace, id), "at": at}).fetchall()
    declare_triggers(connection, namespace, id, (), at)
    return bool(deleted)


def _check_version(connection: sqlite3.Connection, id: ExecutionId, version: int) -> None:
    exists = connection.execute(SQL["execution_head"], {"id": id}).fetchone() is not None
    if exists and connection.execute(SQL["is_of_version"], {"id": id, "version": version}).fetchone() is None:
        raise Conflict(f"execution '{id}' changed meanwhile, and is not deleted")


class Slots:
    """Who runs and who waits of the flows that have a limit."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def listen(self, listener: Callable[[Sequence[Granted]], None]) -> None:
        self._writer.on_granted = listener

    async def of(self, namespace: str, flow: str, tenant: str = "main") -> SlotUse:
        key = FlowKey(tenant, namespace, flow)

        def work(connection: sqlite3.Connection) -> SlotUse:
            rows = connection.execute(SQL["slots_of_flow"], key._asdict()).fetchall()
            return SlotUse(
                limit=limit_of(connection, key).limit,
                running=tuple(ExecutionId(id) for id, taken in rows if taken),
                waiting=tuple(ExecutionId(id) for id, taken in rows if not taken),
            )

        return await self._reader.run(work)

    async def all(self, tenant: str = "main") -> Sequence[LimitUse]:
        return [LimitUse(*row) for row in await self._reader.rows(SQL["limited_flows"], {"tenant": tenant})]

    async def repair(self) -> int:
        if not await self._reader.rows(SQL["slot_faults"], {}):
            return 0
        count, granted = await self._writer.run(repair)
        self._writer.on_granted(granted)
        return count


class Timers:
    """What must happen later."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def due(self, owner: str, now: int, limit: int) -> Sequence[Timer]:
        rows = await self._reader.rows(SQL["due_timers"], {"owner": owner, "now": now, "limit": limit})
        return [Timer(ExecutionId(execution), path, kind, due) for execution, path, kind, due in rows]

    async def telling(self, ids: Sequence[ExecutionId]) -> set[ExecutionId]:
        rows = await self._reader.rows(SQL["telling"], {"executions": encode(ids)})
        return {ExecutionId(row[0]) for row in rows}

    async def next_due(self, owner: str) -> int | None:
        row = await self._reader.row(SQL["next_due"], {"owner": owner})
        return None if row is None or row[0] is None else int(row[0])


class Nodes:
    """Processes on this data folder and what they tell each other."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def register(self, node: NodeRow) -> None:
        params = {"id": node.id, "pid": node.pid, "started": node.started}
        await self._writer.execute(SQL["register_node"], params)

    async def retire(self, id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(SQL["retire_node"], {"id": id})
            connection.execute(SQL["drop_messages"], {"node": id})

        await self._writer.run(work)

    async def list(self) -> Sequence[NodeRow]:
        return [NodeRow(*row) for row in await self._reader.rows(SQL["list_nodes"], {})]

    async def send(self, node: str, execution: ExecutionId, body: bytes) -> None:
        params = {"node": node, "execution": execution, "body": body}
        await self._writer.execute(SQL["send_message"], params)

    async def take(self, node: str, limit: int) -> Sequence[Message]:
        rows = await self._reader.rows(SQL["take_messages"], {"node": node, "limit": limit})
        return [Message(id, ExecutionId(execution), body) for id, execution, body in rows]

    async def done(self, ids: Sequence[int]) -> None:
        params = {"ids": encode(ids)}
        await self._writer.execute(SQL["remove_messages"], params)


def _follow(connection: sqlite3.Connection, executions: Sequence[ExecutionId], owner: str) -> None:
    """Let what belongs to executions follow them to their new owner."""
    params = {"owner": owner, "executions": encode(executions)}
    connection.execute(SQL["adopt_timers"], params)
    connection.execute(SQL["adopt_messages"], params)


def _held(connection: sqlite3.Connection, id: ExecutionId) -> Held | None:
    record: Record | None = None
    owner = ""
    for kind, name, doc in connection.execute(SQL["load_execution"], {"id": id}):
        if kind == EXECUTION:
            record, owner = Record(decode_execution(doc)), name
        elif record is not None and kind == TASK_RUN:
            record.runs[name] = decode_task_run(doc)
        elif record is not None:
            record.answers[name] = decode_answer(doc)
    return None if record is None else Held(record, owner)


def _flow(row: tuple[str, str, int, str, int, str, int]) -> StoredFlow:
    namespace, id, revision, source, created, tenant, deleted = row
    return StoredFlow(namespace, id, revision, source, created, tenant, bool(deleted))


def _no_flow(namespace: str, id: str, revision: int | None) -> NotFound:
    return NotFound("flow", f"{namespace}.{id}" if revision is None else f"{namespace}.{id} revision {revision}")
