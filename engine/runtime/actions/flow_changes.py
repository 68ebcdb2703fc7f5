"""Flows as people change them: one or many at once, on trial or for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from engine.clock import Clock
from engine.definition.diagnostic import Diagnostic
from engine.definition.document import read_yaml
from engine.definition.flow import Flow
from engine.definition.rewrite import documents, with_property
from engine.errors import Conflict, InvalidFlow, NotFound, Refused
from engine.runtime.actions.control import Control
from engine.runtime.flows.plans import Plans
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, StoredFlow

PAGE = 500
UNFINISHED = tuple(state for state in Status if not state.terminal)


class Draft(NamedTuple):
    """A flow without mistakes that is not stored, and the text it was read from."""

    flow: Flow
    source: str


class FlowChanges:
    """Create, update, replace, switch and delete flows."""

    def __init__(self, store: Store, plans: Plans, control: Control, clock: Clock) -> None:
        self._store = store
        self._plans = plans
        self._control = control
        self._clock = clock

    def read(self, source: str) -> Draft:
        """A flow from its text. Raises InvalidFlow with every mistake."""
        return Draft(self._plans.read(source), source)

    def read_all(self, text: str) -> list[Draft]:
        """The flows of a text in which lines of `---` part them. Raises InvalidFlow, also for one that is there twice.

        The file of a diagnostic says which flow of several it is about.
        """
        sources = documents(text)
        drafts: list[Draft] = []
        mistakes: list[Diagnostic] = []
        for number, source in enumerate(sources, 1):
            try:
                draft = self.read(source)
            except InvalidFlow as error:
                mistakes += [item._replace(file=f"flow {number} of {len(sources)}") for item in error.diagnostics]
                continue
            if any(_name(draft) == _name(other) for other in drafts):
                mistakes.append(mistake(source, "id", f"Duplicate flow id: '{draft.flow.id}' is there twice"))
            drafts.append(draft)
        if any(item.severity == "error" for item in mistakes):
            raise InvalidFlow(mistakes)
        return drafts

    async def create(self, draft: Draft) -> StoredFlow:
        """Store a flow that does not exist yet. Raises InvalidFlow."""
        try:
            return await self._control.save_flow(draft.source, fresh=True)
        except Conflict:
            raise InvalidFlow([mistake(draft.source, "id", "Flow id already exists")]) from None

    async def update(self, namespace: str, id: str, source: str) -> StoredFlow:
        """Store the next revision of a flow, which keeps its names. Raises NotFound, InvalidFlow."""
        if await self.find(namespace, id) is None:
            raise NotFound("flow", f"{namespace}.{id}", "create it with POST /flows")
        draft = self.read(source)
        mistakes = []
        if draft.flow.id != id:
            mistakes.append(mistake(source, "id", f"Illegal flow id update: it is '{id}', not '{draft.flow.id}'"))
        if draft.flow.namespace != namespace:
            text = f"Illegal namespace update: it is '{namespace}', not '{draft.flow.namespace}'"
            mistakes.append(mistake(source, "namespace", text))
        if mistakes:
            raise InvalidFlow(mistakes)
        return await self._control.save_flow(source)

    async def save(
        self, drafts: Sequence[Draft], gone: Sequence[StoredFlow] = (), *, trial: bool = False
    ) -> Sequence[StoredFlow]:
        """Create or update flows and delete others, all of it or nothing; on trial only say what would be stored."""
        if trial:
            return [await self._would_be(draft) for draft in drafts]
        return await self._control.replace_flows(drafts, [(flow.namespace, flow.id) for flow in gone])

    async def others(self, namespace: str, drafts: Sequence[Draft], *, below: bool = False) -> list[StoredFlow]:
        """The stored flows of a namespace, or of all below it too, that are not among these."""
        named = {_name(draft) for draft in drafts}
        found = await self._store.flows.list(None if below else namespace)
        return [
            flow
            for flow in found
            if (flow.namespace, flow.id) not in named and f"{flow.namespace}.".startswith(f"{namespace}.")
        ]

    async def switch(self, flows: Sequence[StoredFlow], disabled: bool) -> Sequence[StoredFlow]:
        """Disable or enable flows; returns those that were not so before. Raises Malformed, InvalidFlow."""
        sources = [(flow.source, with_property(flow.source, "disabled", disabled)) for flow in flows]
        drafts = [self.read(new) for old, new in sources if self.read(old).flow.disabled != disabled]
        return await self.save(drafts)

    async def delete(self, flows: Sequence[StoredFlow]) -> int:
        """Delete flows, all or none; returns how many."""
        await self.save([], flows)
        return len(flows)

    async def delete_revisions(self, namespace: str, id: str, revisions: Sequence[int]) -> int:
        """Delete old revisions; returns how many. Raises NotFound, Refused for the latest or one that is running."""
        known = await self._store.flows.revisions(namespace, id)
        if known[-1].revision in revisions:
            raise Refused(f"revision {known[-1].revision} is the latest one of '{namespace}.{id}' and stays")
        await self._check_unused(namespace, id, revisions)
        count = await self._store.flows.delete_revisions(namespace, id, revisions)
        for revision in revisions:
            self._plans.forget(namespace, id, revision)
        return count

    async def find(self, namespace: str, id: str) -> StoredFlow | None:
        """The latest revision of a flow that is not deleted."""
        try:
            return await self._store.flows.get(namespace, id)
        except NotFound:
            return None

    async def _check_unused(self, namespace: str, id: str, revisions: Sequence[int]) -> None:
        where = ExecutionFilter(namespace=namespace, flow=id, states=UNFINISHED, kinds=(), limit=PAGE)
        offset = 0
        while executions := await self._store.executions.list(msgspec.structs.replace(where, offset=offset)):
            for execution in executions:
                if execution.revision in revisions:
                    raise Refused(f"the execution '{execution.id}' runs revision {execution.revision}, which stays")
            offset += len(executions)

    async def _would_be(self, draft: Draft) -> StoredFlow:
        namespace, id = _name(draft)
        try:
            last = (await self._store.flows.revisions(namespace, id))[-1]
        except NotFound:
            return StoredFlow(namespace, id, 1, draft.source, self._clock.now())
        if not last.deleted and last.source == draft.source:
            return last
        return StoredFlow(namespace, id, last.revision + 1, draft.source, self._clock.now())


def mistake(source: str, name: str, text: str) -> Diagnostic:
    """A diagnostic about a property of a flow, at its place."""
    document = read_yaml(source)
    mark = document.keys.get((name,)) or document.marks[()]
    return Diagnostic(f"{name}: {text}", mark.line, mark.column, "refused", ("flow", name))


def _name(draft: Draft) -> tuple[str, str]:
    return draft.flow.namespace, draft.flow.id
