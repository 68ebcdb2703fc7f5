"""Whether a value is what a table wants: a literal, a placeholder for what is known at run time, or a matcher."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from conformance.flow_cases import Unbound
from conformance.flow_words import WORDS

PLACEHOLDER = re.compile(r"<([^<>]+)>")
FIRST = "first_value"
CONTENT = "file_content"
DECRYPTED = re.compile(r'cipher text that decrypts to "(.*)"')
BOUND = re.compile(r"(>=|>)\s*(\d+)")

MATCHERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "not_contains": lambda value, wanted: wanted not in value,
    "starts_with": lambda value, wanted: str(value).startswith(wanted),
    "ends_with": lambda value, wanted: str(value).endswith(wanted),
    "regex": lambda value, wanted: re.search(wanted, str(value)) is not None,
    "not": lambda value, wanted: value != wanted,
    "min": lambda value, wanted: value >= wanted,
    "more_than": lambda value, wanted: value > wanted,
    "has_items": lambda value, wanted: all(item in value for item in wanted),
    CONTENT: lambda value, wanted: value == wanted,
    "has_key": lambda value, wanted: wanted in value,
}
"""What a map with only these keys asks of a value."""


def difference(value: Any, wanted: Any, names: Mapping[str, Any]) -> str:
    """In which way a value is not what is wanted; empty when it is.

    Maps may have more keys than are wanted, except where the empty map is. `names` are the placeholders by name.
    """
    if isinstance(wanted, dict) and wanted and wanted.keys() <= MATCHERS.keys():
        return _unmatched(value, wanted, names)
    if isinstance(wanted, dict):
        return _map_difference(value, wanted, names)
    if isinstance(wanted, list):
        if not isinstance(value, list | tuple) or len(value) != len(wanted):
            return f"is {value!r}, not {wanted!r}"
        return "; ".join(filter(None, (difference(*pair, names) for pair in zip(value, wanted, strict=True))))
    if isinstance(wanted, str):
        return _text_difference(value, wanted, names)
    same = value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
    return "" if same else f"is {value!r}, not {wanted!r}"


def _unmatched(value: Any, wanted: Mapping[str, Any], names: Mapping[str, Any]) -> str:
    for name, argument in wanted.items():
        if name == CONTENT:
            value = names["contents"].get(value)
        try:
            fits = MATCHERS[name](value, argument)
        except TypeError:
            fits = False
        if not fits:
            return f"is {value!r}, but should {name} {argument!r}"
    return ""


def _map_difference(value: Any, wanted: Mapping[str, Any], names: Mapping[str, Any]) -> str:
    if not isinstance(value, Mapping) or (not wanted and value):
        return f"is {value!r}, not {dict(wanted)!r}"
    found = []
    for key, item in wanted.items():
        if key == FIRST:
            found.append(difference(next(iter(value.values()), None), item, names))
        elif key not in value and item is not None:
            found.append(f"has no {key!r} but {sorted(map(str, value))}")
        elif problem := difference(value.get(key), item, names):
            found.append(f"{key} {problem}")
    return "; ".join(filter(None, found))


def _text_difference(value: Any, wanted: str, names: Mapping[str, Any]) -> str:
    if wanted in WORDS:
        return "" if WORDS[wanted](value) else f"is {value!r}, not {wanted}"
    if (cipher := DECRYPTED.fullmatch(wanted)) and isinstance(value, str):
        return difference(names["open"](value), cipher[1], names)
    if (bound := BOUND.fullmatch(wanted)) and isinstance(value, int):
        fits = value >= int(bound[2]) if bound[1] == ">=" else value > int(bound[2])
        return "" if fits else f"is {value}, not {wanted}"
    if isinstance(value, int) and not isinstance(value, bool) and " " in wanted:
        raise Unbound(f"nothing compares a number with '{wanted}'")
    wanted = filled(wanted, names)
    return "" if value == wanted else f"is {value!r}, not {wanted!r}"


def filled(text: str, names: Mapping[str, Any]) -> str:
    """A text with its placeholders filled in. Raises Unbound for one that nothing is known of."""

    def name(found: re.Match[str]) -> str:
        if found[1] not in names:
            raise Unbound(f"nothing is known of <{found[1]}>")
        return str(names[found[1]])

    return PLACEHOLDER.sub(name, text)
