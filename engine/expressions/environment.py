"""Templates made ready to run: parsed, written as Python, compiled and kept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, TracebackType
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
FILE = "<template>"
BASE = jinja2.Environment(autoescape=False)  # noqa: S701
RUNTIME: dict[str, Any] = {
    name: value
    for module in (operators, access, output)
    for name, value in vars(module).items()
    if callable(value) and getattr(value, "__module__", "") == module.__name__
}


class Template:
    """A compiled template. `text` prints it; `value` gives the value of a lone expression, None where it is more."""

    __slots__ = ("_codes", "_lines", "source", "text", "value")

    def __init__(self, source: str) -> None:
        registry.load()
        self.source = source
        try:
            self._compile(parse(source))
        except ExpressionError as error:
            raise located(error, source, error.line) from None
        except (RecursionError, MemoryError, SyntaxError):
            raise located(LimitError("The template is nested too deeply or too large"), source, 1) from None

    def line_of(self, traceback: TracebackType | None) -> int:
        """The line of the template where an exception came from, 0 when it came from elsewhere."""
        line = 0
        while traceback is not None:
            if traceback.tb_frame.f_globals is self._codes:
                line = self._line(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line

    def _compile(self, tree: nodes.Template) -> None:
        generator = Generator(BASE, [macro.name for macro in tree.find_all(nodes.Macro)])
        generator.visit(tree)
        self._lines = generator.debug_info
        code: CodeType = compile(generator.stream.getvalue(), FILE, "exec")  # type: ignore[attr-defined]
        self._codes: dict[str, Any] = {**RUNTIME, **generator.bound}
        exec(code, self._codes)  # noqa: S102
        self.text: Callable[[Scope, Show], str] = self._codes["root"]
        self.value: Callable[[Scope], Any] | None = self._codes.get("value")

    def _line(self, generated: int) -> int:
        found = bisect_right(self._lines, generated, key=lambda pair: pair[1])
        return self._lines[found - 1][0] if found else 1


@lru_cache(CACHED)
def compiled(source: str) -> Template:
    """The compiled template of a source text. Raises ExpressionError."""
    return Template(source)


def located(error: ExpressionError, source: str, line: int) -> ExpressionError:
    """The error, its message saying where in which template it happened."""
    error.template, error.line = source, line
    if isinstance(error, UndefinedError):
        error.args = (f"Unable to find `{error.name}` used in the expression `{source}` at line {line}",)
    else:
        error.args = (f"{error.reason} ({source}:{line})",)
    return error
