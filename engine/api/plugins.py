"""The installed plugins: their types with documentation and schemas, and the names that templates know."""

from __future__ import annotations

import typing
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from html import escape
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import msgspec
from aiohttp import web

from engine import __version__
from engine.api.paging import Paged, page_of
from engine.api.routing import Call, Role, Route, encode
from engine.api.shapes import Page, Shape
from engine.definition.declared import InputType
from engine.definition.schema import KINDS, input_schema, part_schema
from engine.errors import NotFound
from engine.expressions.registry import FILTERS, FUNCTIONS, load
from engine.plugin.describe import Described, Property, describe, property_schema
from engine.plugin.index import FAMILY, Index
from engine.runtime.engine import Engine

T = TypeVar("T")
INPUTS = "io.kestra.core.models.flows.input."
BRANCHES = {"task": "tasks", "block": "tasks", "trigger": "triggers", "task runner": "task_runners"}
COLORS = {"task": "#5b6ee1", "block": "#7d4fd8", "trigger": "#d8852b", "task runner": "#2f9e6e", "plugin": "#5a6270"}
HOUR = {"Cache-Control": "private, max-age=3600"}


class TypeShape(Shape, frozen=True, omit_defaults=False):
    cls: str
    title: str
    deprecated: bool = False


class PluginShape(Shape, frozen=True, omit_defaults=False):
    """The types of one front."""

    name: str
    title: str
    group: str
    version: str
    tasks: list[TypeShape]
    triggers: list[TypeShape]
    conditions: list[TypeShape]
    task_runners: list[TypeShape]


class IconShape(Shape, frozen=True, omit_defaults=False):
    """`icon` is an SVG in base64."""

    name: str
    icon: str
    flowable: bool


class InputTypeShape(Shape, frozen=True):
    type: str
    cls: str


class DocumentationShape(Shape, frozen=True, omit_defaults=False):
    """`markdown` for people; `schema` has `properties`, `outputs` and `definitions`."""

    markdown: str
    schema: dict[str, Any]


class VersionsShape(Shape, frozen=True):
    type: str
    versions: list[str]


class SchemaQuery(msgspec.Struct, frozen=True, rename="camel"):
    """arrayOf: the schema of a list of them"""

    array_of: bool = False


class Plugins:
    """Types of tasks, triggers and inputs, filters and functions of templates."""

    def __init__(self, engine: Engine) -> None:
        self._catalog = Catalog(engine.plugins)
        self._lock = anyio.Lock()

    def routes(self) -> Iterable[Route]:
        of = "/plugins"
        yield Route("GET", of, self.all, "The installed types by their fronts", Page[PluginShape], query=Paged)
        groups = (f"{of}/groups",)
        yield Route("GET", f"{of}/groups/subgroups", self.groups, "The same, all", list[PluginShape], old=groups)
        yield Route("GET", f"{of}/triggers", self.triggers, "Types of triggers", list[TypeShape])
        yield Route("GET", f"{of}/icons", self.icons, "Icons of types", dict[str, IconShape])
        yield Route("GET", f"{of}/icons/groups", self.group_icons, "Icons of fronts", dict[str, IconShape])
        yield Route("GET", f"{of}/icons/{{cls}}", self.icon, "The icon of a type", IconShape)
        yield Route("GET", f"{of}/icons/{{cls}}/icon.svg", self.svg, "The same as SVG", bytes)
        yield Route("GET", f"{of}/inputs", self.inputs, "Types of inputs", list[InputTypeShape])
        yield Route("GET", f"{of}/inputs/{{type}}", self.input, "JSON Schema of a type of input", dict[str, Any])
        yield Route(
            "GET",
            f"{of}/schemas/{{kind}}",
            self.schema,
            "JSON Schema of flow, task, trigger, plugindefault or input",
            dict[str, Any],
            query=SchemaQuery,
        )
        yield Route("GET", f"{of}/properties/{{kind}}", self.properties, "Properties of the same", dict[str, Any])
        yield Route("GET", f"{of}/{{cls}}", self.one, "Documentation of a type", DocumentationShape)
        yield Route("GET", f"{of}/{{cls}}/versions", self.versions, "Versions of a type", VersionsShape)
        yield Route("GET", f"{of}/{{cls}}/versions/{{version}}", self.one, "Its documentation", DocumentationShape)
        yield Route("GET", "/pebble/filters", self.filters, "Filters of templates", list[str], role=Role.NOBODY)
        yield Route("GET", "/pebble/functions", self.functions, "Functions of templates", list[str], role=Role.NOBODY)

    async def all(self, call: Call) -> Page[PluginShape]:
        fronts = await self._ask(lambda: self._catalog.fronts)
        return page_of(fronts, call.query(Paged), {"name": "name", "group": "group"}, getattr)

    async def groups(self, call: Call) -> list[PluginShape]:
        return await self._ask(lambda: self._catalog.fronts)

    async def triggers(self, call: Call) -> list[TypeShape]:
        return [it for front in await self.groups(call) for it in front.triggers]

    async def icons(self, call: Call) -> dict[str, IconShape]:
        return await self._ask(lambda: {name: _icon(it) for name, it in self._catalog.described.items()})

    async def group_icons(self, call: Call) -> dict[str, IconShape]:
        return {
            it.group: IconShape(it.name, _encoded(_svg(it.name, "plugin")), False) for it in await self.groups(call)
        }

    async def icon(self, call: Call) -> IconShape:
        return _icon(await self._described(call))

    async def svg(self, call: Call) -> web.Response:
        described = await self._described(call)
        text = _svg(described.short, described.kind)
        return web.Response(
            text=text, content_type="image/svg+xml", headers={**HOUR, "Content-Security-Policy": "sandbox"}
        )

    async def inputs(self, call: Call) -> list[InputTypeShape]:
        return [InputTypeShape(type, _input_class(type)) for type in typing.get_args(InputType)]

    async def input(self, call: Call) -> dict[str, Any]:
        wanted = call.path["type"]
        for type in typing.get_args(InputType):
            if wanted.upper() == type or wanted == _input_class(type):
                return input_schema(type)
        raise NotFound("type of input", wanted, f"those are {', '.join(typing.get_args(InputType))}")

    async def schema(self, call: Call) -> web.Response:
        schema = await self._schema(call.path["kind"], call.query(SchemaQuery).array_of)
        return web.Response(body=schema, content_type="application/json", headers=HOUR)

    async def properties(self, call: Call) -> dict[str, Any]:
        kind = call.path["kind"]
        definitions = msgspec.json.decode(await self._schema(kind, False))["definitions"]
        own = definitions[kind]
        while "$ref" in own:
            own = definitions[own["$ref"].rpartition("/")[2]]
        common = definitions.get(f"{kind}Fields", {}).get("properties", {})
        return {"properties": {**common, **own["properties"]}, "required": own.get("required", [])}

    async def one(self, call: Call) -> DocumentationShape:
        if (version := call.path.get("version", __version__)) != __version__:
            raise NotFound("version", version, f"{__version__} is installed")
        described = await self._described(call)
        return await self._ask(lambda: self._catalog.documentation(described))

    async def versions(self, call: Call) -> VersionsShape:
        return VersionsShape((await self._described(call)).type, [__version__])

    async def filters(self, call: Call) -> list[str]:
        load()
        return sorted(FILTERS)

    async def functions(self, call: Call) -> list[str]:
        load()
        return sorted(FUNCTIONS)

    async def _described(self, call: Call) -> Described:
        return await self._ask(lambda: self._catalog.find(call.path["cls"]))

    async def _schema(self, kind: str, several: bool) -> bytes:
        if kind not in KINDS:
            raise NotFound("schema", kind, f"there are those of {', '.join(KINDS)}")
        return await self._ask(lambda: self._catalog.schema(kind, several))

    async def _ask(self, work: Callable[[], T]) -> T:
        """Ask the catalog in a thread: the first time it reads all plugins."""
        async with self._lock:
            return await anyio.to_thread.run_sync(work)


