"""Templates made ready to run: parsed, written as Python, compiled and kept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes

from engine.errors import ExpressionError, LimitError, UndefinedError
from engine.expressions import access, operators, output, registry
from engine.expressions.generator import Generator
from engine.expressions.parser import parse

if TYPE_CHECKING:
    from engine.expressions.output import Show
    from engine.expressions.template import Scope

CACHED = 4096
CACHED_LENGTH = 100_000
UNIT_COST = 500
SHOWN_LENGTH = 300
BASE = jinja2.Environment(autoescape=False)  # noqa: S701
RUNTIME: dict[str, Any] = {
    name: value
    for module in (operators, access, output)
    for name, value in vars(module).items()
    if callable(value) and getattr(value, "__module__", "") == module.__name__
}


class Template:
    """A compiled template. `text` prints it; `value` gives the value of a lone expression, None where it is more."""

    __slots__ = ("_lines", "_names", "source", "text", "value")

    def __init__(self, source: str, spend: Callable[[int], None]) -> None:
        registry.load()
        self.source = source
        try:
            self._compile(parse(source, spend), spend)
        except ExpressionError as error:
            raise located(error, source, error.line) from None
        except (RecursionError, MemoryError, SyntaxError):
            raise located(LimitError("The template is nested too deeply or too large"), source, 1) from None

    def line_of(self, traceback: TracebackType | None) -> int:
        """The line of the template where an exception came from, 0 when it came from elsewhere."""
        line = 0
        while traceback is not None:
            if traceback.tb_frame.f_globals is self._names:
                line = self._line(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
            traceback = traceback.tb_next
        return line

    def _compile(self, tree: nodes.Template, spend: Callable[[int], None]) -> None:
        generator = Generator(BASE, frozenset(macro.name for macro in tree.find_all(nodes.Macro)), spend)
        generator.visit(tree)
        self._names: dict[str, Any] = {**RUNTIME, **generator.bound}
        self._lines: dict[str, list[tuple[int, int]]] = {}
        # Each unit is compiled by itself: compiling holds the interpreter lock.
        for index, unit in enumerate(generator.units()):
            file = f"<template {index}>"
            self._lines[file] = unit.debug_info
            spend(UNIT_COST)
            exec(compile(unit.source(), file, "exec"), self._names)  # noqa: S102
        self.text: Callable[[Scope, Show], str] = self._names["root"]
        self.value: Callable[[Scope], Any] | None = self._names.get("value")

    def _line(self, file: str, generated: int) -> int:
        lines = self._lines[file]
        found = bisect_right(lines, generated, key=lambda pair: pair[1])
        return lines[found - 1][0] if found else 1


_ready: dict[str, Template] = {}


def compiled(source: str, spend: Callable[[int], None]) -> Template:
    """The compiled template of a source text, made once and kept; `spend` is told the cost of making it.

    Raises ExpressionError.
    """
    template = _ready.get(source)
    if template is None:
        template = Template(source, spend)
        # Several threads may come here: each step leaves the map usable.
        if len(_ready) >= CACHED:
            _ready.pop(next(iter(_ready), source), None)
        if len(source) <= CACHED_LENGTH:
            _ready[source] = template
    return template


def located(error: ExpressionError, source: str, line: int) -> ExpressionError:
    """The error, its message saying where in which template it happened."""
    error.template, error.line = source, line
    shown = _excerpt(source, line)
    if isinstance(error, UndefinedError):
        hint = error.hint() if error.hint is not None else ""
        error.args = (f"Unable to find `{error.name}` used in the expression `{shown}` at line {line}{hint}",)
    else:
        error.args = (f"{error.reason} ({shown}:{line})",)
    return error


def _excerpt(source: str, line: int) -> str:
    """A template for a message: of a long one the line that matters, of a long line its beginning."""
    if len(source) <= SHOWN_LENGTH:
        return source
    lines = source.splitlines() or [source]
    text = lines[min(max(line, 1), len(lines)) - 1].strip()
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"
