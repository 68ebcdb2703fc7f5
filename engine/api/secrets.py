"""Secrets of namespaces. Their values go in and are never answered."""

from __future__ import annotations

from collections.abc import Iterable

from engine.api.filters import narrowed
from engine.api.paging import Paged, page_of
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Page, Shape
from engine.clock import iso
from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.runtime.keys import with_parents
from engine.runtime.namespaces import valid
from engine.runtime.secrets import EVERYWHERE, of_environment
from engine.store.matching import holds
from engine.store.rows import SecretInfo

ORDER = {"key": "key", "namespace": "namespace", "updateDate": "updated"}


class SecretQuery(Paged, frozen=True):
    """q: a part of the name"""

    q: str = ""
    namespace: str | None = None


class SecretShape(Shape, frozen=True):
    """What may be told of a secret."""

    key: str
    namespace: str | None = None
    description: str | None = None
    update_date: str | None = None


class SecretValue(Shape, frozen=True):
    """A secret to be stored."""

    key: str
    value: str
    description: str | None = None


class Secrets:
    """Names of secrets; set and delete them."""

    def __init__(self, engine: Engine) -> None:
        self._secrets = engine.secrets

    def routes(self) -> Iterable[Route]:
        of = "/namespaces/{namespace}/secrets"
        yield Route("GET", "/secrets", self.all, "Names of secrets", Page[SecretShape], query=SecretQuery)
        yield Route(
            "GET", of, self.of_namespace, "Names of a namespace's secrets", Page[SecretShape], query=SecretQuery
        )
        yield Route(
            "GET",
            "/namespaces/{namespace}/inherited-secrets",
            self.inherited,
            "Names of the secrets that flows of a namespace see, by namespace; the empty one holds those of all",
            dict[str, list[str]],
        )
        yield Route("PUT", of, self.set, "Store a secret", body=SecretValue, role=Role.ADMIN)
        yield Route("DELETE", f"{of}/{{key}}", self.delete, "Delete a secret", role=Role.ADMIN)

    async def all(self, call: Call) -> Page[SecretShape]:
        query, where = call.query(SecretQuery), narrowed(None, call.namespaces)
        found = await self._secrets.list(query.namespace)
        seen = [info for info in found if where is None or holds(where, {"namespace": info.namespace})]
        return _page(seen, query)

    async def of_namespace(self, call: Call) -> Page[SecretShape]:
        return _page(await self._secrets.list(valid(call.path["namespace"])), call.query(SecretQuery))

    async def inherited(self, call: Call) -> dict[str, list[str]]:
        places = [*with_parents(valid(call.path["namespace"])), EVERYWHERE]
        found = {name: [info.key for info in await self._secrets.list(name)] for name in places}
        found[EVERYWHERE] = sorted({*found[EVERYWHERE], *of_environment()})
        return {name: keys for name, keys in found.items() if keys}

    async def set(self, call: Call) -> None:
        secret: SecretValue = await call.json(SecretValue)
        namespace = valid(call.path["namespace"])
        await self._secrets.set(secret.key, secret.value, namespace, secret.description)

    async def delete(self, call: Call) -> None:
        namespace, key = valid(call.path["namespace"]), call.path["key"]
        if not await self._secrets.delete(key, namespace):
            raise NotFound("secret", key, f"the namespace '{namespace}' has none of that name")


def _page(found: Iterable[SecretInfo], query: SecretQuery) -> Page[SecretShape]:
    named = [info for info in found if query.q.lower() in info.key.lower()]
    page = page_of(named, query, ORDER, getattr)
    return Page([_shown(info) for info in page.results], page.total)


def _shown(info: SecretInfo) -> SecretShape:
    return SecretShape(info.key, info.namespace, info.description, iso(info.updated))
