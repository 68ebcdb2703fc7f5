"""YAML text as plain values, with the place of every value and key.

Plain scalars are read as Jackson over SnakeYAML reads them, for that is what users' flows are written for: YAML 1.1
words (`yes`, `off`) are booleans, `010` is octal, while dates and `12:30` stay text and every key is text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from yaml import events

from engine.definition.diagnostic import Diagnostic, Path, Severity

MAX_CHARACTERS = 3 * 1024 * 1024
MAX_DEPTH = 100
MAX_VALUES = 100_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"yes|Yes|YES|true|True|TRUE|on|On|ON")
_FALSE = re.compile(r"no|No|NO|false|False|FALSE|off|Off|OFF")
_INTEGER = re.compile(r"([-+]?)(?:0b([01_]+)|0x([0-9a-fA-F_]+)|0([0-7_]+)|(0|[1-9][0-9_]*))")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)"
)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Mark(NamedTuple):
    """A 1-based place in a text."""

    line: int
    column: int


class Document(NamedTuple):
    """A YAML text that was read.

    value: maps, lists and scalars
    marks, keys: where the value and the key of each path start
    texts: what was written for a scalar that is no text
    diagnostics: what is wrong; `broken` when the text could not be read to its end
    """

    value: Any
    marks: Mapping[Path, Mark]
    keys: Mapping[Path, Mark]
    texts: Mapping[Path, str]
    diagnostics: tuple[Diagnostic, ...] = ()
    broken: bool = False


class _Scalar:
    __slots__ = ("mark", "plain", "text", "value")

    def __init__(self, mark: Mark, value: Any, text: str, plain: bool) -> None:
        self.mark, self.value, self.text, self.plain = mark, value, text, plain


class _List:
    __slots__ = ("items", "mark")

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.items: list[_Node] = []


class _Map:
    """`pending` is a key that waits for its value."""

    __slots__ = ("entries", "mark", "pending")

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.entries: list[tuple[_Scalar, _Node]] = []
        self.pending: _Node | None = None


_Node = _Scalar | _List | _Map


class _TooMuch(Exception):
    """The expanded document goes over a limit."""

    def __init__(self, message: str, mark: Mark) -> None:
        self.message, self.mark = message, mark
        super().__init__(message)


def read_yaml(text: str) -> Document:
    """Read a text. Never raises: whatever is wrong is among the diagnostics."""
    early = _unreadable(text)
    if early is not None:
        return Document(None, {}, {}, {}, (early,), broken=True)
    builder = _Builder()
    broken = False
    try:
        builder.build(text)
    except yaml.YAMLError as error:
        builder.diagnostics.append(_syntax(error, text))
        broken = True
    except _TooMuch as error:
        builder.report(error.message, error.mark, "too-large")
        broken = True
    except ValueError:
        builder.report("this is not YAML: an escape or a number in it is out of range", Mark(1, 1), "syntax")
        broken = True
    expansion = _Expansion(builder)
    value = None
    if builder.root is not None and not broken:
        try:
            value = expansion.expand(builder.root, (), 0)
        except _TooMuch as error:
            builder.report(error.message, error.mark, "too-large")
            broken = True
    return Document(value, expansion.marks, expansion.keys, expansion.texts, tuple(builder.diagnostics), broken)


def _unreadable(text: str) -> Diagnostic | None:
    if len(text) > MAX_CHARACTERS:
        return Diagnostic(f"the text is longer than {MAX_CHARACTERS:,} characters", 1, 1, "too-large")
    found = _UNPRINTABLE.search(text.removeprefix("\ufeff"))
    if found is None:
        return None
    before = text.removeprefix("\ufeff")[: found.start()]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return Diagnostic(
        f"the character U+{ord(found.group()):04X} can't stand in YAML, write it as an escape in double quotes",
        line,
        column,
        "syntax",
    )


def read_scalar(text: str) -> Any:
    """What a plain scalar means."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    try:
        if found := _INTEGER.fullmatch(text):
            sign, *forms = found.groups()
            base, digits = next((base, form) for base, form in zip((2, 16, 8, 10), forms, strict=True) if form)
            return int(sign + digits.replace("_", ""), base)
        if _FLOAT.fullmatch(text):
            number = float(text.replace("_", ""))
            return number if math.isfinite(number) else text
    except ValueError:
        # Digits that are all underscores, or more of them than a number may have: it stays text.
        return text
    return text


