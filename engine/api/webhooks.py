"""Webhooks: requests that start executions. Who knows the key of a trigger may send them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio
from aiohttp import web
from msgspec.structs import replace
from multidict import MultiMapping

from engine.api.problems import Unknown
from engine.api.routing import JSON, Call, Role, Route, encode
from engine.api.shapes import ExecutionShape, execution_shape
from engine.errors import ExpressionError, NotFound
from engine.plugin.web import WebAnswer, WebRequest
from engine.runtime.engine import Engine
from engine.runtime.triggering.webhooks import Hook, Received
from engine.settings import Webhooks as Options
from engine.state.execution import Execution
from engine.state.sealed import covered
from engine.state.status import Status

METHODS = ("GET", "POST", "PUT")
BEARER = "Bearer "
KEY_HEADER = "X-Webhook-Key"
NAME_HEADER = "Idempotency-Key"
AGAIN_HEADER = "Idempotent-Replay"
PATHS = (
    "/executions/webhook/{namespace}/{id}",
    "/executions/webhook/{namespace}/{id}/{key}",
    "/executions/webhook/{namespace}/{id}/{key}/{path:.*}",
)


class Webhooks:
    """Starts executions by requests."""

    def __init__(self, engine: Engine, options: Options) -> None:
        self._engine = engine
        self._options = options
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        for path in PATHS:
            for method in METHODS:
                yield Route(
                    method,
                    path,
                    self.receive,
                    "Start an execution by a webhook",
                    ExecutionShape,
                    role=Role.NOBODY,
                    anonymous=True,
                )

    async def receive(self, call: Call) -> web.Response:
        """The key stands in the path, in the header X-Webhook-Key, or as Authorization: Bearer."""
        hook = await self._found(call)
        headers = _values(call.request.headers)
        # Flows find a header by the name that was sent, and by the one that HTTP compares.
        headers |= {name.lower(): values for name, values in headers.items()}
        if "key" not in call.path:
            # What opened the door is nothing that the flow must know.
            opened = ("authorization", KEY_HEADER.lower())
            headers = {name: values for name, values in headers.items() if name.lower() not in opened}
        request = WebRequest(
            method=call.request.method,
            headers=headers,
            parameters=_values(call.request.query),
            path=call.path.get("path") or None,
        )
        name = call.request.headers.get(NAME_HEADER)
        if hook.plugin.fetch_type == "STORE" and call.request.body_exists:
            content = self._content(call.request, self._options.store_bytes)
            received = await self._engine.webhooks.receive(hook, request, name, content)
        else:
            chunks = [chunk async for chunk in self._content(call.request, self._options.body_bytes)]
            received = await self._engine.webhooks.receive(hook, request._replace(body=b"".join(chunks)), name)
        if received is None:
            return web.Response(status=204)
        if isinstance(received, WebAnswer):
            return web.Response(text=received.text, content_type=received.content_type)
        return await self._answer(hook, received)

    async def _found(self, call: Call) -> Hook:
        key = call.path.get("key") or call.request.headers.get(KEY_HEADER)
        authorization = call.request.headers.get("Authorization", "")
        if key is None and authorization.startswith(BEARER):
            key = authorization.removeprefix(BEARER)
        try:
            return await self._engine.webhooks.find(call.path["namespace"], call.path["id"], key or "")
        except NotFound:
            raise Unknown from None

    async def _content(self, request: web.Request, most: int) -> AsyncIterator[bytes]:
        """The body, in chunks. Raises HTTPRequestEntityTooLarge as soon as it is known to be too large."""
        if (request.content_length or 0) > most:
            raise web.HTTPRequestEntityTooLarge(most, request.content_length or 0)
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > most:
                raise web.HTTPRequestEntityTooLarge(most, size)
            yield chunk

    async def _answer(self, hook: Hook, received: Received) -> web.Response:
        execution = received.execution
        plugin = hook.plugin
        headers = {AGAIN_HEADER: "true"} if received.again else {}
        if plugin.wait:
            ended = await self._ended(execution)
            if ended is None:
                headers["Location"] = f"/api/v1/executions/{execution.id}"
                return self._json(self._shape(execution), 202, headers)
            execution = ended
        failed = plugin.wait and execution.state is Status.FAILED
        status = await self._status(hook, execution, 500 if failed else 200)
        if not (plugin.wait and plugin.return_outputs):
            return self._json(self._shape(execution), status, headers)
        outputs = covered(execution.outputs or {})
        if plugin.response_content_type != "text/plain":
            return self._json(outputs, status, headers)
        text = next(iter(outputs.values())) if len(outputs) == 1 else outputs
        body = text if isinstance(text, str) else encode(text).decode()
        return web.Response(text=body, status=status, headers=headers, content_type="text/plain")

    async def _ended(self, execution: Execution) -> Execution | None:
        with anyio.move_on_after(self._options.wait_seconds):
            return await self._engine.control.wait(execution.id)
        return None

    async def _status(self, hook: Hook, execution: Execution, otherwise: int) -> int:
        code: Any = hook.plugin.response_code
        if code is None:
            return otherwise
        if isinstance(code, str):
            code = await self._engine.control.evaluate(execution.id, code)
        try:
            status = int(code)
        except ValueError:
            status = 0
        if not 100 <= status <= 599:
            raise ExpressionError(f"responseCode must give a status between 100 and 599, not '{code}'")
        return status

    def _shape(self, execution: Execution) -> ExecutionShape:
        return replace(execution_shape(execution, self._clock.now()), url=f"/api/v1/executions/{execution.id}")

    def _json(self, value: Any, status: int, headers: dict[str, str]) -> web.Response:
        return web.Response(body=encode(value), status=status, headers=headers, content_type=JSON)


def _values(given: MultiMapping[str]) -> dict[str, list[str]]:
    """All values by name."""
    found: dict[str, list[str]] = {}
    for name, value in given.items():
        found.setdefault(name, []).append(value)
    return found
