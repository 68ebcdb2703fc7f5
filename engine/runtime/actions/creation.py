"""Makes new executions, each with what its flow, its labels and its inputs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.clock import Clock
from engine.definition.inputs import InputState, nested
from engine.definition.labels import refuse_labels
from engine.errors import Conflict, NotFound, Refused
from engine.executor.limits import REFUSED
from engine.ids import ExecutionId, random_id
from engine.runtime.actions.checks import Checks, Unmet
from engine.runtime.actions.inputs import Inputs
from engine.runtime.driving.driver import Driver
from engine.runtime.flows.plans import Compiled, Plans
from engine.runtime.rendering.variables import View
from engine.state.event import Started
from engine.state.execution import Caller, Change, Execution, ExecutionKind, Label, TriggeredBy
from engine.state.ledger import Consumed
from engine.state.record import Record
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.protocols import Store


class Child(NamedTuple):
    """What an execution that a task starts has besides: its id, labels that come with it, who waits."""

    id: ExecutionId
    inherited: Mapping[str, str]
    caller: Caller | None


class Creation:
    """Creates executions."""

    def __init__(
        self, store: Store, plans: Plans, driver: Driver, inputs: Inputs, checks: Checks, clock: Clock
    ) -> None:
        self._store = store
        self._plans = plans
        self._driver = driver
        self._inputs = inputs
        self._checks = checks
        self._clock = clock

    async def create(
        self,
        namespace: str,
        flow: str,
        *,
        revision: int | None = None,
        inputs: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        trigger: TriggeredBy | None = None,
        child: Child | None = None,
        scheduled: int | None = None,
        kind: ExecutionKind = ExecutionKind.NORMAL,
        here: bool = True,
        state: TriggerState | None = None,
        consumed: Sequence[Consumed] = (),
        failure: str | None = None,
        lacking: bool = False,
    ) -> Execution:
        """Start an execution; returns when it is committed. FILE inputs are local paths or storage URIs.

        scheduled: when its first task begins, in milliseconds; by default at once
        here: whoever asks is a user of this machine, and may name files of it as inputs
        state: of the trigger that starts it, to be stored with it; consumed: detected items that it takes with it
        failure: it ends FAILED at once, for this reason; lacking: required inputs that nobody gave are left out

        Raises NotFound, InvalidFlow, InvalidInputs with every problem, Refused for a disabled flow or a label that
        nobody may give, Blocked by a check, Conflict where what a trigger starts is there already, another state of it
        is stored or an item was taken.
        """
        if trigger is None and child is None:
            refuse_labels(labels or {})
        id = ExecutionId(random_id()) if child is None else child.id
        tried: int | None = None
        while True:
            compiled = await self._plans.get(namespace, flow, revision)
            if compiled.flow.disabled:
                raise Refused(f"Cannot execute a disabled flow: {namespace}.{flow}; remove `disabled: true` to run it")
            execution = self._blank(id, compiled, labels or {}, trigger, child, scheduled, kind)
            view = View(compiled.plan, Record(execution))
            declared, seen = compiled.flow.inputs or (), view.of_flow()
            if lacking:
                declared = tuple(it for it in declared if it.id in (inputs or {}) or it.defaults is not None)
            if failure is None:
                values = await self._inputs.resolve(declared, execution, seen, inputs or {}, here=here)
                execution = msgspec.structs.replace(execution, inputs=values)
                event = await self._checks.first_event(compiled, execution, self._clock.now())
            else:
                event = Started(at=self._clock.now(), admission=REFUSED, state=Status.FAILED, reason=failure)
            try:
                await self._driver.begin(
                    execution, compiled, event, latest=revision is None, trigger=state, consumed=consumed
                )
                return execution
            except Conflict:
                there = child is not None and await self._exists(id)
                if child is not None and child.caller is not None and there:
                    return execution
                if there or (state is not None and await self._moved(state)):
                    raise
                if consumed and compiled.plan.revision == tried:
                    raise
                tried = compiled.plan.revision
                # Another process stored a later revision.
                self._plans.outdated(namespace, flow)

    async def preview_inputs(
        self, namespace: str, flow: str, inputs: Mapping[str, Any] | None = None, *, revision: int | None = None
    ) -> list[InputState]:
        """What would become of the inputs of an execution, without creating one. Raises NotFound, InvalidFlow."""
        compiled = await self._plans.get(namespace, flow, revision)
        execution = self._blank(ExecutionId(random_id()), compiled, {}, None, None, None, ExecutionKind.NORMAL)
        seen = View(compiled.plan, Record(execution)).of_flow()
        return await self._inputs.preview(compiled.flow.inputs or (), execution, seen, inputs or {})

    async def preview_checks(
        self, namespace: str, flow: str, inputs: Sequence[InputState], *, revision: int | None = None
    ) -> tuple[Unmet, ...]:
        """The checks that would not hold with previewed inputs; none are looked at where one of these is wrong."""
        compiled = await self._plans.get(namespace, flow, revision)
        if not compiled.flow.checks or any(state.errors for state in inputs):
            return ()
        given = {state.input.id: state.value for state in inputs if state.enabled}
        blank = self._blank(ExecutionId(random_id()), compiled, {}, None, None, None, ExecutionKind.NORMAL)
        execution = msgspec.structs.replace(blank, inputs=nested(given, list(given)))
        return (await self._checks.of(compiled, execution)).unmet

    def _blank(
        self,
        id: ExecutionId,
        compiled: Compiled,
        labels: Mapping[str, str],
        trigger: TriggeredBy | None,
        child: Child | None,
        scheduled: int | None,
        kind: ExecutionKind,
    ) -> Execution:
        now = self._clock.now()
        inherited = {} if child is None else child.inherited
        merged = {"system.correlationId": id, **compiled.flow.label_map(), **inherited, **labels}
        return Execution(
            id=id,
            namespace=compiled.flow.namespace,
            flow=compiled.flow.id,
            revision=compiled.plan.revision,
            history=(Change(Status.CREATED, now),),
            labels=tuple(Label(key, value) for key, value in merged.items()),
            trigger=trigger,
            original=id,
            created=now,
            caller=child.caller if child else None,
            scheduled=scheduled,
            kind=kind,
        )

    async def _exists(self, id: ExecutionId) -> bool:
        return bool(await self._store.executions.heads([id]))

    async def _moved(self, state: TriggerState) -> bool:
        """Whether what is stored of a trigger is not the state before this one."""
        try:
            stored = await self._store.triggers.get(*state.key)
        except NotFound:
            return True
        return stored.version != state.version - 1