class Catalog:
    """What is known of the installed types; all of it is read when it is first asked for."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._schemas: dict[tuple[str, bool], bytes] = {}

    @cached_property
    def described(self) -> Mapping[str, Described]:
        return {name: describe(name, plugin) for name, plugin in self._index.all().items()}

    @cached_property
    def fronts(self) -> list[PluginShape]:
        found: dict[str, PluginShape] = {}
        for name, described in self.described.items():
            group = name.rpartition(".")[0]
            front = group.removeprefix(FAMILY)
            shape = found.setdefault(group, PluginShape(front, front, group, __version__, [], [], [], []))
            branch: list[TypeShape] = getattr(shape, BRANCHES.get(described.kind, "conditions"))
            branch.append(TypeShape(name, described.title))
        return [found[group] for group in sorted(found)]

    def find(self, type: str) -> Described:
        """Raises NotFound with near matches."""
        name = self._index.canonical(type)
        plugin = self._index.find(type)
        return self.described.get(name) or describe(name, plugin)

    def schema(self, kind: str, several: bool) -> bytes:
        if (kind, several) not in self._schemas:
            self._schemas[kind, several] = encode(part_schema(self._index, kind, several=several))
        return self._schemas[kind, several]

    def documentation(self, described: Described) -> DocumentationShape:
        own = property_schema(self._index.find(described.type))
        definitions = own.pop("$defs", {})
        own["properties"] = {
            name: {**value, "$required": name in own.get("required", ())}
            for name, value in own.get("properties", {}).items()
        }
        outputs = {
            "properties": {it.name: {"type": it.type, "description": it.description} for it in described.outputs or ()}
        }
        return DocumentationShape(
            _markdown(described), {"properties": own, "outputs": outputs, "definitions": definitions}
        )


def _markdown(described: Described) -> str:
    parts = [f"# {described.short}", described.title, described.text]
    parts += ["## Properties", *(_line(it) for it in described.properties)] if described.properties else []
    parts += ["## Outputs", *(_line(it) for it in described.outputs)] if described.outputs else []
    return "\n\n".join(part for part in parts if part)


def _line(it: Property) -> str:
    required = ", required" if it.required else ""
    return f"- `{it.name}` ({it.type}{required}): {it.description}".rstrip(": ")


def _input_class(type: str) -> str:
    return f"{INPUTS}{type.capitalize()}Input"


def _icon(described: Described) -> IconShape:
    name = described.short.rpartition(".")[2]
    return IconShape(name, _encoded(_svg(described.short, described.kind)), described.kind == "block")


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _svg(name: str, kind: str) -> str:
    """A square in the color of a kind, with the first letters of a name."""
    word = name.rpartition(".")[2]
    capitals = "".join(letter for letter in word if letter.isupper())
    letters = escape((capitals or word.capitalize())[:2])
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
        f'fill="{COLORS[kind]}"/><text x="16" y="21" font-family="sans-serif" font-size="14" font-weight="600" '
        f'text-anchor="middle" fill="#fff">{letters}</text></svg>'
    )
