"""Stored templates: tasks that flows name by `core.flow.Template`. Files of internal storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from engine.definition.diagnostic import Diagnostic
from engine.definition.document import read_yaml
from engine.definition.load import load_flow
from engine.definition.rules import Rules, TemplateId
from engine.errors import InvalidFlow, NotFound
from engine.files.protocol import InternalStorage
from engine.plugin.index import Index

FOLDER = "kestra:///_templates"
DEPTH = 10
PROPERTIES = ("id", "namespace", "description", "tasks", "errors", "finally")


class Stored(NamedTuple):
    """A stored template."""

    namespace: str
    id: str
    source: str


class Templates:
    """Stores templates, lists them and finds those that a flow names."""

    def __init__(self, files: InternalStorage, index: Index) -> None:
        self._files = files
        self._index = index

    async def apply(self, source: str, file: str | None = None) -> TemplateId:
        """Store a template in the place of the one of its name. Raises InvalidFlow with every mistake."""
        raw = read_yaml(source).value
        for name in raw if isinstance(raw, dict) else ():
            if name not in PROPERTIES:
                text = f'Unrecognized field "{name}", a template takes {", ".join(PROPERTIES)}'
                raise InvalidFlow([Diagnostic(text, 1, 1, "unknown-property", file=file)])
        # A template is a flow that has nothing but tasks.
        flow = load_flow(source, file=file, index=self._index, rules=Rules(templates_enabled=True)).flow
        await self._files.put(_address(flow.namespace, flow.id), source.encode())
        return flow.namespace, flow.id

    async def list(self) -> list[Stored]:
        """Every template, by namespace and id."""
        found = []
        for info in await self._files.list(f"{FOLDER}/"):
            *_, namespace, name = info.address.split("/")
            found.append(Stored(namespace, name.removesuffix(".yaml"), await self._read(info.address)))
        return sorted(found)

    async def delete(self, namespace: str, id: str) -> None:
        """Forget a template. Raises NotFound."""
        if not await self._files.delete(_address(namespace, id)):
            raise NotFound("template", f"{namespace}.{id}")

    async def find(self, wanted: Iterable[TemplateId]) -> dict[TemplateId, Mapping[str, Any] | None]:
        """Templates with all that they name themselves; None for what isn't there."""
        found: dict[TemplateId, Mapping[str, Any] | None] = {}
        todo = set(wanted)
        for _ in range(DEPTH):
            for name in todo - found.keys():
                try:
                    value = read_yaml(await self._read(_address(*name))).value
                except NotFound:
                    value = None
                found[name] = value if isinstance(value, dict) else None
            todo = {name for value in found.values() if value for name in _named(value)} - found.keys()
            if not todo:
                break
        return {**dict.fromkeys(todo, None), **found}

    async def _read(self, address: str) -> str:
        return b"".join([chunk async for chunk in self._files.read(address)]).decode()


def _named(value: Any) -> set[TemplateId]:
    """Names of templates in the tasks of another."""
    if isinstance(value, dict):
        names = {"namespace", "templateId"} <= value.keys()
        own = {(str(value["namespace"]), str(value["templateId"]))} if names else set()
        return own.union(*(_named(item) for item in value.values()))
    return set().union(*(_named(item) for item in value)) if isinstance(value, list) else set()


def _address(namespace: str, id: str) -> str:
    return f"{FOLDER}/{namespace}/{id}.yaml"
