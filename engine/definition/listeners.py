"""Listeners: tasks that run after the end of an execution, where their conditions hold. Old."""

from __future__ import annotations

from typing import Any

from engine.definition.collect import Collector
from engine.definition.conditions import read_conditions
from engine.definition.task import Task
from engine.definition.tasks import TaskReader
from engine.executor.after import listener
from engine.plugin.conditions import Condition
from engine.plugin.index import Index


def read_listeners(
    raw: Any, reader: TaskReader, collector: Collector, index: Index
) -> tuple[dict[str, tuple[Task, ...]], tuple[tuple[Condition, ...], ...]]:
    """The tasks of all listeners by branch, and their conditions in the same order."""
    items = raw if isinstance(raw, list) else []
    branches: dict[str, tuple[Task, ...]] = {}
    conditions: list[tuple[Condition, ...]] = []
    for place, item in enumerate(items):
        given = item if isinstance(item, dict) else {}
        path = ("listeners", place)
        branches[listener(place)] = reader.branch(given.get("tasks"), (*path, "tasks"))
        conditions.append(read_conditions(given.get("conditions"), (*path, "conditions"), collector, index))
    if items:
        collector.warn(
            ("listeners",), "are old: write the tasks in `afterExecution`, with `runIf`", "deprecated", key=True
        )
    return branches, tuple(conditions)
