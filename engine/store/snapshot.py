"""A copy of a database as it is at one moment, while others write to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from engine.settings import Sqlite
from engine.store.connection import connect, foreseen

# Between two steps whoever wants the disk may have it.
PAGES = 2048


def snapshot(file: Path, target: Path, settings: Sqlite, *, fixed: Callable[[], None] = lambda: None) -> None:
    """Copy a database into a new file, without its journal.

    fixed: called at once when the moment is fixed: what is committed later isn't in the copy
    Raises Unavailable, Refused for a damaged file.
    """
    with closing(connect(file, settings)) as source, foreseen():
        # The transaction keeps the copy at one moment, however long it takes; in WAL it keeps nobody from writing.
        source.execute("begin")
        source.execute("select count(*) from sqlite_schema").fetchone()
        fixed()
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            source.backup(copy, pages=PAGES, sleep=0)
            # Whoever opens it finds it as it was; closing it leaves nothing beside it.
            copy.execute("pragma journal_mode = wal")


def check(file: Path) -> list[str]:
    """What is wrong with a database file, in SQLite's words; nothing where it is sound."""
    with closing(sqlite3.connect(file)) as connection:
        try:
            found = [row[0] for row in connection.execute("pragma quick_check(10)")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
    return [] if found == ["ok"] else found
