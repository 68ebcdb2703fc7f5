"""Compares a part of a listing with what is known, in the memory that a part takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.state.ledger import Comparing, Difference, Item, ItemState, Listed, Page
from engine.store.codec import encode
from engine.store.query import queries

SQL = queries("sqlite")

# What a listing misses is noted in pieces of so many.
MISSED_AT_ONCE = 10_000

Row = tuple[object, ...]
ITEM, SERIAL, STATE, ETAG, SIZE, MODIFIED, VERSION, FOUND, CHANGED, DUE, MISSED, CHANGE = range(12)


class Compared(NamedTuple):
    """missed, settled: item and serial; rest: where to go on, None at the end."""

    missed: Sequence[tuple[str, int]]
    settled: Sequence[tuple[str, int]]
    rest: str | None


def look(
    connection: sqlite3.Connection, scope: int, page: Page, how: Comparing, known: dict[str, Row], start: str
) -> Compared:
    """Add the last known version of each item of the page to `known`; of those between them, tell which were missed."""
    listed = {seen.item: seen for seen in page.items}
    if not how.ordered:
        rows = connection.execute(SQL["ledger_of_items"], {"scope": scope, "items": encode(list(listed))})
        for row in rows:
            known[row[ITEM]] = row
        return Compared((), _settled(listed, known, how), None)
    end = None if page.last else page.items[-1].item if page.items else page.after or ""
    latest: dict[str, Row] = {}
    missed: list[tuple[str, int]] = []
    for row in connection.execute(SQL["ledger_range"], {"scope": scope, "start": start}):
        item = row[ITEM]
        if (end is not None and item > end) or not item.startswith(how.prefix):
            break
        if item in listed:
            known[item] = row
        elif _covered(item, page.after, how):
            if len(latest) >= MISSED_AT_ONCE and item not in latest:
                return Compared(_missed(latest.values(), how), (), item)
            latest[item] = row
    missed += _missed(latest.values(), how)
    return Compared(missed, _settled(listed, known, how), None)


def differences(page: Page, how: Comparing, known: Mapping[str, Row]) -> list[Difference]:
    """The items of a page that aren't known so."""
    found = []
    for seen in page.items:
        row = known.get(seen.item)
        if row is None:
            found.append(Difference(seen, None))
        elif row[STATE] == "GONE" or not same(seen, row, how) or _again(row, how):
            found.append(Difference(seen, known_item(row)))
    return found


def same(seen: Listed, row: Row, how: Comparing) -> bool:
    """Whether an item of a listing is the version that is known."""
    if how.by == "versionId" and row[VERSION] is not None and seen.version is not None:
        return row[VERSION] == seen.version
    if row[ETAG] != seen.etag or row[SIZE] != seen.size:
        return False
    return how.by != "lastModified" or row[MODIFIED] == seen.modified


def known_item(row: Row) -> Item:
    item, serial, state, etag, size, modified, version, found, changed, due, _, change = row
    return Item(item, serial, ItemState(state), etag, size, modified, version, found, changed, change, due=due)  # type: ignore[arg-type]


def start_of(page: Page, how: Comparing) -> str:
    """The first item that may be known of a page."""
    return page.after if page.after is not None else max(how.prefix, how.start or "")


def _covered(item: str, after: str | None, how: Comparing) -> bool:
    if item == after or (how.start is not None and item <= how.start):
        return False
    return not how.beyond or how.beyond not in item[len(how.prefix) :]


def _again(row: Row, how: Comparing) -> bool:
    changed = row[CHANGED]
    return how.again is not None and row[STATE] == "DONE" and isinstance(changed, int) and changed < how.again


def _missed(rows: Iterable[Row], how: Comparing) -> list[tuple[str, int]]:
    return [
        (str(row[ITEM]), int(str(row[SERIAL]))) for row in rows if row[STATE] != "GONE" and row[MISSED] != how.listing
    ]


def _settled(listed: Mapping[str, Listed], known: Mapping[str, Row], how: Comparing) -> list[tuple[str, int]]:
    """New versions that were to be seen again unchanged, and are."""
    found = []
    for item, row in known.items():
        due = row[DUE]
        if isinstance(due, int) and 0 < due <= how.now and row[STATE] == "NEW" and same(listed[item], row, how):
            found.append((item, int(str(row[SERIAL]))))
    return found
