"""Users, their roles, what stands for them, and what they did, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec

from engine.store.query import Where, queries
from engine.store.reader import Reader
from engine.store.rows import Account, AuditEntry, AuditFilter, Token
from engine.store.writer import Writer

SQL = queries("sqlite")


class Accounts:
    """Users and their roles."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def any(self) -> bool:
        return await self._reader.row(SQL["any_account"], {}) is not None

    async def add(self, account: Account, first: bool = False) -> bool:
        params = {"name": account.name, "password": account.password, "at": account.created, "first": int(first)}

        def work(connection: sqlite3.Connection) -> bool:
            added = bool(connection.execute(SQL["add_account"], params).fetchall())
            if added:
                _set_roles(connection, account.name, account.roles)
            return added

        return await self._writer.run(work)

    async def list(self, name: str | None = None) -> Sequence[Account]:
        rows = await self._reader.rows(SQL["list_accounts"], {"name": name})
        return [
            Account(name, password, created, updated, {row[4]: row[5] for row in held if row[5] is not None})
            for (name, password, created, updated), held in groupby(rows, key=lambda row: tuple(row[:4]))
        ]

    async def set_password(self, name: str, password: str, at: int) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            found = connection.execute(SQL["set_password"], {"name": name, "password": password, "at": at}).fetchall()
            connection.execute(SQL["delete_tokens"], {"account": name, "kind": "SESSION"})
            return bool(found)

        return await self._writer.run(work)

    async def set_roles(self, name: str, roles: Mapping[str, int], at: int, whole: bool = False) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            found = bool(connection.execute(SQL["touch_account"], {"name": name, "at": at}).fetchall())
            if found and whole:
                connection.execute(SQL["delete_roles"], {"name": name})
            if found:
                _set_roles(connection, name, roles)
            return found

        return await self._writer.run(work)

    async def remove(self, name: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(SQL["delete_tokens"], {"account": name, "kind": None})
            connection.execute(SQL["delete_roles"], {"name": name})
            return bool(connection.execute(SQL["delete_account"], {"name": name}).fetchall())

        return await self._writer.run(work)


class Tokens:
    """API tokens and sessions."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def add(self, token: Token, hash: str) -> bool:
        params = {**msgspec.structs.asdict(token), "token": token.name, "hash": hash}
        return bool(await self._writer.execute(SQL["add_token"], params))

    async def find(self, hash: str) -> Token | None:
        row = await self._reader.row(SQL["find_token"], {"hash": hash})
        return None if row is None else Token(*row)

    async def list(self, account: str | None = None) -> Sequence[Token]:
        where = Where().add("account", account)
        return [Token(*row) for row in await self._reader.rows(where.fill(SQL["list_tokens"]), where.params)]

    async def delete(self, account: str, id: str) -> bool:
        return bool(await self._writer.execute(SQL["delete_token"], {"account": account, "id": id}))

    async def purge(self, at: int) -> int:
        return len(await self._writer.execute(SQL["purge_tokens"], {"at": at}))


class Audit:
    """Who changed what."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        rows = [msgspec.structs.asdict(entry) for entry in entries]
        await self._writer.run(lambda connection: connection.executemany(SQL["add_audit"], rows))

    async def list(self, where: AuditFilter) -> Sequence[AuditEntry]:
        conditions = _conditions(where)
        params = {**conditions.params, "limit": where.limit, "offset": where.offset}
        rows = await self._reader.rows(conditions.fill(SQL["list_audit"]), params)
        return [AuditEntry(*row) for row in rows]

    async def count(self, where: AuditFilter) -> int:
        conditions = _conditions(where)
        return int((await self._reader.row(conditions.fill(SQL["count_audit"]), conditions.params))[0])

    async def purge(self, before: int) -> int:
        return len(await self._writer.execute(SQL["purge_audit"], {"before": before}))


def _conditions(where: AuditFilter) -> Where:
    conditions = Where().add("account", where.user).below("namespace", where.below).add("target", where.target)
    return conditions.add("at", where.since, ">=").add("at", where.until, "<")


def _set_roles(connection: sqlite3.Connection, name: str, roles: Mapping[str, int]) -> None:
    for namespace, role in roles.items():
        query = "put_role" if role else "delete_role"
        connection.execute(SQL[query], {"name": name, "namespace": namespace, "role": role})
