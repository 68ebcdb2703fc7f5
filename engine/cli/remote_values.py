"""Keys and secrets of a server's namespaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from engine.cli.http import Http
from engine.clock import to_millis
from engine.durations import duration_text
from engine.errors import NotFound, Refused
from engine.store.rows import Entry, SecretInfo

PAGE = 500
# Of these a text without quotes is the value itself.
BARE = frozenset({"DATE", "DATETIME"})


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    namespace: str
    key: str
    revision: int
    creation_date: datetime
    update_date: datetime
    description: str | None = None
    expiration_date: datetime | None = None


class _Value(msgspec.Struct, frozen=True):
    type: str
    value: Any


class _Secret(msgspec.Struct, frozen=True, rename="camel"):
    key: str
    namespace: str = ""
    description: str | None = None
    update_date: datetime | None = None


class _Page(msgspec.Struct, frozen=True):
    results: list[Any]


class RemoteKeys:
    """Keys of a server."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self, namespace: str | None = None, prefix: str = "") -> Sequence[Entry]:
        keys = await self._all() if namespace is None else await self._of(namespace)
        return [await self._entry(key) for key in keys if key.key.startswith(prefix)]

    async def revisions(self, namespace: str, key: str) -> Sequence[Entry]:
        """The value of now alone: a server doesn't show those before."""
        return [await self._entry(found) for found in await self._of(namespace) if found.key == key]

    async def set(
        self,
        namespace: str,
        key: str,
        value: Any,
        *,
        type: str | None = None,
        ttl: int | None = None,
        description: str | None = None,
    ) -> None:
        bare = type in BARE and isinstance(value, str)
        body = value.encode() if bare else msgspec.json.encode(str(value) if type == "STRING" else value)
        given = {"ttl": None if ttl is None else duration_text(ttl), "description": description}
        headers = {name: text for name, text in given.items() if text is not None} | {"Content-Type": "text/plain"}
        await self._http.do("PUT", f"/main/namespaces/{namespace}/kv/{key}", data=body, headers=headers)

    async def delete(self, namespace: str, key: str) -> bool:
        return await self._http.ask("DELETE", f"/main/namespaces/{namespace}/kv/{key}", bool)

    async def _of(self, namespace: str) -> Sequence[_Key]:
        return await self._http.ask("GET", f"/main/namespaces/{namespace}/kv", list[_Key])

    async def _all(self) -> Sequence[_Key]:
        return msgspec.convert(await pages(self._http, "/main/kv", {"sort": "key:asc"}), list[_Key], strict=False)

    async def _entry(self, key: _Key) -> Entry:
        found = await self._http.ask("GET", f"/main/namespaces/{key.namespace}/kv/{key.key}", _Value)
        return Entry(
            namespace=key.namespace,
            key=key.key,
            type=found.type,
            value=msgspec.json.encode(found.value).decode(),
            description=key.description,
            created=to_millis(key.creation_date),
            updated=to_millis(key.update_date),
            expires=None if key.expiration_date is None else to_millis(key.expiration_date),
            revision=key.revision,
        )


class RemoteSecrets:
    """Secrets of a server."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self, namespace: str | None = None) -> Sequence[SecretInfo]:
        path = "/main/secrets" if namespace is None else f"/main/namespaces/{namespace}/secrets"
        found = msgspec.convert(await pages(self._http, path, {}), list[_Secret], strict=False)
        return [
            SecretInfo(one.namespace, one.key, one.description, 0, to_millis(one.update_date) if one.update_date else 0)
            for one in found
        ]

    async def set(self, key: str, value: str, namespace: str = "", description: str | None = None) -> None:
        body = {"key": key, "value": value} | ({} if description is None else {"description": description})
        await self._http.do("PUT", f"/main/namespaces/{_named(namespace)}/secrets", json=body)

    async def delete(self, key: str, namespace: str = "") -> bool:
        try:
            await self._http.do("DELETE", f"/main/namespaces/{_named(namespace)}/secrets/{key}")
        except NotFound:
            return False
        return True


async def pages(http: Http, path: str, query: Mapping[str, str]) -> list[Any]:
    """A whole list that a server gives by pages."""
    found: list[Any] = []
    while True:
        asked = {**query, "page": str(len(found) // PAGE + 1), "size": str(PAGE)}
        page = (await http.ask("GET", path, _Page, query=asked)).results
        found += page
        if len(page) < PAGE:
            return found


def _named(namespace: str) -> str:
    if not namespace:
        raise Refused("On a server a secret belongs to a namespace: say -n NAMESPACE; those below it see it too")
    return namespace
