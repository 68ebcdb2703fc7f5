"""How a SQLite database is opened, and what its errors mean to callers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import Refused, TidegateError, Unavailable
from engine.settings import Sqlite

NEEDED = (3, 35)
CACHE_KIBIBYTES = 16_000


def connect(file: Path, settings: Sqlite) -> sqlite3.Connection:
    """A connection in autocommit mode, on WAL, for one thread at a time. Raises Refused for a SQLite too old."""
    if sqlite3.sqlite_version_info < NEEDED:
        raise Refused(f"SQLite {sqlite3.sqlite_version} is too old: Tidegate needs 3.35 or later")
    with foreseen():
        connection = sqlite3.connect(
            file, timeout=settings.busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {settings.synchronous}")
        connection.execute(f"pragma cache_size = -{CACHE_KIBIBYTES}")
        connection.execute("pragma foreign_keys = off")
    return connection


@contextmanager
def foreseen() -> Iterator[None]:
    """Turns what a database or a disk may answer at any time into Unavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from error


def translated(error: sqlite3.Error) -> TidegateError | sqlite3.Error:
    """Unavailable for what may pass (busy, disk full, input or output failed), else the error itself."""
    if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
        return Unavailable(f"The database can't answer: {error}")
    return error


def roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction without effect; SQLite may have done so by itself."""
    if connection.in_transaction:
        connection.execute("rollback")
