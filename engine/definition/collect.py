"""Collects what is wrong, with its place, and checks raw values against pydantic models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.definition.annotations import model_at, property_names
from engine.definition.coerce import shown
from engine.definition.diagnostic import Diagnostic, Path, Severity, path_text
from engine.definition.document import Document, Mark
from engine.definition.templates import holds_template
from engine.nearness import did_you_mean, near_names
from engine.plugin.several import Several

M = TypeVar("M", bound=BaseModel)

MAX_LISTED = 30

_EXPECTED = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "dataclass_type": "a map",
    "none_required": "null",
    "time_delta_type": "a duration such as PT30S",
    "time_delta_parsing": "a duration such as PT30S",
}
"""What a value should have been, by kind of pydantic error."""

_COMPARED = {
    "greater_than": "greater than",
    "greater_than_equal": "greater than or equal to",
    "less_than": "less than",
    "less_than_equal": "less than or equal to",
}
_CODES = {"missing": "required", "extra_forbidden": "unknown-property"}


class Collector:
    """The diagnostics of one document."""

    def __init__(self, document: Document, file: str | None) -> None:
        self._document = document
        self._file = file
        self._ignored: list[Path] = []
        self._moved: Mapping[Path, Path] = {}
        self._found = [item._replace(file=file) for item in document.diagnostics]

    @property
    def errors(self) -> int:
        """How many mistakes were found so far, warnings not counted."""
        return sum(item.severity is Severity.ERROR for item in self._found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of the text, without repetitions."""
        return tuple(sorted(dict.fromkeys(self._found), key=lambda item: (item.line, item.column)))

    def error(self, path: Path, text: str, code: str, near: tuple[str, ...] = (), *, key: bool = False) -> None:
        """Report a mistake at the value of a path, or at its key."""
        self._add(path, text, code, near, key, Severity.ERROR)

    def warn(self, path: Path, text: str, code: str, *, key: bool = False) -> None:
        """Report what the author should know and may leave."""
        self._add(path, text, code, (), key, Severity.WARNING)

    def move(self, moved: Mapping[Path, Path]) -> None:
        """Take values from another place of the document than their path says."""
        self._moved = moved

    def ignore(self, path: Path) -> None:
        """Say nothing more of what is at a path or below it."""
        self._ignored.append(path)

    def line(self, path: Path) -> int:
        """The line where a value starts."""
        return self._mark(path, False).line

    def text(self, path: Path) -> str | None:
        """What was written for a scalar that is no text."""
        return self._document.texts.get(self._written(path))

    def validate(
        self, model: type[M], raw: Any, path: Path, *, rendered: bool = False, also: tuple[str, ...] = ()
    ) -> M | None:
        """The model of a raw value, or None after reporting why not.

        rendered: the value is rendered before it is validated, so what holds a template can't be judged now
        also: properties that may stand beside those of the model; a misspelt one may have been meant
        """
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            found = _by_path(raw, error)
            misspelt = _misspelt(found)
            for where, items in found.items():
                value = _value(raw, where)
                if where not in misspelt and not (
                    rendered and holds_template(value) and items[0]["type"] != "extra_forbidden"
                ):
                    self._explain(model, raw, path, where, items, also if len(where) == 1 else ())
        return None

    def _explain(
        self,
        model: type[BaseModel],
        raw: Any,
        path: Path,
        where: Path,
        items: list[ErrorDetails],
        also: tuple[str, ...],
    ) -> None:
        kind = items[0]["type"]
        value = _value(raw, where)
        if kind == "extra_forbidden":
            self.unknown_property((*path, *where), property_names(model_at(model, where[:-1], raw)), also)
        elif kind == "missing":
            name = str(where[-1])
            owner = (*path, *where[:-1])
            self._say(owner, f"the property '{name}' is required", "required", (), self._mark(owner, False), owner)
        else:
            text, near = _words(items, value, where)
            error = items[0].get("ctx", {}).get("error")
            for cause in error.causes if isinstance(error, Several) else ():
                self.error((*path, *where), cause, "wrong-value")
            if isinstance(error, Several):
                return
            self.error((*path, *where), text, _CODES.get(kind, "wrong-value"), near)

    def unknown_property(self, path: Path, known: tuple[str, ...], also: tuple[str, ...] = ()) -> None:
        """Report a property that its owner doesn't have; `also` are names that are offered but not listed."""
        name = str(path[-1])
        near = near_names(name, (*known, *also))
        more = did_you_mean(near) or (f", it takes {', '.join(known)}" if 0 < len(known) <= MAX_LISTED else "")
        mark = self._mark(path, True)
        self._say(path[:-1], f'Unrecognized field "{name}"{more}', "unknown-property", near, mark, path)

    def _add(self, path: Path, text: str, code: str, near: tuple[str, ...], key: bool, severity: Severity) -> None:
        self._say(path, text, code, near, self._mark(path, key), path, severity)

    def _say(
        self,
        named: Path,
        text: str,
        code: str,
        near: tuple[str, ...],
        mark: Mark,
        path: Path,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Keep a diagnostic whose sentence begins with the place `named`."""
        if any(path[: len(ignored)] == ignored for ignored in self._ignored):
            return
        place = path_text(named)
        message = f"{place}: {text}" if place else text
        self._found.append(Diagnostic(message, mark.line, mark.column, code, path, near, severity, self._file))

    def _written(self, path: Path) -> Path:
        """Where in the document a value stands."""
        for length in range(len(path), 0, -1) if self._moved else ():
            if path[:length] in self._moved:
                return self._moved[path[:length]] + path[length:]
        return path

    def _mark(self, path: Path, key: bool) -> Mark:
        path = self._written(path)
        if key and path in self._document.keys:
            return self._document.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self._document.marks:
                return self._document.marks[path[:length]]
        return Mark(1, 1)


def misfits(raw: Any, error: ValidationError) -> Iterator[tuple[Path, str]]:
    """What doesn't fit of a raw value, place by place."""
    for where, items in _by_path(raw, error).items():
        if items[0]["type"] == "missing":
            yield where, "is required"
        else:
            yield where, _words(items, _value(raw, where), where)[0]


def _misspelt(found: dict[Path, list[ErrorDetails]]) -> set[Path]:
    """Missing properties that an unknown one beside them was meant to be: one mistake, told once."""
    missing = [where for where, items in found.items() if items[0]["type"] == "missing"]
    return {
        (*where[:-1], near)
        for where, items in found.items()
        if items[0]["type"] == "extra_forbidden"
        for near in near_names(str(where[-1]), [str(lack[-1]) for lack in missing if lack[:-1] == where[:-1]])
    }


def _by_path(raw: Any, error: ValidationError) -> dict[Path, list[ErrorDetails]]:
    """Errors by the place they really stand at: pydantic's places also name the arms of unions."""
    found: dict[Path, list[ErrorDetails]] = defaultdict(list)
    for item in error.errors(include_url=False):
        # A default that is too short stands where nothing was written.
        absent = item["type"] == "missing" or (item["type"] == "too_short" and len(item["loc"]) == 1)
        found[_real(raw, item["loc"], absent)].append(item)
    return {
        path: items
        for path, items in found.items()
        # Where one arm of a union got further than another, the one that got further was meant.
        if not (all(item["type"] in _EXPECTED for item in items) and any(_inside(other, path) for other in found))
    }


def _inside(other: Path, path: Path) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _real(raw: Any, loc: tuple[str | int, ...], absent: bool) -> Path:
    steps: list[str | int] = []
    for index, step in enumerate(loc):
        is_key = isinstance(raw, dict) and isinstance(step, str) and step in raw
        is_index = isinstance(raw, list) and isinstance(step, int) and step < len(raw)
        if is_key or is_index:
            steps.append(step)
            raw = raw[step]
        elif absent and index == len(loc) - 1:
            steps.append(step)
    return tuple(steps)


def _value(raw: Any, path: Path) -> Any:
    for step in path:
        if isinstance(raw, dict) and step not in raw:
            return None
        raw = raw[step]
    return raw


def _words(items: list[ErrorDetails], value: Any, path: Path) -> tuple[str, tuple[str, ...]]:
    """What is wrong with one value, and near names."""
    expected = list(dict.fromkeys(_EXPECTED[item["type"]] for item in items if item["type"] in _EXPECTED))
    others = [item for item in items if item["type"] not in _EXPECTED]
    if not others or (len(others) < len(items) and isinstance(value, dict | list)):
        return f"must be {' or '.join(expected)}, but {_is(value)}", ()
    item = others[0]
    context = item.get("ctx", {})
    match item["type"]:
        case "literal_error" | "enum":
            choices = str(context["expected"])
            near = near_names(str(value), list(_quoted(choices)))
            if path[-1:] == ("type",):
                return f"Invalid type: {value}, must be {choices}{did_you_mean(near)}", near
            return f"must be {choices}, but {_is(value)}{did_you_mean(near)}", near
        case "string_pattern_mismatch":
            return f'must match "{context["pattern"]}", but {_is(value)}', ()
        case "too_short":
            return "must not be empty", ()
        case "string_too_short":
            return ("must not be empty" if value == "" else f"must have {context['min_length']} characters or more"), ()
        case "string_too_long":
            return f"must have {context['max_length']} characters at most, but has {len(str(value))}", ()
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" as kind:
            return f"must be {_COMPARED[kind]} {next(iter(context.values()))}, but {_is(value)}", ()
        case "value_error" | "assertion_error":
            return str(context.get("error", item["msg"])), ()
    return f"{item['msg'][:1].lower()}{item['msg'][1:]}, but {_is(value)}", ()


def _quoted(choices: str) -> Iterator[str]:
    yield from (part for index, part in enumerate(choices.split("'")) if index % 2)


def _is(value: Any) -> str:
    return "has no value" if value is None else f"is {shown(value)}"
