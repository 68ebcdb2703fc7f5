"""Checks the shape of triggers. Starting executions by them is for the trigger host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.dialect import difference
from engine.definition.labels import Labels
from engine.definition.plugins import find_plugin
from engine.definition.references import check_unique
from engine.plugin.base import Trigger
from engine.plugin.index import FAMILY, Index


class TriggerFields(BaseModel):
    """What every trigger may have."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)]
    type: str = Field(min_length=1)
    description: str | None = None
    disabled: bool = False
    inputs: dict[str, Any] | None = None
    labels: Labels | None = None


COMMON = (
    "id", "type", "version", "description", "disabled", "conditions", "when", "inputs", "labels", "stopAfter",
    "logLevel", "minLogLevel", "logToFile", "workerGroup", "workerSelector", "failOnTriggerError", "allowConcurrent",
    "assets",
)  # fmt: skip
"""Names of the properties that every trigger may have."""

KNOWN: Mapping[str, str] = {
    "core.trigger.Schedule": "cron timezone withSeconds lateMaximumDelay recoverMissedSchedules scheduleConditions "
    "backfill interval",
    "core.trigger.ScheduleOnDates": "dates timezone recoverMissedSchedules lateMaximumDelay",
    "core.trigger.Webhook": "key wait returnOutputs responseContentType responseCode dedupe strict keepRaw",
    "core.trigger.Flow": "preconditions dependsOn window states waitForAllRetries",
}
"""Own properties of the triggers that most flows use, for finding misspelt ones."""


def check_triggers(raw: Any, collector: Collector, index: Index, dialect: int) -> None:
    """Report wrong shapes, ids that stand twice, misspelt properties, and that triggers don't fire yet."""
    items = raw if isinstance(raw, list) else []
    check_unique(raw, ("triggers",), "trigger id", collector)
    for place, item in enumerate(items):
        if isinstance(item, dict):
            _check(item, ("triggers", place), collector, index, dialect)
    if items:
        text = "this version does not start executions by triggers; run the flow by hand"
        collector.warn(("triggers",), text, "no-effect", key=True)


def _check(item: dict[str, Any], path: Path, collector: Collector, index: Index, dialect: int) -> None:
    collector.validate(TriggerFields, item, path)
    for name in item:
        row = difference("trigger", name)
        if row is not None and row.only == 2 and dialect == 1:
            collector.error((*path, name), f"exists in dialect 2 only, write '{row.instead}'", "dialect", key=True)
    type = item.get("type")
    if not isinstance(type, str):
        return
    own = KNOWN.get(index.canonical(type).removeprefix(FAMILY))
    if own is not None:
        known = (*COMMON, *own.split())
        for name in item:
            if name not in known:
                collector.unknown_property((*path, name), known)
        return
    plugin = find_plugin(index, type, (*path, "type"), collector, required=False)
    if plugin is not None and not issubclass(plugin, Trigger):
        collector.error((*path, "type"), f"{type} is not a trigger", "unknown-type")
