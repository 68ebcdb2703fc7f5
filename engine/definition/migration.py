"""What in a flow has another name now, or is of one dialect only: help for those who keep flows up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from engine.definition.diagnostic import Path, path_text
from engine.definition.dialect import BRANCHES, dialect_of, dialect_reason, difference, maps_in
from engine.definition.document import read_yaml
from engine.definition.rules import NONE, Rules
from engine.plugin.index import FAMILY, Index

OLD_PROPERTIES: Mapping[tuple[str, str], str] = {
    ("flow", "taskDefaults"): "pluginDefaults",
    ("flow", "listeners"): "afterExecution",
    ("input", "name"): "id",
    ("input", "options"): "values",
    ("input", "extension"): "allowedFileExtensions",
    ("task", "runner"): "taskRunner",
    ("task", "docker"): "taskRunner and containerImage",
    ("task", "outputDirectory"): "outputFiles",
    ("task", "warningOnStdErr"): "nothing, the exit code alone decides",
    ("task", "sslOptions"): "options.ssl",
    ("trigger", "minLogLevel"): "logLevel",
    ("trigger", "scheduleConditions"): "conditions",
    ("trigger", "backfill"): "a backfill that is asked for",
    ("core.flow.Pause", "delay"): "pauseDuration",
    ("core.flow.Pause", "tasks"): "tasks after it",
    ("core.flow.Subflow", "outputs"): "outputs of the called flow",
    ("retry", "maxAttempt"): "maxAttempts",
}
"""Owner (a type, or what kind of thing it is) and property, and what stands in its place now."""

OLD_TYPES: Mapping[str, str] = {
    "core.debug.Echo": "core.log.Log",
    "core.flow.EachSequential": "core.flow.ForEach",
    "core.flow.EachParallel": "core.flow.ForEach",
    "core.flow.Template": "core.flow.Subflow",
    "core.storage.LocalFiles": "inputFiles and outputFiles",
    "core.condition.MultipleCondition": "preconditions",
    "core.condition.FlowCondition": "nothing, a trigger knows its flow",
    "core.condition.FlowNamespaceCondition": "nothing, a trigger knows its flow",
}
"""Types that work and have a better one."""

OLD_INPUTS: Mapping[str, str] = {"BOOLEAN": "BOOL", "ENUM": "SELECT"}

Kind = Literal["deprecated", "relocation", "dialect"]


class Piece(NamedTuple):
    """Something in a flow that has another name.

    kind: deprecated (works, should be replaced), relocation (another name of the same type), dialect
    name: as it stands there; instead: what to write
    """

    kind: Kind
    path: str
    line: int
    column: int
    name: str
    instead: str


class Migration(NamedTuple):
    """The dialect of a flow, why, and what in it would be written otherwise elsewhere."""

    dialect: int
    reason: str
    pieces: tuple[Piece, ...]


class _Found(NamedTuple):
    kind: Kind
    path: Path
    name: str
    instead: str


def migration_of(text: str, index: Index, rules: Rules = NONE) -> Migration | None:
    """What to know of a flow's text to move it on; None for a text that holds no map."""
    document = read_yaml(text)
    raw = document.value
    if not isinstance(raw, dict):
        return None
    of_namespace = rules.dialect(raw.get("namespace"))
    dialect = dialect_of(text, raw, of_namespace)
    pieces = []
    for found in _all(raw, index, dialect):
        mark = document.marks[found.path] if found.path[-1:] == ("type",) else document.keys.get(found.path)
        mark = mark or document.marks[found.path]
        pieces.append(Piece(found.kind, path_text(found.path), mark.line, mark.column, found.name, found.instead))
    pieces.sort(key=lambda piece: (piece.line, piece.column))
    return Migration(dialect, dialect_reason(text, raw, of_namespace), tuple(pieces))


def _all(raw: dict[str, Any], index: Index, dialect: int) -> Iterator[_Found]:
    yield from _named((), raw, ("flow",), dialect)
    for name in ("inputs", "triggers", "checks"):
        kind = name.removesuffix("s")
        for path, item in _items(raw.get(name), (name,)):
            yield from _named(path, item, (kind, _short(item.get("type"), index)), dialect)
            if kind == "input":
                yield from _of_input(path, item)
    for branch in (*BRANCHES, "listeners"):
        for path, item in maps_in(raw.get(branch), (branch,)):
            if isinstance(item.get("id"), str) and isinstance(item.get("type"), str):
                yield from _named(path, item, ("task", _short(item["type"], index)), dialect)
            if path[-1:] == ("retry",):
                yield from _named(path, item, ("retry",), dialect)
    for branch in (*BRANCHES, "listeners", "triggers"):
        for path, item in maps_in(raw.get(branch), (branch,)):
            yield from _of_type(path, item.get("type"), index, dialect)


def _named(path: Path, item: Mapping[str, Any], owners: tuple[str, ...], dialect: int) -> Iterator[_Found]:
    """Properties of a map that have another name."""
    for name in item:
        for owner in owners:
            if instead := OLD_PROPERTIES.get((owner, name)):
                yield _Found("deprecated", (*path, name), name, instead)
            row = difference(owner, name)
            if row is not None and row.only != dialect and row.instead:
                yield _Found("dialect", (*path, name), name, row.instead)
            elif row is not None and row.only == dialect == 1:
                yield _Found("dialect", (*path, name), name, row.instead or "nothing")


def _of_input(path: Path, item: Mapping[str, Any]) -> Iterator[_Found]:
    type = item.get("type")
    if isinstance(type, str) and type in OLD_INPUTS:
        yield _Found("deprecated", (*path, "type"), type, OLD_INPUTS[type])
    for below, part in _items(item.get("inputs"), (*path, "inputs")):
        yield from _named(below, part, ("input",), 2)
        yield from _of_input(below, part)


def _of_type(path: Path, type: Any, index: Index, dialect: int) -> Iterator[_Found]:
    if not isinstance(type, str) or "." not in type:
        return
    current = index.current(type)
    if current != type:
        yield _Found("relocation", (*path, "type"), type, current)
    short = current.removeprefix(FAMILY)
    if short in OLD_TYPES:
        yield _Found("deprecated", path, short, OLD_TYPES[short])
    row = difference("type", short)
    if row is not None and row.only == 1 and row.instead:
        yield _Found("dialect", (*path, "type"), short, row.instead)


def _short(type: Any, index: Index) -> str:
    return index.current(type).removeprefix(FAMILY) if isinstance(type, str) else ""


def _items(value: Any, at: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for place, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield (*at, place), item
