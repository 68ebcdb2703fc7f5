"""Values for the declared inputs of a flow."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.definition.coerce import TEXT_TYPES, Seal, shown
from engine.definition.declared import Input
from engine.definition.forms import Leaf, in_order, leaves
from engine.definition.input_values import checked_value
from engine.definition.templates import holds_template
from engine.errors import ExpressionError, InvalidInputs, StorageError
from engine.plugin.several import causes
from engine.state.sealed import SHOWN

Render = Callable[[Any, Mapping[str, Any]], Awaitable[Any]]
SaveFile = Callable[[str, str, bool], Awaitable[str]]


class Upload(str):
    """The local path of a file that was handed in for an input."""

    __slots__ = ()


class InputState(NamedTuple):
    """What is known of one input before there is an execution.

    input: as declared, under its full id
    value: what it would be; what was given, where that is wrong; stars for a SECRET
    enabled: whether it is asked for at all
    is_default: whether the value is the flow's, for none was given
    errors: what is wrong with it
    choices: what can be chosen
    """

    input: Input
    value: Any = None
    enabled: bool = True
    is_default: bool = False
    errors: tuple[str, ...] = ()
    choices: tuple[str, ...] | None = None


async def resolve_inputs(
    declared: Sequence[Input] | None,
    given: Mapping[str, Any],
    *,
    render: Render,
    save_file: SaveFile,
    seal: Seal,
) -> dict[str, Any]:
    """The inputs of an execution: every declared one that is enabled, nested on the dots of the ids.

    given: values by input id, as text or of their type; what is not declared is ignored
    render: an expression and the inputs known so far to a value of any type
    save_file: an input id, a local path or URI, and whether it is the flow's own, to the URI in internal storage
    seal: encrypts the text of a SECRET
    Raises InvalidInputs with every problem.
    """
    resolver = _Resolver(given, render, save_file, seal)
    found = list(leaves(declared or ()))
    for leaf in in_order(found):
        await resolver.resolve(leaf)
    problems = {id: "\n".join(state.errors) for id, state in resolver.states.items() if state.errors}
    if problems:
        raise InvalidInputs(problems)
    return nested(resolver.values, [leaf.id for leaf in found])


async def preview_inputs(
    declared: Sequence[Input] | None, given: Mapping[str, Any], *, render: Render, seal: Seal
) -> list[InputState]:
    """What would become of the inputs, in the order of the flow. No file is stored."""
    resolver = _Resolver(given, render, _keep_file, seal)
    found = list(leaves(declared or ()))
    for leaf in in_order(found):
        await resolver.resolve(leaf)
    return [_shown(resolver.states[leaf.id]) for leaf in found]


async def _keep_file(id: str, source: str, own: bool) -> str:
    return source


def _shown(state: InputState) -> InputState:
    secret = state.input.type == "SECRET" and state.value is not None
    return state._replace(value=SHOWN) if secret else state


def nested(values: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Values by dotted id as nested maps."""
    result: dict[str, Any] = {}
    for id in order:
        if id not in values:
            continue
        *above, last = id.split(".")
        place = result
        for step in above:
            below = place.get(step)
            if not isinstance(below, dict):
                below = place[step] = {}
            place = below
        place[last] = values[id]
    return result


class _Resolver:
    """Values found so far, and what is known of each input by its id."""

    def __init__(self, given: Mapping[str, Any], render: Render, save_file: SaveFile, seal: Seal) -> None:
        self.values: dict[str, Any] = {}
        self.states: dict[str, InputState] = {}
        self._given = given
        self._render_value = render
        self._save_file = save_file
        self._seal = seal

    async def resolve(self, leaf: Leaf) -> None:
        item = leaf.input
        state = InputState(item)
        try:
            if not await self._enabled(leaf):
                self.states[item.id] = state._replace(enabled=False, value=self._value(item.id))
                return
        except ExpressionError as error:
            self.states[item.id] = state._replace(enabled=False, errors=(f"Invalid condition: {error}",))
            return
        try:
            choices = await self._choices(item)
            value, is_default = await self._candidate(item, choices)
            state = state._replace(value=value, is_default=is_default, choices=choices)
            if value is None and item.required:
                state = state._replace(errors=(f"Missing required input:{item.id}",))
            value = None if value is None else await self._checked(item, value, choices, is_default)
            self.values[item.id] = value
            state = state._replace(value=value)
        except (ValueError, ExpressionError, StorageError) as error:
            state = state._replace(
                errors=tuple(f"Invalid value for input `{item.id}`. Cause: {cause}" for cause in causes(error))
            )
        self.states[item.id] = state

    async def _enabled(self, leaf: Leaf) -> bool:
        for id in leaf.waits_for:
            state = self.states.get(id)
            if state is not None and (not state.enabled or state.errors):
                return False
        for gate in leaf.gates:
            if gate.condition is not None and await self._render(gate.condition) not in (True, "true"):
                return False
        return True

    async def _choices(self, item: Input) -> tuple[str, ...] | None:
        if item.expression is None:
            return item.choices
        try:
            found = await self._render(item.expression)
        except ExpressionError as error:
            raise ValueError(f"Cannot render 'expression'. Cause: {error}") from None
        if isinstance(found, str):
            found = _list_or_text(found)
        if not isinstance(found, list | tuple):
            kind = type(found).__name__
            raise ValueError(f"Invalid expression result. Expected a list of strings, but received {kind}")
        return tuple(value if isinstance(value, str) else json.dumps(value) for value in found if value is not None)

    async def _candidate(self, item: Input, choices: tuple[str, ...] | None) -> tuple[Any, bool]:
        """What was given, or what the flow says instead; and whether it is the latter."""
        value = self._value(item.id)
        if value is not None and not (value == "" and item.type not in TEXT_TYPES):
            return value, False
        if item.defaults is not None:
            return await self._render(item.defaults), True
        if item.auto_select_first and choices:
            return ([choices[0]] if item.type == "MULTISELECT" else choices[0]), True
        return None, False

    def _value(self, id: str) -> Any:
        """A value that was given by its full id, or in maps as expressions see it."""
        if id in self._given:
            return self._given[id]
        place: Any = self._given
        for step in id.split("."):
            place = place.get(step) if isinstance(place, Mapping) else None
        return place

    async def _checked(self, item: Input, value: Any, choices: tuple[str, ...] | None, own: bool) -> Any:
        if item.type == "FILE":
            return await self._file(item, value, own)
        if isinstance(value, Upload):
            raise ValueError(f"only inputs of type FILE take a file, but it is of type {item.type}")
        checked = checked_value(item, value, choices)
        return self._seal(checked) if item.type == "SECRET" else checked

    async def _file(self, item: Input, value: Any, own: bool) -> str:
        if not isinstance(value, str):
            raise ValueError(f"it must be a path or a URI of a file, but is {shown(value)}")
        allowed = item.allowed_file_extensions
        if allowed and not value.lower().endswith(tuple(ending.lower() for ending in allowed)):
            raise ValueError(f"the name of the file must end in {' or '.join(allowed)}")
        return await self._save_file(item.id, value, own)

    async def _render(self, value: Any) -> Any:
        if not holds_template(value):
            return value
        return await self._render_value(value, nested(self.values, list(self.values)))


def _list_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
