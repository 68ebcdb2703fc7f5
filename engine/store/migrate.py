"""Brings a database to the current schema: numbered files, forward only, each once.

An empty database takes the same road. A file that was applied must never change: its checksum is kept.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from engine.errors import Refused
from engine.store.connection import transaction
from engine.store.query import queries

FOLDER = Path(__file__).parent / "migrations"
SQL = queries("sqlite")
NAME = re.compile(r"^(\d{4})_\w+\.sql$")


class Migration(NamedTuple):
    """One file: its number (from 1, without gaps), name, text and checksum."""

    number: int
    name: str
    text: str
    checksum: str


@cache
def migrations(folder: Path = FOLDER) -> Sequence[Migration]:
    """The migrations of a folder in order. Raises ValueError for a name or number out of line."""
    found = []
    for expected, file in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = NAME.match(file.name)
        if match is None or int(match[1]) != expected:
            raise ValueError(f"{file.name} should be named {expected:04}_what_it_does.sql")
        text = file.read_text(encoding="utf-8")
        found.append(Migration(expected, file.name, text, hashlib.sha256(text.encode()).hexdigest()))
    return tuple(found)


def migrate(connection: sqlite3.Connection, wanted: Sequence[Migration]) -> int:
    """Apply what is missing; returns how many. The connection is in autocommit mode.

    Raises Refused when the database is newer than this program or was made by other files.
    """
    applied = _applied(connection)
    if len(applied) == len(wanted):
        _check(applied, wanted)
        return 0
    # The write lock of the database is the lock among processes: whoever comes second finds all done.
    with transaction(connection):
        connection.execute(SQL["create_migration"])
        applied = _applied(connection)
        _check(applied, wanted)
        for migration in wanted[len(applied) :]:
            for statement in statements(migration.text):
                connection.execute(statement)
            connection.execute(SQL["add_migration"], migration._asdict())
    return len(wanted) - len(applied)


def statements(text: str) -> Iterator[str]:
    """The statements of a file, one by one."""
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise ValueError(f"not a whole statement: {pending.strip()[:80]}")


def _applied(connection: sqlite3.Connection) -> list[tuple[int, str, str]]:
    known = connection.execute(SQL["known_migration"]).fetchone()
    if known is None:
        return []
    return connection.execute(SQL["list_migrations"]).fetchall()


def _check(applied: Sequence[tuple[int, str, str]], wanted: Sequence[Migration]) -> None:
    if len(applied) > len(wanted):
        raise Refused(
            f"The database was written by a newer Tidegate (it has migration {applied[-1][1]}): use that version, or "
            "another data folder"
        )
    for (_, name, checksum), migration in zip(applied, wanted, strict=False):
        if checksum != migration.checksum:
            raise Refused(
                f"The database was made with another {name} than this Tidegate has: reinstall Tidegate, or use another "
                "data folder"
            )
