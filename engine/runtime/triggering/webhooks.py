"""Triggers that are started by requests: which one a request is for, and what comes of it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, NamedTuple

import anyio

from engine.clock import Clock
from engine.errors import Conflict, ExpressionError, InvalidFlow, NotFound, Refused, Unavailable
from engine.files.addresses import execution_folder, flow_folder
from engine.files.protocol import InternalStorage
from engine.ids import random_id
from engine.plugin.conditions import Subject
from engine.plugin.web import Verified, Verifier, WebAnswer, WebRequest, WebTrigger
from engine.runtime.triggering.firing import Event, Firing, Loaded, execution_of
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import Outcome

# How old what is known of triggers that are switched off may be, in milliseconds, where another process did so.
KNOWN_FOR = 1000
NAMED = "request "


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
    ) -> Received | WebAnswer | None:
        """Start the execution of a request; None where conditions of the trigger do not hold.

        Returns an answer where the sender only asks whether the address is wanted.

        given: names the request, where the trigger has no `idempotencyKey` of its own: a second one of the same name
            starts nothing
        content: the body, where it is to be stored as a file
        Raises Unsigned, Unavailable where the secret of the signature can't be read, Conflict for a second one of
        another body, ExpressionError, TaskError, and as `Control.create` does.
        """
        secrets = await self._secrets(hook)
        if secrets and (greeting := hook.plugin.greeting(request, secrets, None)) is not None:
            return greeting
        verifier = hook.plugin.verifier(secrets, request, self._clock.now()) if secrets else None
        if content is not None:
            return await self._stored(hook, request, given, content, verifier)
        verified = None
        if verifier is not None:
            # Nothing else of the request is looked at before it is known whose it is.
            verifier.update(request.body or b"")
            verified = verifier.verdict()
            if (greeting := hook.plugin.greeting(request, secrets, verified.secret)) is not None:
                return greeting
        return await self._fire(hook, await self._event(hook, request, verified, given))

    async def _stored(
        self,
        hook: Hook,
        request: WebRequest,
        given: str | None,
        content: AsyncIterable[bytes],
        verifier: Verifier | None,
    ) -> Received | None:
        """The same for a body that becomes a file, which goes where no execution wants it."""
        passing = f"{flow_folder(*hook.key[:2])}/trigger/{random_id()}"
        received = None
        address = passing
        try:
            await self._files.put(passing, content if verifier is None else _watched(content, verifier))
            verified = None if verifier is None else verifier.verdict()
            event = await self._event(hook, request, verified, given)
            folder = execution_folder(*hook.key[:2], execution_of(hook.loaded, event))
            address = f"{folder}/trigger/{random_id()}"
            await self._files.put(address, self._files.read(passing))
            variables = {**event.variables, **hook.plugin.variables(request._replace(body=None, uri=address))}
            received = await self._fire(hook, event._replace(variables=variables))
        finally:
            with anyio.CancelScope(shield=True):
                await self._files.delete(passing)
                if received is None or received.again:
                    await self._files.delete(address)
        return received

    async def _event(self, hook: Hook, request: WebRequest, verified: Verified | None, given: str | None) -> Event:
        """What a request is the event of."""
        variables = hook.plugin.variables(request)
        if verified is not None:
            variables = {**variables, "signedBy": verified.secret}
        name = await self._name(hook, variables) or (verified and verified.name) or given
        return Event(f"{NAMED}{name}" if name else random_id(), variables)

    async def _secrets(self, hook: Hook) -> Mapping[str, str]:
        """What requests are signed with, by name; nothing where they need not be. Raises Unavailable."""
        written = hook.plugin.secrets()
        try:
            secrets = {name: str(await self._firing.render(hook.loaded, text)) for name, text in written.items()}
        except ExpressionError as error:
            raise Unavailable(f"What requests are signed with can't be read: {error}") from None
        if not all(secrets.values()):
            raise Unavailable("What requests are signed with is empty")
        return secrets

    async def _fire(self, hook: Hook, event: Event) -> Received | None:
        loaded, variables = hook.loaded, event.variables
        flow = loaded.compiled.flow
        subject = Subject(flow.namespace, flow.id, Status.CREATED.value, flow.label_map(), None)
        if not await self._firing.holds(loaded, variables, subject):
            self._firing.note(hook.key, Outcome.SKIPPED, "its conditions do not hold")
            return None
        try:
            return Received(await self._firing.fire(loaded, event))
        except Conflict:
            before, _ = await self._store.executions.head(execution_of(loaded, event))
            if before.trigger is None or before.trigger.variables.get("body") != variables.get("body"):
                name = event.key.removeprefix(NAMED)
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


async def _watched(content: AsyncIterable[bytes], verifier: Verifier) -> AsyncIterator[bytes]:
    async for chunk in content:
        verifier.update(chunk)
        yield chunk


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that doesn't tell how much of them is."""
    first, second = (hashlib.sha256(text.encode(errors="replace")).digest() for text in (one, other))
    return hmac.compare_digest(first, second)
