"""Keys of namespaces and their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from engine.api.filterable import KV
from engine.api.filters import condition_of, narrowed
from engine.api.paging import Paged, page_of
from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Page, Shape
from engine.clock import iso
from engine.durations import parse_duration
from engine.errors import Expired, NotFound
from engine.expressions.ion import IonError, loads
from engine.runtime.engine import Engine
from engine.runtime.keeping.keys import checked, stored, with_parents
from engine.runtime.keeping.namespaces import valid
from engine.state.sealed import covered
from engine.store.matching import holds
from engine.store.rows import Entry

TEXT = "text/plain"
ORDER = {
    "key": "key",
    "namespace": "namespace",
    "creationDate": "created",
    "updateDate": "updated",
    "updated": "updated",
    "expirationDate": "expires",
    "version": "revision",
}


class KeyShape(Shape, frozen=True):
    """A key without its value."""

    namespace: str
    key: str
    version: int
    revision: int
    creation_date: str
    update_date: str
    description: str | None = None
    expiration_date: str | None = None


class ValueShape(Shape, frozen=True, omit_defaults=False):
    """`type`: STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON; a value that holds a secret is covered."""

    type: str
    value: Any
    revision: int
    updated: str


class KeyNames(Shape, frozen=True, omit_defaults=False):
    keys: list[str]


class NoValue(NotFound):
    """A namespace has no such key."""

    def __init__(self, namespace: str, key: str) -> None:
        super().__init__("key", key)
        self.args = (f"No value found for key '{key}' in namespace '{namespace}'",)


class Keys:
    """Read, set and delete keys."""

    def __init__(self, engine: Engine) -> None:
        self._keys = engine.keys

    def routes(self) -> Iterable[Route]:
        of, one = "/namespaces/{namespace}/kv", "/namespaces/{namespace}/kv/{key}"
        yield Route("GET", "/kv", self.all, "Search keys", Page[KeyShape], query=Paged, filters=KV)
        yield Route("GET", of, self.of_namespace, "Keys of a namespace", list[KeyShape])
        yield Route("GET", f"{of}/inheritance", self.inherited, "Keys of the namespaces above", list[KeyShape])
        yield Route("DELETE", of, self.delete_several, "Delete keys", KeyNames, body=KeyNames, role=Role.EDITOR)
        yield Route("GET", one, self.one, "The value of a key", ValueShape)
        yield Route("PUT", one, self.set, "Set the value of a key", web.Response, body=TEXT, role=Role.EDITOR)
        yield Route("DELETE", one, self.delete, "Delete a key; whether there was one", bool, role=Role.EDITOR)

    async def all(self, call: Call) -> Page[KeyShape]:
        where = narrowed(condition_of(call.request.query, KV), call.namespaces)
        entries = await self._keys.list()
        if where is not None:
            entries = [entry for entry in entries if holds(where, _values(entry))]
        page = page_of(entries, call.query(Paged), ORDER, getattr)
        return Page(_shown(page.results), page.total)

    async def of_namespace(self, call: Call) -> list[KeyShape]:
        return _shown(await self._keys.list(valid(call.path["namespace"])))

    async def inherited(self, call: Call) -> list[KeyShape]:
        """Keys that flows of the namespace read from those above it, the nearest first; none that a nearer one has."""
        own, *above = with_parents(valid(call.path["namespace"]))
        taken = {entry.key for entry in await self._keys.list(own)}
        found: list[Entry] = []
        for namespace in above:
            entries = [entry for entry in await self._keys.list(namespace) if entry.key not in taken]
            found += entries
            taken.update(entry.key for entry in entries)
        return _shown(found)

    async def one(self, call: Call) -> ValueShape:
        namespace, key = _place(call)
        try:
            entry = await self._keys.get(namespace, key)
        except Expired:
            # Clients look for these words alone.
            raise Expired("The requested value has expired") from None
        if entry is None:
            raise NoValue(namespace, key)
        return ValueShape(entry.type, covered(stored(entry)), entry.revision, iso(entry.updated))

    async def set(self, call: Call) -> web.Response:
        """The body is JSON or Ion; headers: `ttl`, a duration after which the value is gone, and `description`."""
        namespace, key = _place(call)
        try:
            value = loads(await call.text())
        except IonError as error:
            raise Illegal(f"the value must be JSON or Ion, where a text stands in quotes: {error}") from None
        headers = call.request.headers
        await self._keys.set(
            namespace, key, value, ttl=_lifetime(headers.get("ttl")), description=headers.get("description")
        )
        return web.Response()

    async def delete(self, call: Call) -> bool:
        return await self._keys.delete(*_place(call))

    async def delete_several(self, call: Call) -> KeyNames:
        asked: KeyNames = await call.json(KeyNames)
        namespace = valid(call.path["namespace"])
        names = [checked(key) for key in asked.keys]
        return KeyNames([key for key in names if await self._keys.delete(namespace, key)])


def _values(entry: Entry) -> dict[str, Any]:
    return {"namespace": entry.namespace, "words": (entry.namespace, entry.key), "updated": entry.updated}


def _place(call: Call) -> tuple[str, str]:
    return valid(call.path["namespace"]), checked(call.path["key"])


def _shown(entries: Sequence[Entry]) -> list[KeyShape]:
    return [
        KeyShape(
            namespace=entry.namespace,
            key=entry.key,
            version=entry.revision,
            revision=entry.revision,
            creation_date=iso(entry.created),
            update_date=iso(entry.updated),
            description=entry.description,
            expiration_date=None if entry.expires is None else iso(entry.expires),
        )
        for entry in entries
    ]


def _lifetime(ttl: str | None) -> int | None:
    if ttl is None:
        return None
    try:
        milliseconds = parse_duration(ttl)
    except ValueError as error:
        raise Illegal(f"the header ttl {error}") from None
    if milliseconds <= 0:
        raise Illegal(f"the header ttl must be longer than nothing, but is '{ttl}'")
    return milliseconds
