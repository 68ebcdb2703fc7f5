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
LOG_BYTES = 64 * 1024 * 1024

# What may pass by itself or by making room; what the file itself is wrong about.
PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def connect(file: Path, settings: Sqlite) -> sqlite3.Connection:
    """A connection in autocommit mode, on WAL, for one thread at a time.

    Raises Refused for a SQLite too old and for a file that is no database, Unavailable for one that can't be opened.
    """
    if sqlite3.sqlite_version_info < NEEDED:
        raise Refused(f"SQLite {sqlite3.sqlite_version} is too old: Tidegate needs 3.35 or later")
    with foreseen():
        connection = sqlite3.connect(
            file, timeout=settings.busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute(f"pragma synchronous = {settings.synchronous}")
            connection.execute(f"pragma cache_size = -{CACHE_KIBIBYTES}")
            connection.execute(f"pragma journal_size_limit = {LOG_BYTES}")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def foreseen() -> Iterator[None]:
    """Turns what a database or a disk may answer at any time into errors of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from error


def translated(error: sqlite3.Error) -> TidegateError | sqlite3.Error:
    """Unavailable for what may pass (busy, disk full, input or output failed), Refused for a damaged file.

    Anything else is a fault of the program and stays what it is.
    """
    # The lower byte is the kind, the rest its details. Errors of the Python module itself carry no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in PASSING:
        return Unavailable(f"The database can't answer: {error}")
    if code in DAMAGED:
        return Refused(f"The database can't be read ({error}): restore it from a backup, or use another data folder")
    return error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A writing transaction: committed at the end of the block, without effect when anything fails."""
    if connection.in_transaction:
        # The last one could not even be rolled back then.
        connection.execute("rollback")
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # SQLite may have rolled back by itself.
        if connection.in_transaction:
            connection.execute("rollback")
        raise
