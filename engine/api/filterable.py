"""What lists may be filtered by: operators and values of each field, and the fields of each resource.

A resource's fields map the name in the API to the condition on its rows that it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from engine.clock import SystemClock, to_millis
from engine.durations import parse_duration
from engine.state.execution import ExecutionKind
from engine.state.status import Status
from engine.store.conditions import OPPOSITES, Condition, Group, Node, Op

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
SYSTEM = "system"
"""The namespace of what SYSTEM flows do."""

EQUAL = frozenset({Op.EQUALS, Op.NOT_EQUALS})
LISTED = EQUAL | {Op.IN, Op.NOT_IN}
PARTS = LISTED | {Op.CONTAINS, Op.NOT_CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH}
NAMES = PARTS | {Op.REGEX, Op.PREFIX}
ORDERED = frozenset({Op.GREATER_THAN, Op.LESS_THAN, Op.GREATER_THAN_OR_EQUAL_TO, Op.LESS_THAN_OR_EQUAL_TO})
NULL = frozenset({Op.IS_NULL, Op.IS_NOT_NULL})

Value = str | int
Read = Callable[[str], Value]


def _text(text: str) -> Value:
    return text


def _number(text: str) -> Value:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _date(text: str) -> Value:
    # A plus sign that was not encoded arrives as a space.
    try:
        date = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
    except ValueError:
        raise ValueError("a date as 2030-01-31T10:00:00Z") from None
    return to_millis(date if date.tzinfo else date.replace(tzinfo=UTC))


def _back(text: str) -> Value:
    return SystemClock().now() - parse_duration(text)


def _one_of(*known: str) -> Read:
    def read(text: str) -> Value:
        if text.upper() not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return text.upper()

    return read


def _kind(text: str) -> Value:
    # Clients know the usual kind by this name, too.
    return _one_of(*ExecutionKind)("NORMAL" if text.upper() == "DEFAULT" else text)


class Field(NamedTuple):
    """A field of filters: its operators, and how a value of it is read. That raises ValueError with what is right."""

    ops: frozenset[Op]
    read: Read = _text


FIELDS: Mapping[str, Field] = {
    "q": Field(EQUAL),
    "scope": Field(LISTED, _one_of("USER", "SYSTEM")),
    "childFilter": Field(EQUAL, _one_of("CHILD", "MAIN")),
    "existingOnly": Field(EQUAL, _one_of("TRUE", "FALSE")),
    "level": Field(EQUAL, _one_of(*LEVELS)),
    "version": Field(EQUAL, _number),
    "triggerState": Field(EQUAL, _one_of("ENABLED", "DISABLED")),
    "namespace": Field(NAMES),
    "flowId": Field(NAMES),
    "labels": Field(LISTED | {Op.CONTAINS, Op.NOT_CONTAINS} | NULL),
    "startDate": Field(ORDERED | EQUAL, _date),
    "endDate": Field(ORDERED | EQUAL, _date),
    "updated": Field(ORDERED | EQUAL, _date),
    "timeRange": Field(frozenset({Op.EQUALS}), _back),
    "state": Field(LISTED, _one_of(*Status)),
    "kind": Field(LISTED, _kind),
    "triggerId": Field(PARTS | NULL),
    "executionId": Field(PARTS),
    "id": Field(PARTS),
    "workerId": Field(PARTS),
    "triggerExecutionId": Field(PARTS | NULL),
    "taskId": Field(PARTS),
    "taskRunId": Field(PARTS),
    "attemptNumber": Field(EQUAL | ORDERED, _number),
    "flowRevision": Field(LISTED | ORDERED, _number),
    "path": Field(EQUAL | {Op.IN}),
    "parentPath": Field(EQUAL | {Op.IN, Op.STARTS_WITH}),
}

# Parameters of earlier versions: the field and the operator that each stands for.
LEGACY: Mapping[str, tuple[str, Op]] = {
    "q": ("q", Op.EQUALS),
    "scope": ("scope", Op.IN),
    "namespace": ("namespace", Op.PREFIX),
    "flowId": ("flowId", Op.EQUALS),
    "startDate": ("startDate", Op.GREATER_THAN_OR_EQUAL_TO),
    "endDate": ("endDate", Op.LESS_THAN_OR_EQUAL_TO),
    "timeRange": ("timeRange", Op.EQUALS),
    "state": ("state", Op.IN),
    "labels": ("labels", Op.EQUALS),
    "triggerExecutionId": ("triggerExecutionId", Op.EQUALS),
    "childFilter": ("childFilter", Op.EQUALS),
    "triggerId": ("triggerId", Op.EQUALS),
    "workerId": ("workerId", Op.EQUALS),
    "minLevel": ("level", Op.EQUALS),
    "existing": ("existingOnly", Op.EQUALS),
}

Make = Callable[[Condition], Node]


def to(column: str) -> Make:
    """A field that is a column of the same values."""
    return lambda given: msgspec.structs.replace(given, field=column)


def since(column: str) -> Make:
    """A field that says how far to go back in a column of dates."""
    return lambda given: Condition(column, Op.GREATER_THAN_OR_EQUAL_TO, given.values)


def scope(column: str) -> Make:
    """USER or SYSTEM, which a column of namespaces tells."""

    def make(given: Condition) -> Node:
        wanted = {str(value) for value in given.values}
        if given.op in OPPOSITES:
            wanted = {"USER", "SYSTEM"} - wanted
        if len(wanted) != 1:
            return Group((), any=not wanted)
        return Condition(column, Op.EQUALS if "SYSTEM" in wanted else Op.NOT_EQUALS, (SYSTEM,))

    return make


def child(column: str) -> Make:
    """CHILD or MAIN, which a column of callers tells."""

    def make(given: Condition) -> Node:
        is_child = ("CHILD" in given.values) is (given.op not in OPPOSITES)
        return Condition(column, Op.IS_NOT_NULL if is_child else Op.IS_NULL)

    return make


def level(column: str) -> Make:
    """A level and all that are more severe."""

    def make(given: Condition) -> Node:
        wanted = LEVELS[min(LEVELS.index(str(value)) for value in given.values) :]
        return Condition(column, Op.NOT_IN if given.op in OPPOSITES else Op.IN, wanted)

    return make


class Filterable(NamedTuple):
    """What a resource may be filtered by: the condition that stands for each field."""

    name: str
    fields: Mapping[str, Make]


EXECUTION = Filterable(
    "an execution",
    {
        "q": to("words"),
        "scope": scope("namespace"),
        "namespace": to("namespace"),
        "flowId": to("flow"),
        "id": to("id"),
        "executionId": to("id"),
        # Both are about when it was created, as in the language's own server.
        "startDate": to("created"),
        "endDate": to("created"),
        "timeRange": since("created"),
        "state": to("state"),
        "labels": to("labels"),
        "kind": to("kind"),
        "triggerExecutionId": to("starter"),
        "triggerId": to("trigger"),
        "childFilter": child("starter"),
        "flowRevision": to("revision"),
    },
)
FLOW = Filterable(
    "a flow",
    {
        "q": to("words"),
        "scope": scope("namespace"),
        "namespace": to("namespace"),
        "flowId": to("id"),
        "labels": to("labels"),
    },
)
LOG = Filterable(
    "a log line",
    {
        "q": to("words"),
        "scope": scope("namespace"),
        "namespace": to("namespace"),
        "flowId": to("flow"),
        "executionId": to("execution"),
        "taskId": to("task"),
        "taskRunId": to("task_run"),
        "triggerId": to("trigger"),
        "attemptNumber": to("attempt"),
        "level": level("level"),
        "startDate": to("at"),
        "endDate": to("at"),
        "timeRange": since("at"),
    },
)
TRIGGER = Filterable(
    "a trigger",
    {
        "q": to("words"),
        "scope": scope("namespace"),
        "namespace": to("namespace"),
        "flowId": to("flow"),
        "triggerId": to("id"),
        "workerId": to("worker"),
        "triggerState": to("state"),
        "startDate": to("next"),
        "endDate": to("next"),
    },
)
KV = Filterable("a key", {"q": to("words"), "namespace": to("namespace"), "updated": to("updated")})
SECRET = Filterable("a secret", {"q": to("words"), "namespace": to("namespace")})
NAMESPACE = Filterable("a namespace", {"q": to("words"), "namespace": to("namespace"), "existingOnly": to("existing")})
NAMESPACE_FILE = Filterable(
    "a namespace file",
    {
        "q": to("words"),
        "namespace": to("namespace"),
        "path": to("path"),
        "parentPath": to("parent"),
        "version": to("version"),
        "updated": to("updated"),
    },
)
