"""Whether a value fits an input: its type, what may be chosen, its pattern and its bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import regex

from engine.definition.coerce import TEXT_TYPES, as_map, coerce, coerce_list, order_key, shown
from engine.definition.declared import Input
from engine.plugin.several import Several, causes

PATTERN_SECONDS = 1.0


def checked_value(item: Input, value: Any, choices: tuple[str, ...] | None) -> Any:
    """`value`, which is not None, as a value of an input that takes no file. Raises ValueError with the reason."""
    if item.type == "OBJECT":
        return _object(item.properties or (), as_map(value), "")
    if item.type == "TABLE":
        return _table(item, value)
    if item.type in ("ARRAY", "MULTISELECT"):
        value = coerce_list(value, item.item_type or ("STRING" if item.type == "MULTISELECT" else None))
    else:
        value = coerce(item.type, value)
    _check_choice(item, value, choices)
    _check_pattern(item, value)
    _check_bounds(item, value)
    return value


def _object(parts: Sequence[Input], given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The declared parts of a map, each checked. Raises Several."""
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for part in parts:
        value = given.get(part.id)
        try:
            if value is None or (value == "" and part.type not in TEXT_TYPES):
                if part.required:
                    raise ValueError("there must be a value")
                found[part.id] = None
            else:
                found[part.id] = checked_value(part, value, part.choices)
        except ValueError as error:
            wrong += [f"{place}`{part.id}`: {cause}" for cause in causes(error)]
    if wrong:
        raise Several(*wrong)
    return found


def _table(item: Input, value: Any) -> list[dict[str, Any]]:
    rows = coerce_list(value, None)
    wrong: list[str] = []
    limits = item.rows
    if limits is not None and limits.min is not None and len(rows) < limits.min:
        wrong.append(f"it must have at least {limits.min} row(s)")
    if limits is not None and limits.max is not None and len(rows) > limits.max:
        wrong.append(f"it must have at most {limits.max} row(s)")
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(_object(item.columns or (), as_map(row), f"row {number}, "))
        except ValueError as error:
            # What an object says is wrong with it names the row already.
            wrong += causes(error) if isinstance(error, Several) else [f"row {number}: {error}"]
    if wrong:
        raise Several(*wrong)
    return found


def _check_choice(item: Input, value: Any, choices: tuple[str, ...] | None) -> None:
    if choices is None or item.allow_custom_value:
        return
    listed = f"`[{', '.join(choices)}]`"
    if item.type == "MULTISELECT":
        wrong = [text for text in map(_as_text, value) if text not in choices]
        if wrong:
            raise Several(*(f"value `{shown(text)}` doesn't match the values {listed}" for text in wrong))
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
