"""Reads triggers. Starting executions by them is for the trigger host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.definition.annotations import as_texts, property_names
from engine.definition.collect import Collector
from engine.definition.conditions import read_conditions
from engine.definition.diagnostic import Path
from engine.definition.dialect import difference
from engine.definition.labels import Labels, check_labels
from engine.definition.plugins import find_plugin
from engine.definition.references import check_unique
from engine.definition.task import WorkerGroup
from engine.ids import derived_id
from engine.plugin.base import Trigger
from engine.plugin.conditions import Condition
from engine.plugin.index import Index
from engine.plugin.web import WebTrigger
from engine.state.status import Status

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class TriggerFields(BaseModel):
    """What every trigger may have."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)] = Field(
        description="Name of the trigger, unique in the flow."
    )
    type: str = Field(min_length=1, description="Full or short name of the plugin type.")
    version: str | None = Field(None, description="Version of the plugin; has no effect here.")
    description: str | None = Field(None, description="What the trigger is for, in Markdown.")
    disabled: bool = Field(False, description="Whether it starts nothing.")
    conditions: list[dict[str, Any]] | None = Field(None, description="Conditions that must all hold.")
    when: str | bool | None = Field(None, description="Expression that must hold; dialect 2.")
    inputs: dict[str, Any] | None = Field(None, description="Inputs of the executions.")
    labels: Labels | None = Field(None, description="Labels of the executions.")
    stop_after: list[Status] | None = Field(
        None, description="The trigger is switched off when an execution of its ends in one of these."
    )
    log_level: Level | None = Field(
        None, validation_alias=AliasChoices("logLevel", "minLogLevel"), description="Least level of its log lines."
    )
    log_to_file: bool = Field(False, description="Write its log to a file.")
    worker_group: WorkerGroup | None = Field(None, description="Which workers may evaluate it.")
    worker_selector: dict[str, Any] | None = Field(None, description="The same in dialect 2.")
    fail_on_trigger_error: bool = Field(False, description="Whether a failed evaluation makes a FAILED execution.")
    allow_concurrent: bool = Field(False, description="Whether it goes on while an execution of its runs.")
    assets: Any = Field(None, description="Has no effect here.")


class TriggerDefinition(NamedTuple):
    """A trigger as it is written in a flow.

    own: the properties of its type; plugin: the same as one value, None where templates have to be rendered before
    conditions: what must hold besides `when`
    dialect: 1 or 2, that of the flow
    fingerprint: differs when anything is written otherwise that matters
    """

    fields: TriggerFields
    type: str
    own: Mapping[str, Any]
    plugin: Trigger | None
    conditions: tuple[Condition, ...]
    fingerprint: str
    dialect: int = 1


COMMON = property_names(TriggerFields)
"""Names of the properties that every trigger may have."""


def read_triggers(raw: Any, collector: Collector, index: Index, dialect: int) -> tuple[TriggerDefinition, ...]:
    """The triggers, after reporting all that is wrong with them, and those that start nothing yet."""
    items = raw if isinstance(raw, list) else []
    check_unique(raw, ("triggers",), "trigger id", collector)
    check_preconditions(raw, collector)
    read = [
        _read(item, ("triggers", place), collector, index, dialect) if isinstance(item, dict) else None
        for place, item in enumerate(items)
    ]
    _check_keys(read, collector)
    return tuple(trigger for trigger in read if trigger is not None)


def _check_keys(read: Sequence[TriggerDefinition | None], collector: Collector) -> None:
    """Report requests that would be for two triggers."""
    first: dict[str, int] = {}
    for place, trigger in enumerate(read):
        if trigger is None or not isinstance(trigger.plugin, WebTrigger):
            continue
        if trigger.plugin.key in first:
            other = collector.line(("triggers", first[trigger.plugin.key]))
            text = f"is the key of another trigger too, on line {other}: nobody could tell which one is meant"
            collector.error(("triggers", place, "key"), text, "duplicate-key")
        else:
            first[trigger.plugin.key] = place


def _read(
    item: dict[str, Any], path: Path, collector: Collector, index: Index, dialect: int
) -> TriggerDefinition | None:
    """One trigger, None where it is mistaken or nothing can start by it."""
    common = {name: value for name, value in item.items() if name in COMMON}
    common = as_texts((TriggerFields,), common, path, collector.text)
    fields = collector.validate(TriggerFields, common, path, rendered=True)
    check_labels(item.get("labels"), (*path, "labels"), collector, end=".")
    _dialect_of(item, path, collector, dialect)
    type = item.get("type")
    if not isinstance(type, str) or not type:
        return None
    place = (*path, "type")
    plugin = find_plugin(index, type, place, collector, required=index.holds(type))
    if plugin is None:
        if not index.holds(type):
            collector.warn(place, f"{type} is not installed, so that nothing is started by it", "no-effect")
        return None
    if not issubclass(plugin, Trigger):
        collector.error(place, f"Invalid type: {type} is not a trigger", "unknown-type")
        return None
    if not plugin.starts:
        text = f"this version does not start executions by {type}; run the flow by hand"
        collector.warn(place, text, "no-effect")
    names = property_names(plugin)
    own = {name: value for name, value in item.items() if name not in COMMON or name in names}
    own = as_texts((plugin,), own, path, collector.text)
    made = collector.validate(plugin, own, path, rendered=True, also=tuple(sorted(COMMON)))
    for below, text in plugin.diagnose(item):
        collector.error((*path, *below), text, "trigger")
    for text in plugin.warn(item):
        collector.warn(path, text, "trigger")
    names = ("conditions", "scheduleConditions")
    conditions = [read_conditions(item.get(name), (*path, name), collector, index) for name in names]
    if fields is None:
        return None
    return TriggerDefinition(
        fields,
        index.canonical(type),
        own,
        made,
        tuple(it for them in conditions for it in them),
        _fingerprint(item),
        dialect,
    )


def _fingerprint(item: Mapping[str, Any]) -> str:
    matters = {name: value for name, value in item.items() if name != "description"}
    return derived_id(json.dumps(matters, sort_keys=True, default=str))


def _dialect_of(item: dict[str, Any], path: Path, collector: Collector, dialect: int) -> None:
    for name in item:
        row = difference("trigger", name)
        if row is None or row.only == dialect:
            continue
        instead = f", write '{row.instead}'" if row.instead else ""
        if row.only == 2:
            collector.error((*path, name), f"exists in dialect 2 only{instead}", "dialect", key=True)
        else:
            collector.warn((*path, name), f"is of dialect 1{instead}", "dialect", key=True)


def check_preconditions(raw: Any, collector: Collector) -> None:
    """Report preconditions of several triggers that have the same id: they would share a window."""
    first: dict[str, int] = {}
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        found = item.get("preconditions") if isinstance(item, dict) else None
        id = found.get("id") if isinstance(found, dict) else None
        if not isinstance(id, str):
            continue
        path = ("triggers", place, "preconditions", "id")
        if id in first:
            text = f"Duplicate preconditions with id [{id}], it stands first on line {first[id]}"
            collector.error(path, text, "duplicate-id")
        else:
            first[id] = collector.line(path)
