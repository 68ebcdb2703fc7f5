"""What a template reaches of a value: keys of maps, items of lists and a few named accessors, nothing else.

This is the sandbox. No attribute of a Python object is ever read by a name that a template gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.errors import ExpressionError, UndefinedError
from engine.expressions.needs import Deferred
from engine.nearness import did_you_mean, near_or_known

if TYPE_CHECKING:
    from engine.expressions.template import Scope

CONTAINERS = (dict, list, tuple)
ABSENT = object()
GROUPS = ("inputs", "outputs", "vars")


class Entry:
    """A key with its value, as a loop over a map gives them."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value


def _month(value: date) -> str:
    return value.strftime("%B").upper()


ACCESSORS: tuple[tuple[type | tuple[type, ...], dict[str, Callable[[Any], Any]]], ...] = (
    (Entry, {"key": lambda entry: entry.key, "value": lambda entry: entry.value}),
    (str, {"length": len, "empty": lambda text: not text, "isEmpty": lambda text: not text}),
    (
        (list, tuple, set, frozenset),
        {"size": len, "empty": lambda items: not items, "isEmpty": lambda items: not items},
    ),
    (
        datetime,
        {
            "hour": lambda moment: moment.hour,
            "minute": lambda moment: moment.minute,
            "second": lambda moment: moment.second,
            "nano": lambda moment: moment.microsecond * 1000,
        },
    ),
    (
        date,
        {
            "year": lambda day: day.year,
            "month": _month,
            "monthValue": lambda day: day.month,
            "dayOfMonth": lambda day: day.day,
            "dayOfYear": lambda day: day.timetuple().tm_yday,
            "dayOfWeek": lambda day: day.strftime("%A").upper(),
        },
    ),
)
METHODS: dict[type, dict[str, Callable[[Any], Any]]] = {
    dict: {
        "size": len,
        "isEmpty": lambda items: not items,
        "keySet": list,
        "values": lambda items: list(items.values()),
    },
}


def name(scope: Scope, key: str) -> Any:
    """The value of a variable. Raises UndefinedError."""
    for frame in reversed(scope.frames):
        if key in frame:
            value = frame[key]
            break
    else:
        try:
            value = scope.visible[key]
        except KeyError:
            raise UndefinedError(key, partial(_known_names, scope, key)) from None
    return scope.fetch(value) if type(value) is Deferred else _current(scope, value)


def path(scope: Scope, root: str, *keys: str) -> Any:
    """`root.key.key`. Raises UndefinedError."""
    value = name(scope, root)
    for key in keys:
        if type(value) is dict and key in value:
            value = value[key]
            if type(value) is Deferred:
                value = scope.fetch(value)
        else:
            value = attribute(scope, value, key)
    return _current(scope, value)


def attribute(scope: Scope, value: Any, key: str) -> Any:
    """`value.key`. Raises UndefinedError."""
    if isinstance(value, Mapping):
        found = value.get(key, ABSENT)
    else:
        found = _accessed(value, key)
        if found is ABSENT and isinstance(value, list | tuple) and key.isdecimal():
            found = _at(value, int(key))
    if found is ABSENT:
        raise UndefinedError(key, partial(_known_keys, value, key))
    return scope.fetch(found) if type(found) is Deferred else _current(scope, found)


def item(scope: Scope, value: Any, key: Any) -> Any:
    """`value[key]`. Raises UndefinedError."""
    if isinstance(key, str):
        return attribute(scope, value, key)
    found = ABSENT
    if isinstance(value, Mapping):
        found = value.get(key, ABSENT) if not isinstance(key, list | dict | set) else ABSENT
    elif isinstance(value, list | tuple) and type(key) is int:
        found = _at(value, key)
    if found is ABSENT:
        raise UndefinedError(_shown(key), partial(_known_keys, value, _shown(key)))
    return scope.fetch(found) if type(found) is Deferred else _current(scope, found)


