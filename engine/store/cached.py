"""Outputs of tasks that are used again, in SQLite."""

from __future__ import annotations

from engine.store.query import queries
from engine.store.reader import Reader
from engine.store.repositories import TENANT
from engine.store.writer import Writer

SQL = queries("sqlite")

# That something was used is noted no more often.
NOTED_AFTER = 86_400_000


class Cached:
    """Outputs by the hash of all that they depend on."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, key: str, at: int) -> str | None:
        params = {"tenant": TENANT, "key": key, "at": at}
        row = await self._reader.row(SQL["get_cached"], params)
        if row is None:
            return None
        if int(row[1]) < at - NOTED_AFTER:
            await self._writer.execute(SQL["use_cached"], params)
        return str(row[0])

    async def put(self, key: str, outputs: str, at: int, expires: int | None) -> None:
        params = {"tenant": TENANT, "key": key, "outputs": outputs, "at": at, "expires": expires}
        await self._writer.execute(SQL["put_cached"], params)

    async def purge(self, at: int, unused: int) -> int:
        return len(await self._writer.execute(SQL["purge_cached"], {"at": at, "unused": unused}))