class _Builder:
    """Makes nodes of parser events, without recursion."""

    def __init__(self) -> None:
        self.root: _Node | None = None
        self.diagnostics: list[Diagnostic] = []
        self._stack: list[_List | _Map] = []
        self._anchors: dict[str, _Node] = {}
        self._documents = 0

    def report(self, message: str, mark: Mark, code: str, severity: Severity = Severity.ERROR) -> None:
        self.diagnostics.append(Diagnostic(message, mark.line, mark.column, code, severity=severity))

    def build(self, text: str) -> None:
        for event in yaml.parse(text, Loader=_LOADER):
            start: Any = event.start_mark
            mark = Mark(start.line + 1, start.column + 1)
            if isinstance(event, events.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self.report("only the first document of a file is read", mark, "documents", Severity.WARNING)
                    return
            elif isinstance(event, events.ScalarEvent):
                self._add(_scalar(event, mark), event.anchor)
            elif isinstance(event, events.AliasEvent):
                self._add(self._aliased(event.anchor, mark), None)
            elif isinstance(event, events.SequenceStartEvent):
                self._open(_List(mark), event.anchor)
            elif isinstance(event, events.MappingStartEvent):
                self._open(_Map(mark), event.anchor)
            elif isinstance(event, events.CollectionEndEvent):
                self._stack.pop()

    def _open(self, node: _List | _Map, anchor: str | None) -> None:
        self._add(node, anchor)
        self._stack.append(node)
        if len(self._stack) > MAX_DEPTH:
            raise _TooMuch(f"nested deeper than {MAX_DEPTH} levels", node.mark)

    def _aliased(self, anchor: str | None, mark: Mark) -> _Node:
        node = self._anchors.get(anchor or "")
        if node is not None and not any(node is above for above in self._stack):
            return node
        wrong = "is not defined above" if node is None else "contains itself"
        self.report(f"the anchor '{anchor}' {wrong}", mark, "alias")
        return _Scalar(mark, None, "", True)

    def _add(self, node: _Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        above = self._stack[-1]
        if isinstance(above, _List):
            above.items.append(node)
        elif above.pending is None:
            above.pending = node
        else:
            key, above.pending = above.pending, None
            self._entry(above, key, node)

    def _entry(self, above: _Map, key: _Node, node: _Node) -> None:
        if isinstance(key, _Scalar):
            above.entries.append((key, node))
        elif isinstance(key, _Map):
            self.report("a value that starts with '{{' must be in quotes", key.mark, "syntax")
        else:
            self.report("a key must be text, not a list", key.mark, "syntax")


def _scalar(event: events.ScalarEvent, mark: Mark) -> _Scalar:
    plain = event.style is None or event.style == ""
    if event.tag is None:
        value = read_scalar(event.value) if plain else event.value
        return _Scalar(mark, value, event.value, plain)
    typed = event.tag.startswith(_CORE_TAG) and event.tag.removeprefix(_CORE_TAG) in ("int", "float", "bool", "null")
    return _Scalar(mark, read_scalar(event.value) if typed else event.value, event.value, False)


class _Expansion:
    """Makes values and their places of nodes, with aliases and merge keys written out, within limits."""

    def __init__(self, builder: _Builder) -> None:
        self.marks: dict[Path, Mark] = {}
        self.keys: dict[Path, Mark] = {}
        self.texts: dict[Path, str] = {}
        self._report = builder.report
        self._duplicates: set[Mark] = set()
        self._left = MAX_VALUES

    def expand(self, node: _Node, path: Path, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _TooMuch(f"more than {MAX_VALUES:,} values with all aliases written out", node.mark)
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested deeper than {MAX_DEPTH} levels", node.mark)
        self.marks[path] = node.mark
        if isinstance(node, _Scalar):
            if node.plain and node.value is not None and not isinstance(node.value, str):
                self.texts[path] = node.text
            return node.value
        if isinstance(node, _List):
            return [self.expand(item, (*path, index), depth + 1) for index, item in enumerate(node.items)]
        return self._map(node, path, depth)

    def _map(self, node: _Map, path: Path, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[tuple[_Scalar, _Node]] = []
        for key, below in node.entries:
            if key.plain and key.text == "<<" and not isinstance(below, _Scalar):
                merged.extend(self._merged(below))
            elif key.text in values:
                self._duplicate(key, path)
            else:
                self.keys[(*path, key.text)] = key.mark
                values[key.text] = self.expand(below, (*path, key.text), depth + 1)
        for key, below in merged:
            if key.text not in values:
                self.keys[(*path, key.text)] = key.mark
                values[key.text] = self.expand(below, (*path, key.text), depth + 1)
        return values

    def _merged(self, node: _Node) -> list[tuple[_Scalar, _Node]]:
        sources = node.items if isinstance(node, _List) else [node]
        entries = []
        for source in sources:
            if isinstance(source, _Map):
                entries.extend(source.entries)
            else:
                self._report("'<<' takes a map or a list of maps", source.mark, "alias")
        return entries

    def _duplicate(self, key: _Scalar, path: Path) -> None:
        # A map that aliases repeat is walked more than once; its mistake is one.
        if key.mark not in self._duplicates:
            self._duplicates.add(key.mark)
            first = self.keys[(*path, key.text)]
            self._report(f"the key '{key.text}' stands twice, first on line {first.line}", key.mark, "duplicate-key")


_EXPLAINED = (
    ("cannot start any token", "text that starts with this character must be in quotes", False),
    (
        "mapping values are not allowed",
        "a ':' can't stand here: put the text in quotes, or check the indentation",
        False,
    ),
    ("simple key", "a ':' is missing after the key, or the line is indented wrongly", False),
    ("while scanning a quoted scalar", "a quote is opened here and not closed", True),
    ("while parsing a flow", "a '{' or '[' is opened here and not closed, or the text needs quotes", True),
    ("while parsing a block mapping", "the indentation of this line fits no line above, or a ':' is missing", False),
    ("while parsing a block collection", "the indentation of this line fits no list above, or a '-' is missing", False),
)


def _syntax(error: yaml.YAMLError, text: str) -> Diagnostic:
    """What the parser says, in the words of who writes flows; `opening` ones point at what is not closed."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be read")
    said = f"{problem} {getattr(error, 'context', None) or ''}"
    explained, opening = next(
        ((words, opening) for sign, words, opening in _EXPLAINED if sign in said), (problem, False)
    )
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    mark = next((mark for mark in (reversed(marks) if opening else marks) if mark is not None), None)
    if mark is None:
        return Diagnostic(f"this is not YAML: {explained}", 1, 1, "syntax")
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
        explained = "a tab stands where YAML takes spaces only"
    return Diagnostic(f"this is not YAML: {explained}", mark.line + 1, mark.column + 1, "syntax")