def method(scope: Scope, value: Any, called: str, *arguments: Any) -> Any:
    """`value.called()`: an accessor in its Java clothes. Raises ExpressionError."""
    if not arguments:
        in_map = METHODS.get(type(value), {}).get(called)
        found = in_map(value) if in_map is not None else _accessed(value, called)
        if found is not ABSENT:
            return found
    raise UndefinedError(called)


def entries(scope: Scope, value: Any) -> Sequence[Any] | None:
    """What a loop runs over; None for null. Raises ExpressionError."""
    if value is None:
        return None
    found: Sequence[Any]
    if isinstance(value, Mapping):
        found = [Entry(key, item) for key, item in value.items()]
    elif isinstance(value, list | tuple | range):
        found = value
    elif isinstance(value, set | frozenset):
        found = list(value)
    else:
        raise ExpressionError(f"A loop needs a list or a map, but has {type(value).__name__} '{_shown(value)}'")
    scope.budget.items(len(found))
    return found


def loop(scope: Scope, target: str, items: Sequence[Any], counted: bool, cost: int) -> Iterator[None]:
    """Set the loop variable to each item in a frame of its own; with `counted` also `loop`."""
    frame: dict[str, Any] = {}
    state: dict[str, Any] = {"length": len(items)}
    if counted:
        frame["loop"] = state
    scope.frames.append(frame)
    last = len(items) - 1
    for index, value in enumerate(items):
        scope.spend(cost)
        frame[target] = value
        if counted:
            state.update(index=index, revindex=last - index, first=index == 0, last=index == last)
        yield
    scope.frames.pop()


def assign(scope: Scope, key: str, value: Any) -> None:
    """Set a variable where it is known, else in the innermost frame."""
    for frame in reversed(scope.frames):
        if key in frame:
            frame[key] = value
            return
    scope.frames[0 if key in scope.visible else -1][key] = value


def whole(scope: Scope, value: Any) -> Any:
    """A value with all that it holds fetched."""
    if type(value) in CONTAINERS and _holds_deferred(scope, value):
        return _fetched(scope, value)
    return value


def _current(scope: Scope, value: Any) -> Any:
    """A list that was sorted is seen sorted from then on."""
    if scope.replaced and type(value) is list:
        return scope.replacement(value)
    return value


def _accessed(value: Any, key: str) -> Any:
    for kind, accessors in ACCESSORS:
        if isinstance(value, kind) and key in accessors:
            return accessors[key](value)
    return ABSENT


def _at(value: list[Any] | tuple[Any, ...], index: int) -> Any:
    return value[index] if 0 <= index < len(value) else ABSENT


def _holds_deferred(scope: Scope, value: Any) -> bool:
    scope.spend(len(value))
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if kind is Deferred or (kind in CONTAINERS and _holds_deferred(scope, item)):
            return True
    return False


def _fetched(scope: Scope, value: Any) -> Any:
    if type(value) is Deferred:
        return scope.fetch(value)
    if type(value) is dict:
        return {key: _fetched(scope, item) for key, item in value.items()}
    if type(value) in CONTAINERS:
        return [_fetched(scope, item) for item in value]
    return value


def _known_names(scope: Scope, key: str) -> str:
    """What a variable that does not exist may have been meant to be: often only its group was left out."""
    groups = ((group, scope.visible.get(group)) for group in GROUPS)
    grouped = [f"{group}.{key}" for group, values in groups if isinstance(values, Mapping) and key in values]
    return did_you_mean(grouped) or near_or_known(key, scope.visible)


def _known_keys(value: Any, key: str) -> str:
    """What there is where a key or an index does not exist."""
    if isinstance(value, Mapping):
        return near_or_known(key, value)
    if isinstance(value, list | tuple):
        return f", the list has {len(value)} items" if value else ", the list is empty"
    return f", for it is asked of {'null' if value is None else 'something that is no map'}"


def _shown(key: Any) -> str:
    return str(key)[:100]
