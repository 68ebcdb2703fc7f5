"""Starts executions for what triggers have seen, each once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from engine.clock import Clock
from engine.definition.collect import misfits
from engine.definition.diagnostic import path_text
from engine.definition.labels import label_map
from engine.definition.templates import holds_template
from engine.definition.triggers import TriggerDefinition
from engine.errors import ExpressionError, NotFound, TaskError
from engine.executor.lanes import truthy
from engine.expressions.masks import masked
from engine.ids import ExecutionId, derived_id
from engine.plugin.base import Plugin, Trigger
from engine.plugin.conditions import Condition, Seen, Subject
from engine.plugin.index import Index
from engine.runtime.actions.control import Control
from engine.runtime.actions.creation import Child
from engine.runtime.flows.plans import Compiled, Plans
from engine.runtime.keeping.logs import LogPump
from engine.runtime.rendering.conditions import Sight
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.places import placed
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.variables import Variables, View
from engine.state.execution import Change, Execution, Label, TriggeredBy
from engine.state.ledger import Consumed
from engine.state.record import Record
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.rows import Evaluation, Outcome


class Event(NamedTuple):
    """Something that a trigger has seen.

    key: tells it from everything else that this trigger ever sees; of one key there is one execution
    variables: what expressions see as `trigger.*`
    inputs, labels: besides those that are written at the trigger
    scheduled: the date that it was for, in milliseconds
    lacking: the execution goes without required inputs that nobody gives
    """

    key: str
    variables: Mapping[str, Any]
    inputs: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}
    scheduled: int | None = None
    lacking: bool = False
    date: int | None = None


class Loaded(NamedTuple):
    """A trigger and the flow that it is written in, as they are now."""

    compiled: Compiled
    definition: TriggerDefinition


class Firing:
    """What triggers ask of the engine."""

    def __init__(
        self,
        control: Control,
        plans: Plans,
        index: Index,
        renderer: Renderer,
        look_ups: LookUps,
        clock: Clock,
        logs: LogPump,
    ) -> None:
        self._logs = logs
        self._control = control
        self._index = index
        self._plans = plans
        self._renderer = renderer
        self._look_ups = look_ups
        self._clock = clock

    async def load(self, namespace: str, flow: str, id: str) -> Loaded:
        """A trigger by its name. Raises NotFound, InvalidFlow."""
        compiled = await self._plans.get(namespace, flow)
        definitions: tuple[TriggerDefinition, ...] = compiled.flow.trigger_definitions
        for definition in definitions:
            if definition.fields.id == id:
                return Loaded(compiled, definition)
        self._plans.outdated(namespace, flow)
        raise NotFound("trigger", id, f"the flow {namespace}.{flow} has none of this id any more")

    async def load_all(self, namespace: str, flow: str) -> list[Loaded]:
        """The triggers of a flow. Raises NotFound, InvalidFlow."""
        compiled = await self._plans.get(namespace, flow)
        return [Loaded(compiled, definition) for definition in compiled.flow.trigger_definitions]

    async def render(self, loaded: Loaded, source: Any, variables: Mapping[str, Any] | None = None) -> Any:
        """A text of a trigger with its templates rendered. Raises ExpressionError."""
        return await self._scene(loaded, variables or {}).render(source)

    async def state_of(self, id: ExecutionId) -> Status | None:
        """How it is with an execution; None where there is none."""
        found = await self._control.heads([id])
        return found[0].state if found else None

    def outdated(self, namespace: str, flow: str) -> None:
        """Another process may have stored a flow anew."""
        self._plans.outdated(namespace, flow)

    def plugin(self, name: str) -> type[Plugin] | None:
        """The class of a trigger's type, None where it isn't installed."""
        try:
            return self._index.find(name)
        except NotFound:
            return None

    async def holds(self, loaded: Loaded, variables: Mapping[str, Any], subject: Subject | None = None) -> bool:
        """Whether the conditions of a trigger and its `when` hold.

        variables: what they see as `trigger.*`; subject: the execution that they are about
        Raises ExpressionError, TaskError where that can't be told.
        """
        fields = loaded.definition.fields
        if not loaded.definition.conditions and fields.when is None:
            return True
        scene = self._scene(loaded, variables)
        flow = loaded.compiled.flow
        sight = Sight(flow.namespace, flow.id, scene.render, subject)
        return await told(loaded.definition.conditions, sight) and await scene.holds(fields.when)

    async def wants(self, loaded: Loaded, variables: Mapping[str, Any]) -> bool:
        """Whether `when` holds, conditions aside. Raises ExpressionError."""
        return await self._scene(loaded, variables).holds(loaded.definition.fields.when)

    async def conditions_hold(self, loaded: Loaded) -> bool:
        """Whether the conditions hold before anything was seen, `when` aside. Raises as `holds`."""
        flow, scene = loaded.compiled.flow, self._scene(loaded, {})
        return await told(loaded.definition.conditions, Sight(flow.namespace, flow.id, scene.render, None))

    async def built(self, loaded: Loaded) -> tuple[Trigger, set[str]]:
        """A trigger with its properties rendered, and the secrets among them. Raises ExpressionError, TaskError."""
        definition = loaded.definition
        if definition.plugin is not None and not holds_template(dict(definition.own)):
            return definition.plugin, set()
        plugin = self._index.find(definition.type)
        scene = self._scene(loaded, {})
        own = {name: await scene.named(name, value) for name, value in definition.own.items()}
        try:
            return cast(Trigger, plugin.model_validate(own)), scene.masks
        except ValidationError as error:
            wrong = "; ".join(f"{path_text(path)}: {text}" for path, text in misfits(own, error))
            raise TaskError(masked(f"Properties don't fit after rendering: {wrong}", scene.masks)) from None

    async def about(self, loaded: Loaded, record: Record, variables: Mapping[str, Any]) -> Scene:
        """What the templates of a trigger see that follows an execution of another flow: that one, with its own rights.

        Raises NotFound and InvalidFlow where the flow of that execution is no more what it was.
        """
        of = record.execution
        upstream = View((await self._plans.get(of.namespace, of.flow, of.revision)).plan, record)
        return self._scene(loaded, variables, upstream)

    async def fire(
        self,
        loaded: Loaded,
        event: Event,
        state: TriggerState | None = None,
        scene: Scene | None = None,
        consumed: Sequence[Consumed] = (),
    ) -> Execution:
        """Start the execution of an event; returns when it is committed.

        state, consumed: the next one of the trigger, items that it detected; stored with the execution or not at all
        scene: what inputs and labels see, if not only the event
        Raises Conflict where that execution exists or another state is stored, and as `Control.create` does.
        """
        definition = loaded.definition
        scene = scene or self._scene(loaded, event.variables)
        given = await scene.named("inputs", dict(definition.fields.inputs or {}))
        return await self._create(loaded, event, state, given, await self._labels(loaded, scene), consumed=consumed)

    async def fail(self, loaded: Loaded, event: Event, why: str, state: TriggerState | None = None) -> Execution:
        """Create the execution of an event as one that FAILED, for the reason given. Raises as `fire`."""
        return await self._create(loaded, event, state, {}, {}, why)

    async def _create(
        self,
        loaded: Loaded,
        event: Event,
        state: TriggerState | None,
        inputs: Mapping[str, Any],
        labels: Mapping[str, str],
        failure: str | None = None,
        consumed: Sequence[Consumed] = (),
    ) -> Execution:
        flow, definition = loaded.compiled.flow, loaded.definition
        began = self._clock.now()
        made = await self._control.create(
            flow.namespace,
            flow.id,
            inputs={**inputs, **event.inputs},
            labels={**labels, **event.labels},
            trigger=TriggeredBy(definition.fields.id, definition.type, dict(event.variables)),
            child=Child(execution_of(loaded, event), {}, None),
            scheduled=event.scheduled,
            here=False,
            state=state,
            failure=failure,
            lacking=event.lacking,
            consumed=consumed,
        )
        key = (flow.namespace, flow.id, definition.fields.id)
        self.note(key, Outcome.FIRED, failure, event.date, execution=made.id, began=began)
        return made

    def note(
        self,
        key: tuple[str, str, str],
        outcome: Outcome,
        detail: str | None = None,
        date: int | None = None,
        *,
        execution: ExecutionId | None = None,
        began: int | None = None,
    ) -> None:
        """Keep what came of looking at a trigger, for whoever asks. See `Evaluation`."""
        now = self._clock.now()
        took = 0 if began is None else now - began
        self._logs.evaluation(Evaluation(now, took, *key, outcome, detail, date, execution))

    async def _labels(self, loaded: Loaded, scene: Scene) -> dict[str, str]:
        """The labels that are written at the trigger, without those that can't be rendered."""
        found = {}
        for key, value in label_map(loaded.definition.fields.labels).items():
            try:
                found[key] = str(await scene.named(f"labels.{key}", value) or "")
            except ExpressionError as error:
                name = f"{loaded.compiled.flow.namespace}.{loaded.compiled.flow.id}.{loaded.definition.fields.id}"
                logging.getLogger("tidegate").warning("Trigger %s: the label is left out: %s", name, error)
        return found

    def _scene(self, loaded: Loaded, variables: Mapping[str, Any], upstream: View | None = None) -> Scene:
        flow, definition = loaded.compiled.flow, loaded.definition
        defaults = {it.id: it.defaults for it in flow.inputs or () if it.defaults is not None}
        trigger = {"id": definition.fields.id, "type": definition.type, **variables}
        execution = Execution(
            id=ExecutionId(""),
            namespace=flow.namespace,
            flow=flow.id,
            revision=loaded.compiled.plan.revision,
            history=(Change(Status.CREATED, self._clock.now()),),
            inputs={id: value for id, value in defaults.items() if not holds_template(value)},
            labels=tuple(Label(key, value) for key, value in flow.label_map().items()),
            trigger=TriggeredBy(definition.fields.id, definition.type, trigger),
        )
        own = View(loaded.compiled.plan, Record(execution))
        if upstream is None:
            return Scene(self._renderer, self._look_ups, execution, own.of_flow())
        seen = upstream.of_flow().extended({"flow": own.flow(), "trigger": own.trigger()})
        return Scene(self._renderer, self._look_ups, execution, seen)


