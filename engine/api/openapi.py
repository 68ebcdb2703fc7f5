"""The OpenAPI document of the API, made from its routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from engine import __version__
from engine.api.access import COOKIE, CSRF
from engine.api.filterable import FIELDS, LEGACY, Filterable
from engine.api.routing import BASE, TENANT, Role, Route
from engine.api.shapes import Shape

VERSION = "3.1.0"
REF = "#/components/schemas/{name}"
PROBLEM = {"$ref": "#/components/responses/Problem"}
PROBLEMS = ("400", "401", "403", "404", "409", "410", "413", "422", "429", "503")
PLACE = re.compile(r"\{(\w+)(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")
BASES = (f"{BASE}/{TENANT}", BASE)
SECURITY: Mapping[str, Any] = {
    "password": {"type": "http", "scheme": "basic"},
    "token": {"type": "http", "scheme": "bearer", "description": "An API token, as `POST /me/api-tokens` makes it."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"As `POST /login` sets it; what changes something needs the header {CSRF} too.",
    },
}
ABOUT = f"""The API of Tidegate.

Every path can be asked with `{BASE}/{TENANT}` or `{BASE}` in front. Who asks needs a role, which each operation names,
in the namespace of the path, or in that of what he asks for; lists hold what he may see. A server without users asks
nobody.
Lists have pages (`page`, `size`), an order (`sort=field:asc`) and filters: `filters[field][OP]=value`, labels as
`filters[labels][EQUALS][key]=value`, in groups as `filters[or][0][field][OP]=value`.
"""


class FaultShape(Shape, frozen=True):
    """One mistake and its place."""

    path: str
    detail: str


class InvalidShape(Shape, frozen=True):
    message: str
    invalid_value: str


class ProblemShape(Shape, frozen=True):
    """What went wrong: `message` and `detail` say it in a sentence, `errors` the mistakes with their places."""

    message: str
    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FaultShape] | None = None
    invalids: list[InvalidShape] | None = None


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document. Paths that stand for others, of earlier versions, are in it as deprecated ones."""
    routes = list(routes)
    types: dict[Any, None] = {ProblemShape: None}
    for route in routes:
        types.update({it: None for it in (route.answers, route.body) if _is_json(it)})
    schemas, components = msgspec.json.schema_components(list(types), ref_template=REF)
    made = _Operations(dict(zip(types, schemas, strict=True)))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in (route.path, *route.old):
            operation = made.operation(route, path)
            paths.setdefault(_plain(path), {})[route.method.lower()] = operation
    return {
        "openapi": VERSION,
        "info": {"title": "Tidegate", "version": __version__, "description": ABOUT},
        "servers": [{"url": base} for base in BASES],
        "security": [{name: []} for name in SECURITY],
        "tags": [{"name": name} for name in sorted({_tag(route.path) for route in routes})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": SECURITY,
            "responses": {
                "Problem": {
                    "description": "What is wrong, in a sentence",
                    "content": {"application/json": {"schema": made.schemas[ProblemShape]}},
                }
            },
        },
    }


class _Operations:
    def __init__(self, schemas: Mapping[Any, Any]) -> None:
        self.schemas = schemas
        self._ids: set[str] = set()

    def operation(self, route: Route, path: str) -> dict[str, Any]:
        operation: dict[str, Any] = {
            "operationId": self._id(route.method, path),
            "summary": route.summary,
            "tags": [_tag(path)],
            "parameters": _parameters(route, path),
            "responses": {**self._success(route), **dict.fromkeys(PROBLEMS, PROBLEM)},
        }
        if text := inspect.getdoc(route.handler):
            operation["description"] = text
        if route.body is not None:
            operation["requestBody"] = self._body(route.body)
        if route.role is Role.NOBODY or route.anonymous:
            operation["security"] = []
        else:
            operation["x-role"] = route.role.name
        if path != route.path:
            operation["deprecated"] = True
        if not set(route.fronts) >= set(BASES):
            operation["servers"] = [{"url": front or "/"} for front in route.fronts]
        return operation

    def _id(self, method: str, path: str) -> str:
        words = re.findall(r"\w+", _plain(path))
        name = "_".join([method.lower(), *words])
        assert name not in self._ids, f"{name} stands twice"
        self._ids.add(name)
        return name

    def _success(self, route: Route) -> dict[str, Any]:
        if route.answers is None:
            status = 204 if route.status == 200 else route.status
            return {str(status): {"description": "Done"}}
        if route.answers is web.Response:
            return {str(route.status): {"description": "Done"}}
        if route.answers is bytes:
            content: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        elif route.answers is web.StreamResponse:
            content = {"text/event-stream": {"schema": {"type": "string"}}}
        else:
            content = {"application/json": {"schema": self.schemas[route.answers]}}
        return {str(route.status): {"description": route.summary, "content": content}}

    def _body(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, str):
            return {"required": True, "content": {"application/json": {"schema": self.schemas[body]}}}
        form = body.startswith("multipart/")
        return {"content": {body: {"schema": {"type": "object"} if form else {"type": "string"}}}}


