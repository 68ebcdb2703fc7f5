"""Triggers that are started by requests: which one a request is for, and what comes of it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterable, Mapping
from typing import Any, NamedTuple

import anyio

from engine.clock import Clock
from engine.errors import Conflict, ExpressionError, InvalidFlow, NotFound, Refused
from engine.files.addresses import execution_folder
from engine.files.protocol import InternalStorage
from engine.ids import random_id
from engine.plugin.conditions import Subject
from engine.plugin.web import WebRequest, WebTrigger
from engine.runtime.firing import Event, Firing, Loaded, execution_of
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.protocols import Store

# How old what is known of triggers that are switched off may be, in milliseconds, where another process did so.
KNOWN_FOR = 1000


class Hook(NamedTuple):
    """A trigger that a request is for."""

    loaded: Loaded
    plugin: WebTrigger

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, flow and id."""
        flow = self.loaded.compiled.flow
        return flow.namespace, flow.id, self.loaded.definition.fields.id


class Received(NamedTuple):
    """What came of a request. `again`: its execution was there before."""

    execution: Execution
    again: bool = False


class Webhooks:
    """The triggers of all flows that requests start."""

    def __init__(self, store: Store, files: InternalStorage, firing: Firing, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._firing = firing
        self._clock = clock
        self._off: set[tuple[str, str, str]] = set()
        self._serial = 0
        self._looked = 0
        store.triggers.listen(self._look_again)

    async def find(self, namespace: str, flow: str, key: str) -> Hook:
        """The trigger of a flow with a key.

        Raises NotFound, the same one whatever is not there. Refused for one that is switched off: who knows the key may
        know that.
        """
        try:
            found = await self._matching(namespace, flow, key)
        except (NotFound, InvalidFlow):
            found = None
        if found is None:
            # Nothing tells whether there is such a flow.
            _same(key, namespace)
            raise NotFound("webhook", flow)
        if found.loaded.compiled.flow.disabled:
            raise Refused(f"Cannot execute a disabled flow: {namespace}.{flow}")
        if found.loaded.definition.fields.disabled or await self._is_off(found.key):
            raise Refused(f"The trigger '{found.key[2]}' is switched off")
        return found

    async def receive(
        self, hook: Hook, request: WebRequest, given: str | None = None, content: AsyncIterable[bytes] | None = None
    ) -> Received | None:
        """Start the execution of a request; None where conditions of the trigger do not hold.

        given: names the request, where the trigger has no `idempotencyKey` of its own: a second one of the same name
            starts nothing
        content: the body, where it is to be stored as a file
        Raises Conflict for a second one of another body, ExpressionError, TaskError, and as `Control.create` does.
        """
        name = await self._name(hook, hook.plugin.variables(request)) or given
        event = Event(f"request {name}" if name else random_id(), {})
        if content is None:
            return await self._fire(hook, event._replace(variables=hook.plugin.variables(request)), name)
        flow = hook.loaded.compiled.flow
        folder = execution_folder(flow.namespace, flow.id, execution_of(hook.loaded, event))
        stored = await self._files.put(f"{folder}/trigger/{random_id()}", content)
        received = None
        try:
            variables = hook.plugin.variables(request._replace(body=None, uri=stored.address))
            received = await self._fire(hook, event._replace(variables=variables), name)
        finally:
            if received is None or received.again:
                with anyio.CancelScope(shield=True):
                    await self._files.delete(stored.address)
        return received

    async def _fire(self, hook: Hook, event: Event, name: str | None) -> Received | None:
        loaded, variables = hook.loaded, event.variables
        flow = loaded.compiled.flow
        subject = Subject(flow.namespace, flow.id, Status.CREATED.value, flow.label_map(), None)
        if not await self._firing.holds(loaded, variables, subject):
            return None
        try:
            return Received(await self._firing.fire(loaded, event))
        except Conflict:
            before, _ = await self._store.executions.head(execution_of(loaded, event))
            if before.trigger is None or before.trigger.variables.get("body") != variables.get("body"):
                raise Conflict(f"A request of the name '{name}' came before, with another body") from None
            return Received(before, again=True)

    async def _matching(self, namespace: str, flow: str, key: str) -> Hook | None:
        found = None
        for loaded in await self._firing.load_all(namespace, flow):
            plugin = loaded.definition.plugin
            # All of them are looked at, so that the time says nothing.
            if isinstance(plugin, WebTrigger) and _same(key, await self._key(loaded, plugin.key)):
                found = Hook(loaded, plugin)
        return found

    async def _key(self, loaded: Loaded, written: str) -> str:
        if "{" not in written:
            return written.strip()
        try:
            return str(await self._firing.render(loaded, written)).strip()
        except ExpressionError:
            # What nobody knows fits nothing.
            return random_id()

    async def _name(self, hook: Hook, variables: Mapping[str, Any]) -> str | None:
        if hook.plugin.idempotency_key is None:
            return None
        return str(await self._firing.render(hook.loaded, hook.plugin.idempotency_key, variables) or "") or None

    def _look_again(self) -> None:
        self._looked = 0

    async def _is_off(self, key: tuple[str, str, str]) -> bool:
        now = self._clock.now()
        if abs(now - self._looked) >= KNOWN_FOR:
            self._looked = now
            for state in await self._store.triggers.changed(self._serial):
                self._serial = state.serial
                (self._off.discard if state.active else self._off.add)(state.key)
        return key in self._off


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that doesn't tell how much of them is."""
    first, second = (hashlib.sha256(text.encode(errors="replace")).digest() for text in (one, other))
    return hmac.compare_digest(first, second)
