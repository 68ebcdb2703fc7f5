"""What an execution does of all that a Flow trigger waits for."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any, NamedTuple, Protocol

import regex

from engine.definition.labels import label_map
from engine.plugin import Condition, Seen, TaskError, holds_true
from plugins.core.condition import MultipleCondition
from triggers.flow import Dependency, Filter, Flow, Upstream, Where
from triggers.frames import frame_of, frame_of_second
from triggers.rules import Rule

REGEX_SECONDS = 0.05


class Seeing(Seen, Protocol):
    """What is seen of an execution that came to a state."""

    async def ask(self, source: Any) -> Any:
        """`when` of a dependency, rendered: it sees that execution by plain names. Raises ExpressionError."""
        ...


Matcher = Callable[[Seeing], Awaitable[bool]]


class Waited(NamedTuple):
    """A rule, and by its keys what tells whether an execution does that part of it."""

    rule: Rule
    matchers: Mapping[str, Matcher]

    async def matched(self, seeing: Seeing) -> list[str]:
        """The keys of what the execution does. Raises ExpressionError, TaskError where that can't be told."""
        return [key for key, matcher in self.matchers.items() if await matcher(seeing)]


def waited_of(plugin: Flow, conditions: Sequence[Condition], zone: tzinfo) -> list[Waited]:
    """All that a trigger waits for; the conditions that a single execution must fulfil are not among it."""
    found = [_of_condition(it, zone) for it in conditions if isinstance(it, MultipleCondition)]
    if plugin.preconditions is not None:
        found.append(_of_preconditions(plugin, zone))
    if plugin.depends_on:
        found.append(_of_dependencies(plugin, zone))
    return [waited for waited in found if waited.matchers]


def _of_condition(condition: MultipleCondition, zone: tzinfo) -> Waited:
    matchers: dict[str, Matcher] = {name: it.holds for name, it in condition.conditions.items()}
    frame = frame_of(condition.lies, zone)
    return Waited(Rule(condition.id, tuple(matchers), len(matchers), frame, condition.reset_on_success), matchers)


def _of_preconditions(plugin: Flow, zone: tzinfo) -> Waited:
    given = plugin.preconditions
    assert given is not None
    matchers: dict[str, Matcher] = {_key(flow): partial(_is_upstream, flow) for flow in given.flows or ()}
    matchers |= {f"where {where.id}": partial(_passes, where) for where in given.where or ()}
    frame = frame_of(given.time_window, zone)
    return Waited(Rule(given.id, tuple(matchers), len(matchers), frame, given.reset_on_success), matchers)


def _of_dependencies(plugin: Flow, zone: tzinfo) -> Waited:
    matchers: dict[str, Matcher] = {_key(it): partial(_is_dependency, it) for it in plugin.depends_on or ()}
    needed = {"ALL": len(matchers), "ANY": 1}.get(plugin.mode, plugin.min_satisfied or 1)
    resets = plugin.window is None or plugin.window.fire_once
    frame = frame_of_second(plugin.window, zone)
    return Waited(Rule("dependsOn", tuple(matchers), min(needed, len(matchers)), frame, resets), matchers)


def _key(upstream: Upstream) -> str:
    """What it says, so that it is the same wherever it stands."""
    return json.dumps(upstream.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True)


async def _is_upstream(wanted: Upstream, seeing: Seen) -> bool:
    execution = seeing.execution
    labels = label_map(wanted.labels)
    return (
        wanted.namespace in (None, execution.namespace)
        and wanted.flow_id in (None, execution.flow)
        and (wanted.states is None or execution.state in wanted.states)
        and all(execution.labels.get(key) == str(value) for key, value in labels.items())
    )


async def _is_dependency(wanted: Dependency, seeing: Seeing) -> bool:
    return await _is_upstream(wanted, seeing) and holds_true(await seeing.ask(wanted.when))


async def _passes(where: Where, seeing: Seen) -> bool:
    decisive = where.operand == "OR"
    for part in where.filters:
        if await _passes_filter(part, seeing) is decisive:
            return decisive
    return not decisive


async def _passes_filter(part: Filter, seeing: Seen) -> bool:
    execution = seeing.execution
    match part.field:
        case "FLOW_ID":
            own: Any = execution.flow
        case "NAMESPACE":
            own = execution.namespace
        case "STATE":
            own = execution.state
        case "EXPRESSION":
            own = await seeing.render(part.value)
    return _compared(part, None if own is None else str(own))


def _compared(part: Filter, own: str | None) -> bool:
    text, wanted = own or "", str(part.value)
    match part.type:
        case "IS_NULL":
            return not text
        case "IS_NOT_NULL":
            return bool(text)
        case "IS_TRUE":
            return text == "true"
        case "IS_FALSE":
            return text == "false"
        case "EQUAL_TO":
            return text == wanted
        case "NOT_EQUAL_TO":
            return text != wanted
        case "STARTS_WITH":
            return text.startswith(wanted)
        case "ENDS_WITH":
            return text.endswith(wanted)
        case "CONTAINS":
            return wanted in text
        case "REGEX":
            return _fits(wanted, text)
        case "IN":
            return text in [str(value) for value in part.values or ()]
        case "NOT_IN":
            return text not in [str(value) for value in part.values or ()]


def _fits(pattern: str, text: str) -> bool:
    try:
        return regex.fullmatch(pattern, text, timeout=REGEX_SECONDS) is not None
    except (regex.error, TimeoutError) as error:
        why = str(error) or "it takes too long"
        raise TaskError(f"The filter with the pattern '{pattern}' can't be told: {why}") from None
