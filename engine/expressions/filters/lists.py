"""Filters on lists, and on texts and maps as far as they are like lists."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.access import Entry
from engine.expressions.arguments import as_text, integer
from engine.expressions.operators import kind_of
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope

COLLECTIONS = (list, tuple, set, frozenset)
SORTED_AT_ONCE = 50_000


@template_filter("length", nulls=True)
def length(scope: RenderScope, value: Any) -> int:
    """How many characters, items or entries; 0 for null and for numbers."""
    return len(value) if isinstance(value, str | Mapping | list | tuple | set | frozenset) else 0


@template_filter("first")
def first(scope: RenderScope, value: Any) -> Any:
    """The first item or character; null of an empty list."""
    return next(iter(_sequence("first", value)), None)


@template_filter("last")
def last(scope: RenderScope, value: Any) -> Any:
    """The last item or character; null of an empty list."""
    items = _sequence("last", value)
    return items[-1] if items else None


@template_filter("slice", parameters=("fromIndex", "toIndex"))
def slice_of(scope: RenderScope, value: Any, start: Any = 0, stop: Any = None) -> Any:
    """The part of a list or text from an index up to, but without, another."""
    items = _sequence("slice", value)
    begin = 0 if start is None else integer(start, "The argument 'fromIndex' of slice")
    end = len(items) if stop is None else integer(stop, "The argument 'toIndex' of slice")
    if not 0 <= begin <= len(items):
        raise ExpressionError(f"The argument 'fromIndex' of slice must be from 0 to the length {len(items)}")
    if not begin <= end <= len(items):
        raise ExpressionError(f"The argument 'toIndex' of slice must be from {begin} to the length {len(items)}")
    return items[begin:end]


@template_filter("join", parameters=("separator",))
def join(scope: RenderScope, value: Any, separator: Any = None) -> str:
    """The items of a list as one text; null items as the word."""
    glue = "" if separator is None else as_text(separator)
    items = _list("join", value)
    scope.budget.text(len(items) * (len(glue) + 1))
    parts = [as_text(item) for item in items]
    scope.budget.text(sum(map(len, parts)) + len(glue) * len(parts))
    return glue.join(parts)


@template_filter("sort")
def sort(scope: RenderScope, value: Any) -> list[Any]:
    """A list in its natural order; the variable is seen sorted from then on."""
    return _reordered(scope, "sort", value, lambda items: _sorted(scope, "sort", items))


@template_filter("rsort")
def rsort(scope: RenderScope, value: Any) -> list[Any]:
    """A list in the reverse of its natural order; the variable is seen so from then on."""
    return _reordered(scope, "rsort", value, lambda items: _sorted(scope, "rsort", items)[::-1])


@template_filter("reverse")
def reverse(scope: RenderScope, value: Any) -> list[Any]:
    """A list from its end to its beginning; the variable is seen so from then on."""
    return _reordered(scope, "reverse", value, lambda items: items[::-1])


@template_filter("chunk", parameters=("size",))
def chunk(scope: RenderScope, value: Any, size: Any = None) -> list[list[Any]]:
    """A list as a list of lists of a size; the last may be shorter."""
    if size is None:
        raise ExpressionError("'chunk' filter expects an argument 'size'.")
    count = integer(size, "The argument 'size' of chunk")
    if count < 1:
        raise ExpressionError("The argument 'size' of chunk must be at least 1")
    items = _list("chunk", value)
    scope.budget.items(len(items))
    return [items[start : start + count] for start in range(0, len(items), count)]


@template_filter("flatten")
def flatten(scope: RenderScope, value: Any) -> list[Any]:
    """A list with the items of the lists in it, one level deep."""
    flat: list[Any] = []
    for item in _list("flatten", value):
        if isinstance(item, COLLECTIONS):
            flat.extend(item)
            scope.budget.items(len(flat))
        else:
            flat.append(item)
            scope.spend(1)
    return flat


@template_filter("distinct", "uniq", nulls=True)
def distinct(scope: RenderScope, value: Any) -> Any:
    """A list with each item once, in the order in which they first appear; null as the word."""
    if value is None:
        return "null"
    items = _list("distinct", value)
    scope.budget.items(len(items))
    known: dict[Any, None] = {}
    kept = []
    for item in items:
        key = identity(item)
        if key not in known:
            known[key] = None
            kept.append(item)
    return kept


def identity(value: Any) -> Any:
    """Something hashable that is the same for equal values only."""
    if isinstance(value, Mapping):
        return ("map", frozenset((key, identity(item)) for key, item in value.items()))
    if isinstance(value, COLLECTIONS):
        return ("list", tuple(identity(item) for item in value))
    return (type(value) is bool, value)


@template_filter("keys")
def keys(scope: RenderScope, value: Any) -> list[Any]:
    """The keys of a map, or the indexes of a list."""
    if isinstance(value, Mapping):
        found = list(value)
    elif isinstance(value, COLLECTIONS):
        found = list(range(len(value)))
    else:
        raise ExpressionError(f"'keys' needs a map or a list, but has {kind_of(value)}")
    scope.budget.items(len(found))
    return found


@template_filter("values")
def values(scope: RenderScope, value: Any) -> list[Any]:
    """The values of a map."""
    if not isinstance(value, Mapping):
        raise ExpressionError(f"'values' needs a map, but has {kind_of(value)}")
    scope.budget.items(len(value))
    return list(value.values())


@template_filter("merge", parameters=("items",), nulls=True)
def merge(scope: RenderScope, value: Any, items: Any) -> Any:
    """Two lists one after the other, or two maps as one, where the second wins."""
    if value is None and items is None:
        raise ExpressionError("'merge' needs a list or a map on one side at least")
    if value is None or items is None:
        return items if value is None else value
    if isinstance(value, Mapping):
        other = items if isinstance(items, Mapping) else _by_themselves(items)
        scope.budget.items(len(value) + len(other))
        return {**value, **other}
    extra: Iterable[Any] = (
        [Entry(key, item) for key, item in items.items()] if isinstance(items, Mapping) else _list("merge", items)
    )
    merged = [*_list("merge", value), *extra]
    scope.budget.items(len(merged))
    return merged


def _by_themselves(items: Any) -> dict[Any, Any]:
    wrong = next((item for item in _list("merge", items) if not isinstance(item, Hashable)), None)
    if wrong is not None:
        raise ExpressionError(f"'merge' can't use {kind_of(wrong)} as a key of a map")
    return {item: item for item in items}


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, COLLECTIONS):
        raise ExpressionError(f"'{name}' needs a list, but has {kind_of(value)}")
    return value if isinstance(value, list) else list(value)


def _sequence(name: str, value: Any) -> list[Any] | str:
    return value if isinstance(value, str) else _list(name, value)


def _reordered(scope: RenderScope, name: str, value: Any, order: Callable[[list[Any]], list[Any]]) -> list[Any]:
    items = _list(name, value)
    scope.budget.items(len(items))
    new = order(items)
    if isinstance(value, list):
        scope.replace(value, new)
    return new


def _sorted(scope: RenderScope, name: str, items: list[Any]) -> list[Any]:
    if not items:
        return []
    for kinds in ((str, Enum), (bool,), (int, float, Decimal), (date,)):
        if all(isinstance(item, kinds) for item in items):
            try:
                return _in_order(scope, items, as_text if str in kinds else None)
            except TypeError:
                break
    wrong = next((item for item in items if type(item) is not type(items[0])), items[0])
    raise ExpressionError(f"'{name}' can't compare {kind_of(items[0])} with {kind_of(wrong)}")


def _in_order(scope: RenderScope, items: list[Any], key: Callable[[Any], Any] | None) -> list[Any]:
    """A list sorted; a long one part by part, because sorting holds the interpreter lock and can't be stopped."""
    if len(items) <= SORTED_AT_ONCE:
        return sorted(items, key=key)
    parts = []
    for start in range(0, len(items), SORTED_AT_ONCE):
        scope.spend(SORTED_AT_ONCE)
        parts.append(sorted(items[start : start + SORTED_AT_ONCE], key=key))
    merged = []
    for item in heapq.merge(*parts, key=key):
        scope.spend(1)
        merged.append(item)
    return merged
