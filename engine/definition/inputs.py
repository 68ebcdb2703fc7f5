"""Values for the declared inputs of a flow."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import regex

from engine.definition.coerce import TEXT_TYPES, Seal, coerce, coerce_list, order_key, shown
from engine.definition.declared import Input
from engine.definition.templates import holds_template
from engine.errors import ExpressionError, InvalidInputs, StorageError

Render = Callable[[Any, Mapping[str, Any]], Awaitable[Any]]
SaveFile = Callable[[str, str], Awaitable[str]]

PATTERN_SECONDS = 1.0


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
    save_file: an input id and a local path or URI to the URI in internal storage
    seal: encrypts the text of a SECRET
    Raises InvalidInputs with every problem.
    """
    resolver = _Resolver(given, render, save_file, seal)
    for item in in_order(declared or ()):
        await resolver.resolve(item)
    if resolver.problems:
        raise InvalidInputs(resolver.problems)
    return nested(resolver.values, [item.id for item in declared or ()])


def in_order(declared: Sequence[Input]) -> Iterator[Input]:
    """Inputs so that each comes after those it depends on; else as declared."""
    by_id = {item.id: item for item in declared}
    done: set[str] = set()
    for first in declared:
        todo = [first]
        opened: set[str] = set()
        while todo:
            item = todo[-1]
            waits = [by_id[id] for id in _dependencies(item) if id in by_id and id not in done and id not in opened]
            opened.add(item.id)
            if waits:
                todo.extend(reversed(waits))
                continue
            todo.pop()
            if item.id not in done:
                done.add(item.id)
                yield item


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


def _dependencies(item: Input) -> tuple[str, ...]:
    return item.depends_on.inputs if item.depends_on else ()


class _Resolver:
    """Values found so far, and problems by input id."""

    def __init__(self, given: Mapping[str, Any], render: Render, save_file: SaveFile, seal: Seal) -> None:
        self.values: dict[str, Any] = {}
        self.problems: dict[str, str] = {}
        self._given = given
        self._render_value = render
        self._save_file = save_file
        self._seal = seal
        self._disabled: set[str] = set()

    async def resolve(self, item: Input) -> None:
        try:
            if not await self._enabled(item):
                self._disabled.add(item.id)
                return
            choices = await self._choices(item)
            value = await self._candidate(item, choices)
            if value is None:
                if item.required:
                    self.problems[item.id] = f"Missing required input:{item.id}"
                self.values[item.id] = None
                return
            self.values[item.id] = await self._checked(item, value, choices)
        except (ValueError, ExpressionError, StorageError) as error:
            causes = str(error).split("\n") if isinstance(error, _Several) else [str(error)]
            self.problems[item.id] = "\n".join(
                f"Invalid value for input `{item.id}`. Cause: {cause}" for cause in causes
            )

    async def _enabled(self, item: Input) -> bool:
        if any(id in self._disabled or id in self.problems for id in _dependencies(item)):
            return False
        if item.depends_on is None or item.depends_on.condition is None:
            return True
        try:
            return await self._render(item.depends_on.condition) in (True, "true")
        except ExpressionError as error:
            self.problems[item.id] = f"Invalid condition: {error}"
            return False

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

    async def _candidate(self, item: Input, choices: tuple[str, ...] | None) -> Any:
        value = self._given.get(item.id)
        if value is not None and not (value == "" and item.type not in TEXT_TYPES):
            return value
        if item.defaults is not None:
            return await self._render(item.defaults)
        if item.auto_select_first and choices:
            return [choices[0]] if item.type == "MULTISELECT" else choices[0]
        return None

    async def _checked(self, item: Input, value: Any, choices: tuple[str, ...] | None) -> Any:
        if item.type == "FILE":
            return await self._file(item, value)
        if item.type in ("ARRAY", "MULTISELECT"):
            value = coerce_list(value, item.item_type or ("STRING" if item.type == "MULTISELECT" else None))
        else:
            value = coerce(item.type, value)
        _check_choice(item, value, choices)
        _check_pattern(item, value)
        _check_bounds(item, value)
        return self._seal(value) if item.type == "SECRET" else value

    async def _file(self, item: Input, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"it must be a path or a URI of a file, but is {shown(value)}")
        allowed = item.allowed_file_extensions
        if allowed and not value.lower().endswith(tuple(ending.lower() for ending in allowed)):
            raise ValueError(f"the name of the file must end in {' or '.join(allowed)}")
        return await self._save_file(item.id, value)

    async def _render(self, value: Any) -> Any:
        if not holds_template(value):
            return value
        return await self._render_value(value, nested(self.values, list(self.values)))


class _Several(ValueError):
    """More than one thing is wrong with a value; one line each."""


def _list_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _check_choice(item: Input, value: Any, choices: tuple[str, ...] | None) -> None:
    if choices is None or item.allow_custom_value:
        return
    listed = f"`[{', '.join(choices)}]`"
    if item.type == "MULTISELECT":
        wrong = [text for text in map(_as_text, value) if text not in choices]
        if wrong:
            raise _Several("\n".join(f"value `{shown(text)}` doesn't match the values {listed}" for text in wrong))
    elif value not in choices and (item.required or item.type == "ENUM"):
        raise ValueError(f"it must match the values {listed}")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _check_pattern(item: Input, value: Any) -> None:
    if item.validator is None:
        return
    try:
        matches = regex.fullmatch(item.validator, value, timeout=PATTERN_SECONDS)
    except TimeoutError:
        raise ValueError(f"the pattern `{item.validator}` takes too long on this text") from None
    if matches is None:
        raise ValueError(f"it must match the pattern `{item.validator}`")


def _check_bounds(item: Input, value: Any) -> None:
    said = "It" if item.type == "DURATION" else "it"
    for bound, low, words in (
        (item.min, True, "more than"),
        (item.max, False, "less than"),
        (item.after, True, "after"),
        (item.before, False, "before"),
    ):
        if bound is None:
            continue
        key, limit = order_key(item.type, value), order_key(item.type, bound)
        if key < limit if low else key > limit:
            raise ValueError(f"{said} must be {words} `{bound}`")
