"""Secrets of namespaces. Their values go in and are never answered."""

from __future__ import annotations

from collections.abc import Iterable

from engine.api.filterable import SECRET
from engine.api.filters import condition_of, narrowed
from engine.api.paging import Paged, page_of
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Shape
from engine.clock import iso
from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.runtime.keeping.keys import with_parents
from engine.runtime.keeping.namespaces import valid
from engine.runtime.keeping.secrets import EVERYWHERE, of_environment
from engine.store.matching import holds
from engine.store.rows import SecretInfo

ORDER = {"key": "key", "namespace": "namespace", "updateDate": "updated"}


class SecretShape(Shape, frozen=True):
    """What may be told of a secret."""

    key: str
    namespace: str | None = None
    description: str | None = None
    update_date: str | None = None


class SecretsShape(Shape, frozen=True, omit_defaults=False):
    """Part of a list and how long all of it is."""

    results: list[SecretShape]
    total: int
    read_only: bool = False


class SecretValue(Shape, frozen=True):
    """A secret to be stored."""

    key: str
    value: str
    description: str | None = None


class SecretChange(Shape, frozen=True):
    """What may be changed of a secret without its value."""

    description: str | None = None


class Secrets:
    """Names of secrets; set and delete them."""

    def __init__(self, engine: Engine) -> None:
        self._secrets = engine.secrets

    def routes(self) -> Iterable[Route]:
        of = "/namespaces/{namespace}/secrets"
        yield Route("GET", "/secrets", self.all, "Names of secrets", SecretsShape, query=Paged, filters=SECRET)
        yield Route(
            "GET", of, self.of_namespace, "Names of a namespace's secrets", SecretsShape, query=Paged, filters=SECRET
        )
        yield Route(
            "GET",
            "/namespaces/{namespace}/inherited-secrets",
            self.inherited,
            "Names of the secrets that flows of a namespace see, by namespace; the empty one holds those of all",
            dict[str, list[str]],
        )
        yield Route("PUT", of, self.set, "Store a secret", list[SecretShape], body=SecretValue, role=Role.ADMIN)
        yield Route(
            "PATCH",
            f"{of}/{{key}}",
            self.describe,
            "Describe a secret",
            list[SecretShape],
            body=SecretChange,
            role=Role.ADMIN,
        )
        yield Route("DELETE", f"{of}/{{key}}", self.delete, "Delete a secret", role=Role.ADMIN)

    async def all(self, call: Call) -> SecretsShape:
        return _page(call, await self._secrets.list())

    async def of_namespace(self, call: Call) -> SecretsShape:
        return _page(call, await self._secrets.list(valid(call.path["namespace"])))

    async def inherited(self, call: Call) -> dict[str, list[str]]:
        places = [*with_parents(valid(call.path["namespace"])), EVERYWHERE]
        found = {name: [info.key for info in await self._secrets.list(name)] for name in places}
        found[EVERYWHERE] = sorted({*found[EVERYWHERE], *of_environment()})
        return {name: keys for name, keys in found.items() if keys}

    async def set(self, call: Call) -> list[SecretShape]:
        secret: SecretValue = await call.json(SecretValue)
        namespace = valid(call.path["namespace"])
        await self._secrets.set(secret.key, secret.value, namespace, secret.description)
        return [_shown(info) for info in await self._secrets.list(namespace)]

    async def describe(self, call: Call) -> list[SecretShape]:
        change: SecretChange = await call.json(SecretChange)
        namespace, key = valid(call.path["namespace"]), call.path["key"]
        if not await self._secrets.describe(key, change.description or "", namespace):
            raise _missing(namespace, key)
        return [_shown(info) for info in await self._secrets.list(namespace)]

    async def delete(self, call: Call) -> None:
        namespace, key = valid(call.path["namespace"]), call.path["key"]
        if not await self._secrets.delete(key, namespace):
            raise _missing(namespace, key)


def _missing(namespace: str, key: str) -> NotFound:
    return NotFound("secret", key, f"the namespace '{namespace}' has none of that name")


def _page(call: Call, found: Iterable[SecretInfo]) -> SecretsShape:
    where = narrowed(condition_of(call.request.query, SECRET), call.namespaces)
    if where is not None:
        found = [info for info in found if holds(where, {"namespace": info.namespace, "words": (info.key,)})]
    page = page_of(list(found), call.query(Paged), ORDER, getattr)
    return SecretsShape([_shown(info) for info in page.results], page.total)


def _shown(info: SecretInfo) -> SecretShape:
    return SecretShape(info.key, info.namespace, info.description, iso(info.updated))
