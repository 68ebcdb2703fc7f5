"""Items that triggers detect, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial

from engine.ids import derived_id
from engine.state.ledger import Change, Comparing, Difference, Item, ItemState, Page, Scope, Step
from engine.store.codec import encode
from engine.store.comparing import Row, differences, look, start_of
from engine.store.query import queries
from engine.store.reader import Reader
from engine.store.repositories import TENANT
from engine.store.writer import Writer

SQL = queries("sqlite")

# A transaction changes so many rows at most, so that others get their turn.
AT_ONCE = 2000


class Ledger:
    """Versions of items by scope."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def scope(self, namespace: str, name: str, source: str, at: int) -> Scope:
        params = {"tenant": TENANT, "namespace": namespace, "name": name, "source": source, "at": at}
        row = await self._reader.row(SQL["get_ledger_scope"], params)
        if row is None:
            await self._writer.execute(SQL["add_ledger_scope"], params)
            row = await self._reader.row(SQL["get_ledger_scope"], params)
        id, coverage, listing, listed, unordered = row
        return Scope(id, coverage, listing, listed, bool(unordered))

    async def begin(self, scope: int, unordered: bool, at: int) -> int:
        def work(connection: sqlite3.Connection) -> int:
            connection.execute(SQL["forget_listed"], {"scope": scope})
            params = {"scope": scope, "unordered": int(unordered), "at": at}
            (row,) = connection.execute(SQL["begin_ledger_listing"], params).fetchall()
            return int(row[0])

        return await self._writer.run(work)

    async def compare(self, scope: int, page: Page, how: Comparing) -> Sequence[Difference]:
        known: dict[str, Row] = {}
        start: str | None = start_of(page, how)
        while start is not None:
            found = await self._reader.run(partial(look, scope=scope, page=page, how=how, known=known, start=start))
            start = found.rest
            if not how.dry and (found.missed or found.settled or not how.ordered):
                await self._note(scope, page, how, found.missed, found.settled)
        return await self._reader.run(lambda _: differences(page, how, known))

    async def _note(
        self,
        scope: int,
        page: Page,
        how: Comparing,
        missed: Sequence[tuple[str, int]],
        settled: Sequence[tuple[str, int]],
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            params = {"scope": scope, "listing": how.listing}
            if missed:
                connection.execute(SQL["miss_ledger_items"], {**params, "rows": keyed(scope, missed)})
            if settled:
                connection.execute(SQL["settle_ledger_items"], {"rows": keyed(scope, settled)})
            if not how.ordered:
                items = encode([seen.item for seen in page.items])
                connection.execute(SQL["note_listed"], {"scope": scope, "items": items})

        await self._writer.run(work)

    async def record(self, scope: int, changes: Sequence[Change], at: int) -> int:
        rows = [
            (
                it.listed.item,
                it.known + 1,
                it.state.value,
                it.listed.etag,
                it.listed.size,
                it.listed.modified,
                it.listed.version,
                it.change,
                it.previous,
                it.due if it.state is ItemState.NEW else None,
            )
            for it in changes
        ]

        def work(connection: sqlite3.Connection) -> int:
            params = {"scope": scope, "rows": encode(rows), "at": at}
            recorded = connection.execute(SQL["record_ledger_items"], params).rowcount
            if later := [row for row in rows if row[1] != 1]:
                connection.executemany(SQL["drop_superseded"], [(scope, *row[:2]) for row in later])
            return recorded

        return await self._writer.run(work) if rows else 0

    async def finish(self, scope: int, how: Comparing, coverage: str, at: int, forget: int) -> int:
        if not how.ordered:
            await self._miss_unlisted(scope, how)
        gone = 0
        params = {"scope": scope, "listing": how.listing, "limit": AT_ONCE, "at": at, "before": forget}
        while lost := await self._swept(params, "missed_items", "lose_ledger_items"):
            gone += lost
        while rows := await self._reader.rows(SQL["forgotten_items"], params):
            await self._drop_gone([(scope, *row) for row in rows])
        await self._writer.execute(SQL["finish_ledger_listing"], {"scope": scope, "coverage": coverage, "at": at})
        return gone

    async def _drop_gone(self, rows: Sequence[Row]) -> None:
        await self._writer.run(lambda connection: connection.executemany(SQL["drop_gone_items"], rows))

    async def _swept(self, params: Mapping[str, object], which: str, what: str) -> int:
        """Do something with a bounded number of items."""
        rows = await self._reader.rows(SQL[which], params)
        if rows:
            await self._writer.execute(SQL[what], {**params, "rows": keyed(int(str(params["scope"])), rows)})
        return len(rows)

    async def _miss_unlisted(self, scope: int, how: Comparing) -> None:
        """Note what is known and not among the items of a listing that had no order."""
        page, ordered = Page((), None, True), how._replace(ordered=True)
        start: str | None = start_of(page, how)
        while start is not None:
            found = await self._reader.run(partial(look, scope=scope, page=page, how=ordered, known={}, start=start))
            start = found.rest
            items = {"scope": scope, "items": encode([item for item, _ in found.missed])}
            unlisted = {row[0] for row in await self._reader.rows(SQL["unlisted_items"], items)}
            missed = [pair for pair in found.missed if pair[0] in unlisted]
            if missed:
                await self._note(scope, page, ordered, missed, ())
        await self._writer.execute(SQL["forget_listed"], {"scope": scope})

    async def claim(self, scope: int, taker: str, limit: int, at: int) -> Sequence[Item]:
        def work(connection: sqlite3.Connection) -> str | None:
            params = {"scope": scope, "at": at, "limit": limit}
            rows = connection.execute(SQL["claimable_items"], params).fetchall()
            if not rows:
                return None
            batch = derived_id(scope, *rows[0])
            items = keyed(scope, [row[:2] for row in rows])
            connection.execute(SQL["claim_items"], {**params, "taker": taker, "batch": batch, "rows": items})
            return batch

        batch = await self._writer.run(work)
        return [] if batch is None else await self.batch(scope, batch)

    async def open_batches(self, scope: int, taker: str) -> Sequence[str]:
        return [row[0] for row in await self._reader.rows(SQL["open_batches"], {"scope": scope, "taker": taker})]

    async def batch(self, scope: int, batch: str) -> Sequence[Item]:
        return await self._items("ledger_batch", {"scope": scope, "batch": batch})

    async def apply(self, scope: int, steps: Sequence[Step], at: int) -> int:
        rows = [(it.item, it.serial, it.before.value, it.after.value, dict(it.values)) for it in steps]

        def work(connection: sqlite3.Connection) -> int:
            params = {"rows": keyed(scope, rows), "at": at}
            taken = connection.execute(SQL["apply_steps"], params).rowcount
            if any(it.after is ItemState.DONE for it in steps):
                connection.executemany(SQL["drop_finished_before"], [(scope, *row[:2]) for row in rows])
            return taken

        return await self._writer.run(work) if rows else 0

    async def due(self, scope: int, state: ItemState, at: int, limit: int, after: Item | None = None) -> Sequence[Item]:
        place = {"item": "" if after is None else after.item, "serial": 0 if after is None else after.serial}
        return await self._items("due_items", {"scope": scope, "state": state.value, "at": at, "limit": limit, **place})

    async def waited_for(self, scope: int) -> Sequence[str]:
        return [row[0] for row in await self._reader.rows(SQL["waited_for"], {"scope": scope})]

    async def of_execution(self, scope: int, execution: str) -> Sequence[Item]:
        return await self._items("items_of_execution", {"scope": scope, "execution": execution})

    async def next_due(self, scope: int, state: ItemState) -> int | None:
        row = await self._reader.row(SQL["next_due_item"], {"scope": scope, "state": state.value})
        return None if row is None else row[0]

    async def counts(self, scope: int) -> Mapping[ItemState, int]:
        rows = await self._reader.rows(SQL["count_ledger_items"], {"scope": scope})
        return {ItemState(state): count for state, count in rows}

    async def known(self, scope: int, after: tuple[str, int] | None, limit: int) -> Sequence[Item]:
        item, serial = after or ("", 0)
        return await self._items("known_items", {"scope": scope, "item": item, "serial": serial, "limit": limit})

    async def purge(self, before: int) -> int:
        scopes = await self._reader.rows(SQL["idle_ledger_scopes"], {"before": before})
        for (scope,) in scopes:
            await self._purge(scope)
        return len(scopes)

    async def _purge(self, scope: int) -> None:
        def some(connection: sqlite3.Connection) -> int:
            return connection.execute(SQL["drop_ledger_items"], {"scope": scope, "limit": AT_ONCE}).rowcount

        while await self._writer.run(some):
            pass
        await self._writer.execute(SQL["drop_ledger_scope"], {"scope": scope})

    async def _items(self, query: str, params: Mapping[str, object]) -> list[Item]:
        return [_item(row) for row in await self._reader.rows(SQL[query], params)]


def keyed(scope: int, rows: Sequence[Row]) -> str:
    """Rows that begin with item and serial, as a parameter."""
    return encode([(scope, *row) for row in rows])


def _item(row: Row) -> Item:
    item, serial, state, *rest = row
    return Item(str(item), int(str(serial)), ItemState(state), *rest)  # type: ignore[arg-type]
