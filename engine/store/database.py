"""Opens a database file at its current schema, and makes new ones whole."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path

from engine.errors import Unavailable
from engine.settings import Sqlite
from engine.store.connection import connect, foreseen
from engine.store.migrate import migrate, migrations

LOCK = "create.lock"


def open_database(file: Path, schema: Path, settings: Sqlite) -> sqlite3.Connection:
    """A connection to `file`, made or brought up to date by the migrations of the folder `schema`.

    Raises Refused for a database of a newer version, Unavailable for one that can't be opened.
    """
    try:
        if not file.exists():
            _create(file, schema, settings)
    except OSError as error:
        raise Unavailable(f"The database {file} can't be made: {error.strerror}") from error
    return _opened(file, schema, settings)


def _create(file: Path, schema: Path, settings: Sqlite) -> None:
    """Make a database beside its place and move it there.

    Turning on WAL waits for nobody: of processes that begin together on one new file, some would fail.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return
        new = file.with_suffix(".new")
        for suffix in ("", "-wal", "-shm"):
            Path(f"{new}{suffix}").unlink(missing_ok=True)
        _opened(new, schema, settings).close()
        new.rename(file)


def _opened(file: Path, schema: Path, settings: Sqlite) -> sqlite3.Connection:
    connection = connect(file, settings)
    try:
        with foreseen():
            migrate(connection, migrations(schema))
    except BaseException:
        connection.close()
        raise
    return connection
