"""Every operation asks who calls and what he may; nobody sees or changes what is in a namespace that is not his."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import ClientSession, ClientTimeout, FormData

from engine.api.routing import Role, Route
from engine.api.server import serving
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.settings import Limits, Server
from engine.state.status import Status
from support.api_routes import all_routes
from support.running import start, until
from support.signing_in import PASSWORD, ROOT, bearer

HIDDEN = "vault.masked-9"
FLOW = f"""
id: treasure
namespace: {HIDDEN}
labels: {{kind: goldmine}}
tasks:
  - {{id: say, type: core.log.Log, message: a chest of silver}}
  - {{id: ask, type: core.flow.Pause}}
"""
CHANGED = FLOW.replace("chest", "box")
OWN = "id: mine\nnamespace: shop\ntasks: [{id: say, type: core.log.Log, message: hi}]\n"
MARKS = ("masked-9", "treasure", "goldmine", "silver")
OPTIONS = Server(port=0, shutdown_seconds=1.0, limits=Limits(requests_per_second=0, unknown_per_second=0, failures=0))
SLOW = ClientTimeout(total=30)
STREAM = "text/event-stream"


class Asked(NamedTuple):
    """A request that would do what a route is for, in the hidden namespace."""

    route: Route
    path: str
    query: dict[str, str]
    body: dict[str, Any]

    @property
    def owned(self) -> bool:
        """Whether the path itself names something of the hidden namespace."""
        return any(part in self.route.path for part in ("{namespace", "{execution"))

    def __str__(self) -> str:
        return f"{self.route.method} {self.path} {self.query or ''}"


class Scene(NamedTuple):
    """A server with something hidden, the token of each user, and all that can be asked."""

    client: ClientSession
    tokens: dict[str, str]
    execution: ExecutionId
    asked: list[Asked]

    async def ask(self, asked: Asked, user: str | None = None) -> tuple[int, str]:
        """Status and text of the answer; no text of a stream."""
        body = {name: make() if callable(make) else make for name, make in asked.body.items()}
        headers = bearer(self.tokens[user]) if user else {}
        async with self.client.request(
            asked.route.method, asked.path, params=asked.query, headers=headers, timeout=SLOW, **body
        ) as answer:
            text = "" if answer.content_type == STREAM else (await answer.read()).decode(errors="replace")
            return answer.status, text


@pytest.fixture
async def scene(engine: Engine) -> AsyncIterator[Scene]:
    held = {ROOT: {}, "stranger": {"vault.masked": Role.ADMIN, "shop": Role.ADMIN}}
    held |= {role.name.lower(): {HIDDEN: role} for role in Role if role is not Role.ADMIN}
    tokens = {}
    for name, roles in held.items():
        await engine.users.add(name, PASSWORD if name == ROOT else None, roles)
        tokens[name] = (await engine.tokens.create(name, "test", None))[1]
    execution = await start(engine, FLOW)
    await until(engine, execution.id, "ask", Status.PAUSED)
    await engine.keys.set(HIDDEN, "treasure", "silver", type="STRING")
    await engine.secrets.set("treasure", "silver", HIDDEN, "of goldmine")
    await engine.namespaces.put(HIDDEN, "treasure.txt", b"silver")
    async with serving(engine, OPTIONS) as url, ClientSession(url) as client:
        asked = [one for route in all_routes(engine) for one in requests(route, execution.id)]
        yield Scene(client, tokens, execution.id, asked)


def requests(route: Route, execution: str) -> Iterator[Asked]:
    """What somebody would send to reach the hidden namespace by a route, plainly and with what narrows it there."""
    parts = {"namespace": HIDDEN, "execution": execution, "task": "say", "key": "treasure", "user": ROOT}
    for path in (route.path, *route.old):
        filled = re.sub(r"\{(\w+)[^{}]*(?:\{[^{}]*\})*[^{}]*\}", lambda found: parts.get(found[1], "treasure"), path)
        query = needed(route, execution)
        asked = Asked(route, f"{route.fronts[-1]}{filled}", query, body_of(route.body, execution))
        yield asked
        query = query | {field: given(field, execution) for field in ("namespace", "flowId", "executionId")}
        query |= {"filters[namespace][EQUALS]": HIDDEN} if route.filters else {}
        yield asked._replace(query=query)
        if isinstance(route.body, str):
            # Something of one's own, where the query asks to do more than that.
            query = {**query, "delete": "true", "allowNamespaceChild": "true"}
            yield asked._replace(query=query, body=body_of(route.body, execution, OWN))


def needed(route: Route, execution: str) -> dict[str, str]:
    """The query parameters that a route does not do without."""
    if route.query is None:
        return {}
    schema = msgspec.json.schema(route.query)
    known = schema["$defs"]
    whole = known[schema["$ref"].rpartition("/")[2]]
    fields = whole["properties"]
    return {name: str(value_of(fields[name], known, name, execution)) for name in whole.get("required", ())}


def given(field: str, execution: str) -> Any:
    if "execution" in field.lower():
        return execution
    return HIDDEN if "namespace" in field.lower() else "treasure"


def body_of(model: Any, execution: str, source: str = CHANGED) -> dict[str, Any]:
    """A body that a route understands, as arguments of a request."""
    if model is None:
        return {}
    if isinstance(model, str):
        if model.startswith("multipart/"):
            return {"data": lambda: form(source)}
        return {"data": source}
    return {"json": value_of(msgspec.json.schema(model), {}, "", execution)}


def value_of(schema: dict[str, Any], known: dict[str, Any], name: str, execution: str) -> Any:
    """A value that a JSON schema takes, with the names of what is hidden where it wants names."""
    known = schema.get("$defs", known)
    if "$ref" in schema:
        return value_of(known[schema["$ref"].rpartition("/")[2]], known, name, execution)
    if "anyOf" in schema:
        return value_of(schema["anyOf"][0], known, name, execution)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {field: value_of(below, known, field, execution) for field, below in fields.items()}
        case "array":
            item = value_of(schema.get("items") or {"type": "string"}, known, name, execution)
            # A list of ids may be one of executions or of other things.
            return [execution] if name in ("", "ids") and item == "treasure" else [item]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "null":
            return None
    return schema["enum"][0] if "enum" in schema else given(name, execution)


def form(source: str) -> FormData:
    made = FormData(default_to_multipart=True)
    made.add_field("fileUpload", source, filename="flows.yml")
    return made


async def kept(engine: Engine, execution: ExecutionId) -> tuple[Any, ...]:
    """All that is in the hidden namespace."""
    await engine.logs.flushed()
    loaded = (await engine.store.executions.load(execution)).record.execution
    return (
        [flow.source for flow in await engine.store.flows.list(HIDDEN)],
        (loaded.version, loaded.state, loaded.labels),
        [(entry.key, entry.value) for entry in await engine.store.kv.list(HIDDEN)],
        [(secret.key, secret.updated) for secret in await engine.store.secrets.list(HIDDEN)],
        {path: (info.size, info.modified) for path, info in (await engine.namespaces.list(HIDDEN)).items()},
        [line.message for _, line in await engine.store.logs.lines(execution)],
        [account.name for account in await engine.users.list()],
    )


async def test_who_does_not_say_who_he_is_gets_nowhere(scene: Scene) -> None:
    wrong = []
    for asked in scene.asked:
        status, _ = await scene.ask(asked)
        if asked.route.role > Role.NOBODY and status != 401:
            wrong.append(f"{asked}: {status}")
    assert wrong == []


async def test_a_role_too_low_is_refused(scene: Scene) -> None:
    wrong = []
    for asked in scene.asked:
        if asked.route.role > Role.NOBODY:
            status, _ = await scene.ask(asked, Role(asked.route.role - 1).name.lower())
            if status != 403:
                wrong.append(f"{asked}: {status}")
    assert wrong == []


async def test_a_stranger_sees_nothing_and_changes_nothing(engine: Engine, scene: Scene) -> None:
    before = await kept(engine, scene.execution)
    wrong = []
    for asked in scene.asked:
        status, text = await scene.ask(asked, "stranger")
        sent = f"{asked} {asked.body} {FLOW if asked.body.get('data') else ''}"
        seen = [mark for mark in MARKS if mark in text and mark not in sent]
        if seen or status >= 500 or (asked.owned and status not in (403, 404)):
            wrong.append(f"{asked}: {status} {' '.join(seen)}: {text[:200]}")
    assert wrong == [], "\n".join(wrong)
    assert await kept(engine, scene.execution) == before


async def test_an_admin_sees_what_strangers_do_not(scene: Scene) -> None:
    seen = 0
    for asked in scene.asked:
        if asked.route.method == "GET":
            status, text = await scene.ask(asked, ROOT)
            assert status < 500, f"{asked}: {text}"
            seen += any(mark in text and mark not in str(asked) for mark in MARKS)
    assert seen > 10


async def test_what_is_open_to_everybody_is_known(scene: Scene) -> None:
    found = {(asked.route.method, asked.route.path) for asked in scene.asked if asked.route.role is Role.NOBODY}
    hooks = {(method, path) for method, path in found if path.startswith("/executions/webhook/")}
    signing_in = {("POST", "/login"), ("POST", "/basicAuth"), ("GET", "/basicAuthValidationErrors")}
    watching = {"/ping", "/version", "/health", "/health/liveness", "/health/readiness"}
    documents = {"/openapi.json", "/docs", "/pebble/filters", "/pebble/functions"}
    reading = {("GET", path) for path in {"/configs", "/configs/login"} | watching | documents}
    assert found - hooks == signing_in | reading


async def test_what_is_sent_to_a_webhook_is_for_its_flow_alone(scene: Scene) -> None:
    hooks = [asked.route for asked in scene.asked if "/webhook/" in asked.path]
    assert all(route.anonymous and route.role is Role.NOBODY for route in hooks)