def _is_json(type: Any) -> bool:
    return type is not None and type not in (bytes, web.Response, web.StreamResponse) and not isinstance(type, str)


def _plain(path: str) -> str:
    """A path as OpenAPI has it: variable parts without their patterns."""
    return PLACE.sub(r"{\1}", path)


def _tag(path: str) -> str:
    return path.strip("/").partition("/")[0]


def _parameters(route: Route, path: str) -> list[dict[str, Any]]:
    """Parameters of a path and query; where a name stands twice, the first one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for parameter in (*_of_path(path), *_of_query(route.query), *_of_filters(route.filters)):
        found.setdefault((parameter["in"], parameter["name"]), parameter)
    return list(found.values())


def _of_path(path: str) -> Iterator[dict[str, Any]]:
    for name in PLACE.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _of_query(model: type[msgspec.Struct] | None) -> Iterator[dict[str, Any]]:
    if model is None:
        return
    (own,), components = msgspec.json.schema_components([model], ref_template="{name}")
    own, told = components[own["$ref"]], _told(model)
    for name, schema in own.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "schema": _in_query(schema, components)}
        if name in own.get("required", ()):
            parameter["required"] = True
        if name in told:
            parameter["description"] = told[name]
        yield parameter


def _in_query(schema: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a query parameter, written out; that it may be absent is no value of it."""
    if "$ref" in schema:
        return dict(components[schema["$ref"]])
    if "anyOf" in schema:
        return _in_query(next(part for part in schema["anyOf"] if part.get("type") != "null"), components)
    return {**schema, "items": _in_query(schema["items"], components)} if "items" in schema else dict(schema)


def _told(model: type[msgspec.Struct]) -> dict[str, str]:
    """What the docstrings of a struct and those it extends say of each field: `name: text; other: text`."""
    names = "|".join(re.escape(field.encode_name) for field in msgspec.structs.fields(model))
    told: dict[str, str] = {}
    for part in reversed(model.__mro__):
        text = (
            " ".join((inspect.getdoc(part) or "").split()) if part.__doc__ and issubclass(part, msgspec.Struct) else ""
        )
        pieces = re.split(rf"(?:^|; | )({names}): ", text)
        told.update({name: said.rstrip("; ") for name, said in zip(pieces[1::2], pieces[2::2], strict=True)})
    return told


def _of_filters(filters: Filterable | None) -> Iterator[dict[str, Any]]:
    if filters is None:
        return
    fields = {name: sorted(FIELDS[name].ops) for name in filters.fields}
    yield {
        "name": "filters",
        "in": "query",
        "style": "deepObject",
        "description": "`filters[field][OP]=value`: "
        + "; ".join(f"{it} {', '.join(ops)}" for it, ops in fields.items()),
        "schema": {
            "type": "object",
            "properties": {
                name: {"type": "object", "properties": {op: {"type": "string"} for op in ops}, "maxProperties": 1}
                for name, ops in fields.items()
            },
        },
    }
    for name, (field, op) in LEGACY.items():
        if field in filters.fields:
            text = f"As filters[{field}][{op}], of earlier versions."
            yield {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
