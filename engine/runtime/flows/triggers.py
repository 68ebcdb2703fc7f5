"""Triggers as people and tasks see them: which there are, whether they are on."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from engine.clock import Clock
from engine.definition.flow import Flow
from engine.definition.triggers import TriggerDefinition
from engine.errors import Conflict, NotFound
from engine.nearness import near_or_known
from engine.state.trigger import TriggerState
from engine.store.protocols import Store
from engine.store.rows import DeclaredTrigger


def declared_triggers(flow: Flow) -> list[DeclaredTrigger]:
    """The triggers of a flow, for the store."""
    definitions: tuple[TriggerDefinition, ...] = flow.trigger_definitions
    return [
        DeclaredTrigger(
            it.fields.id,
            it.type,
            f"{it.fingerprint}-" if flow.disabled else it.fingerprint,
            tuple(it.fields.stop_after or ()),
            flow.disabled or it.fields.disabled,
            () if it.plugin is None else tuple(it.plugin.hears(it.conditions)),
            it.plugin is not None and it.plugin.expects,
        )
        for it in definitions
    ]


class Triggers:
    """The states of triggers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, namespace: str | None = None, flow: str | None = None) -> Sequence[TriggerState]:
        """By namespace, flow and id."""
        return await self._store.triggers.list(namespace, flow)

    async def get(self, namespace: str, flow: str, id: str) -> TriggerState:
        """Raises NotFound for a flow or a trigger, with those that may have been meant."""
        try:
            return await self._store.triggers.get(namespace, flow, id)
        except NotFound:
            await self._store.flows.get(namespace, flow)
            known = [state.id for state in await self._store.triggers.list(namespace, flow)]
            hint = near_or_known(id, known).removeprefix(", ")
            raise NotFound("trigger", id, f"the flow {namespace}.{flow} has none of this id; {hint}") from None

    async def set_disabled(
        self, namespace: str, flow: str, id: str, disabled: bool, recover: str = "NONE"
    ) -> TriggerState:
        """Switch a trigger off or on; returns its state, which is left alone where it is so already.

        recover: what becomes of the dates that it missed while it was off: NONE, LAST or ALL
        Raises NotFound.
        """
        while True:
            state = await self.get(namespace, flow, id)
            if state.disabled is disabled:
                return state
            changed = replace(state, disabled=disabled, version=state.version + 1, updated=self._clock.now())
            if not disabled and recover == "NONE":
                changed = replace(changed, next=None)
            elif not disabled:
                changed = replace(changed, recover=recover)
            try:
                await self._store.triggers.save(changed)
            except Conflict:
                continue
            return changed
