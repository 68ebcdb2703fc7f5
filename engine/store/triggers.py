"""States of triggers in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.codec import decode_backfill, decode_windows
from engine.store.query import Where, queries
from engine.store.reader import Reader
from engine.store.trigger_rows import TENANT, Row, save_triggers, saved_row
from engine.store.writer import Writer

SQL = queries("sqlite")


class Triggers:
    """What is remembered of triggers."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def listen(self, listener: Callable[[], None]) -> None:
        self._writer.on_triggers.append(listener)

    async def get(self, namespace: str, flow: str, id: str) -> TriggerState:
        params = {"tenant": TENANT, "namespace": namespace, "flow": flow, "id": id}
        row = await self._reader.row(SQL["get_trigger"], params)
        if row is None:
            raise NotFound("trigger", f"{namespace}.{flow}.{id}")
        return _state(row)

    async def list(self, namespace: str | None = None, flow: str | None = None) -> Sequence[TriggerState]:
        where = Where().add("namespace", namespace).add("flow", flow)
        return [_state(row) for row in await self._reader.rows(where.fill(SQL["list_triggers"]), where.params)]

    async def changed(self, serial: int) -> Sequence[TriggerState]:
        return await self._reader.run(
            lambda connection: [_state(row) for row in connection.execute(SQL["changed_triggers"], {"serial": serial})]
        )

    async def save(self, state: TriggerState) -> None:
        await self._writer.run(lambda connection: save_triggers(connection, [saved_row(TENANT, state)]))
        self._writer.tell_triggers()

    async def purge(self, before: int) -> int:
        def work(connection: sqlite3.Connection) -> int:
            purged = connection.execute(SQL["purge_triggers"], {"before": before}).rowcount
            if purged:
                connection.execute(SQL["purge_changes"])
            return purged

        return await self._writer.run(work)


def _state(row: Row) -> TriggerState:
    namespace, flow, id, type, fingerprint, stop_after, off, disabled, *dates = row
    date, next, recover, execution, evaluated, fired, failures, error, *others = dates
    backfill, heard, windows, updated, gone, version, serial = others
    values = {
        "namespace": namespace,
        "flow": flow,
        "id": id,
        "type": type,
        "fingerprint": fingerprint,
        "stop_after": tuple(Status(name) for name in str(stop_after).split()),
        "off": bool(off),
        "disabled": bool(disabled),
        "date": date,
        "next": next,
        "recover": recover,
        "execution": None if execution is None else ExecutionId(str(execution)),
        "evaluated": evaluated,
        "fired": fired,
        "failures": failures,
        "error": error,
        "backfill": None if backfill is None else decode_backfill(str(backfill)),
        "heard": heard,
        "windows": () if windows is None else decode_windows(str(windows)),
        "updated": updated,
        "gone": gone,
        "version": version,
        "serial": serial,
    }
    return msgspec.convert(values, TriggerState)
