"""A folder with a database file for each day, `YYYY-MM-DD.db`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from engine.clock import EPOCH, to_datetime
from engine.settings import Sqlite
from engine.store.database import open_database

MILLISECONDS = 86_400_000
FILES = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].db"


class Days:
    """Connections to the files of a folder, at most `most` of them open, for one thread at a time.

    A day is counted from the epoch.
    """

    def __init__(self, folder: Path, schema: Path, settings: Sqlite, most: int) -> None:
        self._folder = folder
        self._schema = schema
        self._settings = settings
        self._most = most
        self._open: dict[int, sqlite3.Connection] = {}

    def connection(self, day: int) -> sqlite3.Connection:
        """The database of a day, made when it isn't there. Those not used for the longest time are closed again."""
        connection = self._open.pop(day, None)
        if connection is None:
            connection = open_database(self.file(day), self._schema, self._settings)
            while len(self._open) >= self._most:
                self.forget(next(iter(self._open)))
        self._open[day] = connection
        return connection

    def days(self) -> Sequence[int]:
        """Days that have a file, in order."""
        return sorted(
            (date.fromisoformat(file.stem) - EPOCH.date()) // timedelta(days=1) for file in self._folder.glob(FILES)
        )

    def forget(self, day: int) -> None:
        """Close the file of a day."""
        if (connection := self._open.pop(day, None)) is not None:
            connection.close()

    def delete(self, day: int) -> None:
        """Delete the file of a day, whoever else reads it."""
        self.forget(day)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file(day)}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        for day in list(self._open):
            self.forget(day)

    def file(self, day: int) -> Path:
        return self._folder / f"{to_datetime(day * MILLISECONDS).date().isoformat()}.db"