class Scene:
    """What the templates of a trigger see."""

    def __init__(self, renderer: Renderer, look_ups: LookUps, execution: Execution, variables: Variables) -> None:
        self._renderer = renderer
        self._variables = variables
        self._look_up = look_ups.for_execution(execution, variables)
        self.masks: set[str] = set()

    def seeing(self, extra: Mapping[str, Any]) -> Scene:
        """The same with more names; these win."""
        more = copy(self)
        more._variables = self._variables.extended(extra)
        return more

    async def holds(self, when: str | bool | None) -> bool:
        """Whether a `when` holds, if there is one. Raises ExpressionError."""
        return when is None or truthy(await self.named("when", when))

    async def render(self, source: Any) -> Any:
        """Raises ExpressionError, which shows no secret."""
        try:
            return await self._renderer.render(source, self._variables, look_up=self._look_up, masks=self.masks)
        except ExpressionError as error:
            error.args = (masked(str(error), self.masks),)
            raise

    async def named(self, name: str, source: Any) -> Any:
        """The same; the error says that it is the property of this name."""
        try:
            return await self.render(source)
        except ExpressionError as error:
            raise ExpressionError(placed(error, source, name)) from None


async def told(conditions: Iterable[Condition], sight: Seen) -> bool:
    """Whether all conditions hold. Raises TaskError where that can't be told."""
    for condition in conditions:
        try:
            if not await condition.holds(sight):
                return False
        except (ExpressionError, TaskError) as error:
            raise TaskError(f"The condition {type(condition).__name__} can't be told: {error}") from None
    return True


def execution_of(loaded: Loaded, event: Event) -> ExecutionId:
    """Id of the execution of an event; the same for the same event, whoever asks."""
    flow = loaded.compiled.flow
    return ExecutionId(derived_id("trigger", flow.namespace, flow.id, loaded.definition.fields.id, event.key))
