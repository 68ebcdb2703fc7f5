"""Plugin defaults: properties that a flow or the installation gives to everything of a type.

They are put into the flow before it is read. Each value remembers where it was written, so that a mistake is told at
its own line, also where a list became longer in front of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.definition import triggers
from engine.definition.annotations import property_names
from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.task import COMMON
from engine.errors import NotFound
from engine.plugin.base import Block, Plugin, Task, Trigger
from engine.plugin.index import Index
from engine.settings import PluginDefaults

NAMES = ("pluginDefaults", "taskDefaults")
ELSEWHERE = "\0"
"""A step that no document has: what stands below it was not written in this flow."""


class PluginDefault(NamedTuple):
    """One default. `place` is where its values stand in the flow, None for one of the installation."""

    type: str
    values: Mapping[str, Any]
    forced: bool
    place: Path | None


class Traced:
    """A value and where it was written; below a map or list are more of them."""

    __slots__ = ("origin", "value")

    def __init__(self, value: Any, origin: Path) -> None:
        self.value = value
        self.origin = origin


def defaults_of(raw: Mapping[str, Any], installed: Sequence[PluginDefaults]) -> tuple[PluginDefault, ...]:
    """The usable defaults of a flow, then those of the installation."""
    found = []
    for name in NAMES:
        for index, item in _maps(raw.get(name)):
            if isinstance(item.get("type"), str) and isinstance(item.get("values"), dict):
                place = (name, index, "values")
                found.append(PluginDefault(item["type"], item["values"], item.get("forced") is True, place))
    found += [PluginDefault(it.type, it.values, it.forced, None) for it in installed]
    return tuple(found)


def check_defaults(raw: Mapping[str, Any], collector: Collector, index: Index) -> None:
    """Report defaults without a type or values, and properties that the type doesn't have."""
    if all(raw.get(name) for name in NAMES):
        text = "'taskDefaults' is the old name of 'pluginDefaults', keep one of them"
        collector.error(("taskDefaults",), text, "plugin-default", key=True)
    for name in NAMES:
        for place, item in _maps(raw.get(name)):
            for below, text in _wrong(item, index):
                collector.error((name, place, *below), f"Invalid Plugin Default: {text}", "plugin-default", key=True)


def _wrong(item: Mapping[str, Any], index: Index) -> Iterator[tuple[Path, str]]:
    type, values = item.get("type"), item.get("values")
    if not type:
        yield (), "No 'type' provided"
    if not values:
        yield (), "No 'values' provided"
    if not isinstance(values, dict):
        return
    plugin = index.exact(type) if isinstance(type, str) else None
    known = _properties(plugin)
    for name, value in values.items():
        if value is None:
            yield ("values", name), f"No value provided for key '{name}'"
        elif known is not None and name not in known:
            yield ("values", name), f"No property '{name}' exists in plugin '{type}'"


def inject(
    raw: Mapping[str, Any], defaults: Sequence[PluginDefault], index: Index
) -> tuple[dict[str, Any], dict[Path, Path]]:
    """A flow with its defaults put in, and the places of what stands elsewhere now than it was written.

    Of several defaults for one property the first wins. Those that are not forced stand behind what the flow says,
    forced ones before it. Maps are merged, lists are joined.
    """
    tree = {
        name: _traced(value, (name,)) if name in NAMES else _injected(_traced(value, (name,)), defaults, index)
        for name, value in raw.items()
    }
    moved: dict[Path, Path] = {}
    return {name: _plain(below, (name,), (name,), moved) for name, below in tree.items()}, moved


def _injected(node: Traced, defaults: Sequence[PluginDefault], index: Index) -> Traced:
    """A value with defaults in it. What a default brings along gets no defaults of its own."""
    if isinstance(node.value, list):
        return Traced([_injected(item, defaults, index) for item in node.value], node.origin)
    if not isinstance(node.value, dict):
        return node
    result = Traced({name: _injected(item, defaults, index) for name, item in node.value.items()}, node.origin)
    type = node.value["type"].value if "type" in node.value else None
    if not isinstance(type, str) or not type:
        return result
    names = index.names(type)
    meant = [item for item in defaults if _matches(item.type, names)]
    if not meant:
        return result
    known = _properties(_class(type, index))
    for item in meant:
        if not item.forced:
            result = _merged(_values(item, known, node.origin), result, node.origin)
    for item in reversed(meant):
        if item.forced:
            result = _merged(result, _values(item, known, node.origin), node.origin)
    return result


def _matches(wanted: str, names: frozenset[str]) -> bool:
    front = wanted.rstrip(".") + "."
    return any(f"{name}.".startswith(front) for name in names)


def _class(type: str, index: Index) -> type[Plugin] | None:
    try:
        return index.find(type)
    except NotFound:
        return None


def _properties(plugin: type[Plugin] | None) -> frozenset[str] | None:
    """Names that may stand in a map of this class; None where any may."""
    if plugin is None or plugin.model_config.get("extra") == "allow":
        return None
    common: tuple[str, ...] = ("type",)
    if issubclass(plugin, Task | Block):
        common = tuple(COMMON)
    elif issubclass(plugin, Trigger):
        common = triggers.COMMON
    return frozenset((*property_names(plugin), *common))


def _values(default: PluginDefault, known: frozenset[str] | None, owner: Path) -> Traced:
    place = default.place or (*owner, ELSEWHERE)
    fitting = {name: it for name, it in default.values.items() if it is not None and (known is None or name in known)}
    return _traced(fitting, place)


def _merged(low: Traced, high: Traced, home: Path) -> Traced:
    """Two values in one, `high` before `low`; `home` is where what they make is said to stand."""
    if isinstance(low.value, dict) and isinstance(high.value, dict):
        both = dict(low.value)
        for name, item in high.value.items():
            both[name] = _merged(both[name], item, (*home, name)) if name in both else item
        return Traced(both, home)
    if isinstance(low.value, list) and isinstance(high.value, list):
        return Traced(low.value + high.value, home)
    return low if high.value is None else high


def _traced(value: Any, origin: Path) -> Traced:
    if isinstance(value, dict):
        return Traced({name: _traced(item, (*origin, name)) for name, item in value.items()}, origin)
    if isinstance(value, list | tuple):
        return Traced([_traced(item, (*origin, place)) for place, item in enumerate(value)], origin)
    return Traced(value, origin)


def _plain(node: Traced, path: Path, expected: Path, moved: dict[Path, Path]) -> Any:
    """The value itself; whatever doesn't stand where the place of its owner says is noted."""
    if node.origin != expected:
        moved[path] = node.origin
    if isinstance(node.value, dict):
        return {name: _plain(item, (*path, name), (*node.origin, name), moved) for name, item in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(item, (*path, place), (*node.origin, place), moved) for place, item in enumerate(node.value)]
    return node.value


def _maps(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield place, item
