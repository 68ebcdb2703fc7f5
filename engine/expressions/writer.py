"""Source text written piece by piece, over Jinja2's writer, which keeps the lines of the template."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator

from engine.expressions import tree

FETCHES = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.CondExpr, tree.Coalesce, tree.CoalesceUndefined)
"""What may give a value with parts still to be fetched; every other expression is made of fetched ones."""


class Writer(CodeGenerator):
    """Source with its lines; `bound` holds what it refers to besides the functions that every template sees."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment, None, None, optimized=False)
        self.bound: dict[str, Any] = {}

    def source(self) -> str:
        """The source that was written."""
        assert isinstance(self.stream, StringIO)
        return self.stream.getvalue()

    def _call(self, function: str, *operands: nodes.Node, scope: bool = False) -> None:
        self.write(f"{function}(")
        if scope:
            self.write("scope, ")
        for operand in operands:
            self._whole(operand)
            self.write(", ")
        self.write(")")

    def _item(self, node: nodes.Getitem) -> None:
        """`value[key]`: of the value only what the key leads to is fetched."""
        self.write("item(scope, ")
        self.visit(node.node)
        self.write(", ")
        self._whole(node.arg)
        self.write(")")

    def _whole(self, node: nodes.Node) -> None:
        if isinstance(node, FETCHES):
            self.write("whole(scope, ")
            self.visit(node)
            self.write(")")
        else:
            self.visit(node)

    def _statement(self, before: str, value: nodes.Node, after: str, at: nodes.Node | None = None) -> None:
        self.writeline(before, at or value)
        self.visit(value)
        self.write(after)

    def _printed(self, node: nodes.Expr) -> None:
        if isinstance(node, nodes.TemplateData):
            self.write(repr(node.data))
        else:
            self._mark_line(node)
            self.write("show(scope, ")
            self.visit(node)
            self.write(")")

    def _arguments(self, node: nodes.Call | nodes.Filter | nodes.Test) -> None:
        for argument in node.args:
            self.write(", ")
            self._whole(argument)
        if node.kwargs:
            self.write(", **{")
            for keyword in node.kwargs:
                self.write(f"{keyword.key!r}: ")
                self._whole(keyword.value)
                self.write(", ")
            self.write("}")

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self.indent()
        yield
        self.outdent()

    def _mark_line(self, node: nodes.Node) -> None:
        """Begin a new line of source where the template does; legal because values stand in parentheses."""
        if node.lineno != self._last_line:
            self.newline(node)

    def _bind(self, value: Any) -> str:
        """The name under which the source finds a value."""
        name = f"bound_{len(self.bound)}"
        self.bound[name] = value
        return name
