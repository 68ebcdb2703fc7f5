"""Keys, secrets and the names of namespaces in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.store.codec import encode
from engine.store.query import Where, queries
from engine.store.reader import Reader
from engine.store.repositories import TENANT
from engine.store.rows import Entry, NamespaceRow, SecretInfo
from engine.store.writer import Writer

SQL = queries("sqlite")


class Values:
    """Keys and their values."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, namespace: str, key: str) -> Entry | None:
        row = await self._reader.row(SQL["get_value"], _place(namespace, key))
        return None if row is None else Entry(*row)

    async def put(self, entry: Entry, overwrite: bool = True, keep: int = 0) -> bool:
        params = {
            **_place(entry.namespace, entry.key),
            "type": entry.type,
            "value": entry.value,
            "description": entry.description,
            "at": entry.updated,
            "expires": entry.expires,
            "overwrite": int(overwrite),
        }

        def work(connection: sqlite3.Connection) -> bool:
            if keep:
                connection.execute(SQL["keep_value"], params)
            stored = connection.execute(SQL["put_value"], params).fetchall()
            for (revision,) in stored:
                connection.execute(SQL["trim_values"], {**params, "revision": revision, "keep": keep})
            return bool(stored)

        return await self._writer.run(work)

    async def older(self, namespace: str, key: str) -> Sequence[Entry]:
        return [Entry(*row) for row in await self._reader.rows(SQL["older_values"], _place(namespace, key))]

    async def purge(self, keys: Sequence[tuple[str, str]], keep: int, before: int | None = None) -> int:
        def work(connection: sqlite3.Connection) -> int:
            purged = 0
            for namespace, key in keys:
                params = {**_place(namespace, key), "keep": keep, "before": before}
                purged += len(connection.execute(SQL["purge_revisions"], params).fetchall())
            return purged

        return await self._writer.run(work)

    async def list(self, namespace: str | None = None, prefix: str = "") -> Sequence[Entry]:
        where = Where().add("namespace", namespace)
        if prefix:
            where.add("key", prefix, ">=").add("key", f"{prefix}\uffff", "<")
        params = {"tenant": TENANT, **where.params}
        return [Entry(*row) for row in await self._reader.rows(where.fill(SQL["list_values"]), params)]

    async def delete(self, keys: Sequence[tuple[str, str]], expired: int | None = None) -> int:
        def work(connection: sqlite3.Connection) -> int:
            deleted = 0
            for namespace, key in keys:
                params = {**_place(namespace, key), "expired": expired}
                if connection.execute(SQL["delete_value"], params).fetchall():
                    connection.execute(SQL["delete_revisions"], params)
                    deleted += 1
            return deleted

        return await self._writer.run(work)


class Namespaces:
    """Namespaces that somebody made."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def put(self, id: str, description: str | None, at: int) -> None:
        params = {"tenant": TENANT, "id": id, "description": description, "at": at}
        await self._writer.execute(SQL["put_namespace"], params)

    async def list(self) -> Sequence[NamespaceRow]:
        rows = await self._reader.rows(SQL["list_namespaces"], {"tenant": TENANT})
        return [NamespaceRow(*row) for row in rows]

    async def delete(self, id: str) -> bool:
        return bool(await self._writer.execute(SQL["delete_namespace"], {"tenant": TENANT, "id": id}))


class Secrets:
    """Encrypted secrets."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def put(self, namespace: str, key: str, sealed: str, at: int, description: str | None = None) -> None:
        params = {**_place(namespace, key), "sealed": sealed, "at": at, "description": description}
        await self._writer.execute(SQL["put_secret"], params)

    async def find(self, namespaces: Sequence[str], key: str) -> str | None:
        params = {"tenant": TENANT, "namespaces": encode(namespaces), "key": key}
        row = await self._reader.row(SQL["find_secret"], params)
        return None if row is None else str(row[0])

    async def list(self, namespace: str | None = None) -> Sequence[SecretInfo]:
        where = Where().add("namespace", namespace)
        params = {"tenant": TENANT, **where.params}
        return [SecretInfo(*row) for row in await self._reader.rows(where.fill(SQL["list_secrets"]), params)]

    async def delete(self, namespace: str, key: str) -> bool:
        return bool(await self._writer.execute(SQL["delete_secret"], _place(namespace, key)))


def _place(namespace: str, key: str) -> dict[str, object]:
    return {"tenant": TENANT, "namespace": namespace, "key": key}
