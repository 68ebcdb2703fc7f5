"""The node tree to Python source, over Jinja2's writer with our own meaning for every node.

All names are looked up while rendering, so that `set` reaches outwards and nothing of Python's scopes shows. Operands that
may be skipped or may fail are written as lambdas. Every generated function has three names: `scope`, `out` (the parts of
the text) and `show` (how values print here).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator

from engine.expressions import parser
from engine.expressions.registry import FILTERS, FUNCTIONS, TESTS

COMPARISONS = {
    "eq": "equal",
    "ne": "different",
    "lt": "less",
    "gt": "more",
    "lteq": "at_most",
    "gteq": "at_least",
    "contains": "contains",
    "isIn": "is_in",
}
FETCHES = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.CondExpr, parser.Coalesce, parser.CoalesceUndefined)
"""What may give a value with parts still to be fetched; every other expression is made of fetched ones."""


class Generator(CodeGenerator):
    """Writes the source of one template; `bound` holds what the source refers to besides the runtime's functions."""

    def __init__(self, environment: Any, macros: Iterable[str]) -> None:
        super().__init__(environment, None, None, optimized=False)
        self.bound: dict[str, Any] = {}
        self._macros = frozenset(macros)
        self._blocks: dict[str, str] = {}

    # -- the template

    def visit_Template(self, node: nodes.Template, frame: Any = None) -> None:
        for block in node.find_all(nodes.Block):
            self._blocks[block.name] = f"block_{len(self._blocks)}"
            self._function(self._blocks[block.name], "scope, show", block.body)
        known = ", ".join(f"{name!r}: {function}" for name, function in self._blocks.items())
        self.writeline(f"blocks = {{{known}}}")
        for macro in node.find_all(nodes.Macro):
            self._macro(macro)
        self._function("root", "scope, show", node.body)
        lone = lone_expression(node)
        if lone is not None:
            self.writeline("def value(scope):")
            self._indented(lambda: self._statement("return whole(scope, ", lone, ")"))

    def _function(self, name: str, parameters: str, body: list[nodes.Node]) -> None:
        self.writeline(f"def {name}({parameters}):")
        self._indented(lambda: self._text_of(body))

    def _text_of(self, body: list[nodes.Node]) -> None:
        lone = _lone_output(body)
        if lone is not None:
            self._statement("return show(scope, ", lone, ")")
            return
        self.writeline("out = Output(scope)")
        self._all(body)
        self.writeline("return out.text()")

    def _macro(self, node: nodes.Macro) -> None:
        names = [argument.name for argument in node.args]
        self.writeline(f"def macro_{node.name}(scope, arguments, named):")
        self._indented(lambda: self._macro_body(node, names))

    def _macro_body(self, node: nodes.Macro, names: list[str]) -> None:
        self.writeline("defaults = {")
        for name, default in zip(names, node.defaults, strict=True):
            self.write(f"{name!r}: lambda: ")
            self.visit(default)
            self.write(", ")
        self.write("}")
        self.writeline(f"seen = enter(scope, {node.name!r}, defaults, arguments, named)")
        self.writeline("show = java")
        self.writeline("try:")
        self._indented(lambda: self._text_of(node.body))
        self.writeline("finally:")
        self._indented(lambda: self.writeline("scope.ascend(seen)"))

    # -- statements

    def visit_Output(self, node: nodes.Output, frame: Any = None) -> None:
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                self.writeline(f"out.append({child.data!r})", node)
            else:
                self._statement("out.append(show(scope, ", child, "))", node)

    def visit_If(self, node: nodes.If, frame: Any = None) -> None:
        self._statement("if truth(", node.test, "):", node)
        self._indented(lambda: self._all(node.body))
        for branch in node.elif_:
            self._statement("elif truth(", branch.test, "):", branch)
            body = branch.body
            self._indented(lambda body=body: self._all(body))  # type: ignore[misc]
        if node.else_:
            self.writeline("else:")
            self._indented(lambda: self._all(node.else_))

    def visit_For(self, node: nodes.For, frame: Any = None) -> None:
        assert isinstance(node.target, nodes.Name)
        items = self.temporary_identifier()
        counted = any(name.name == "loop" for part in node.body for name in part.find_all(nodes.Name))
        self._statement(f"{items} = entries(scope, ", node.iter, ")", node)
        self.writeline(f"if {items}:")
        self._indented(lambda: self._loop(node, items, counted))
        if node.else_:
            self.writeline(f"elif {items} is not None:")
            self._indented(lambda: self._all(node.else_))

    def _loop(self, node: nodes.For, items: str, counted: bool) -> None:
        assert isinstance(node.target, nodes.Name)
        self.writeline(f"for _ in loop(scope, {node.target.name!r}, {items}, {counted}):", node)
        self._indented(lambda: self._all(node.body))
        self._indented(lambda: self.writeline("out.measure()"))

    def visit_Assign(self, node: nodes.Assign, frame: Any = None) -> None:
        assert isinstance(node.target, nodes.Name)
        self._statement(f"assign(scope, {node.target.name!r}, ", node.node, ")", node)

    def visit_Macro(self, node: nodes.Macro, frame: Any = None) -> None:
        """Macros are functions of the module, known from its start; nothing is printed where they are defined."""

    def visit_Block(self, node: nodes.Block, frame: Any = None) -> None:
        self.writeline(f"out.append({self._blocks[node.name]}(scope, show))", node)

    def visit_FilterBlock(self, node: nodes.FilterBlock, frame: Any = None) -> None:
        body = node.filter.find(parser.Captured)
        assert body is not None
        self._function(body.importname, "scope, show", node.body)
        self._statement("out.append(show(scope, ", node.filter, "))", node)

    def visit_ImportedName(self, node: nodes.ImportedName, frame: Any = None) -> None:
        self.write(f"{node.importname}(scope, java)")

    # -- values

    def visit_Const(self, node: nodes.Const, frame: Any = None) -> None:
        self.write(repr(node.value))

    def visit_MarkSafe(self, node: nodes.MarkSafe, frame: Any = None) -> None:
        self._call("raw", node.expr, scope=True)

    def visit_Name(self, node: nodes.Name, frame: Any = None) -> None:
        self._mark_line(node)
        self.write(f"name(scope, {node.name!r})")

    def visit_Getattr(self, node: nodes.Getattr, frame: Any = None) -> None:
        steps = _steps(node)
        self._mark_line(node)
        if steps is not None:
            self.write(f"path(scope, {', '.join(map(repr, steps))})")
            return
        self.write("attribute(scope, ")
        self.visit(node.node)
        self.write(f", {node.attr!r})")

    def visit_Getitem(self, node: nodes.Getitem, frame: Any = None) -> None:
        self._mark_line(node)
        self._call("item", node.node, node.arg, scope=True)

    def visit_List(self, node: nodes.List, frame: Any = None) -> None:
        self.write("[")
        for item in node.items:
            self.visit(item)
            self.write(", ")
        self.write("]")

    def visit_Dict(self, node: nodes.Dict, frame: Any = None) -> None:
        self.write("mapping((")
        for pair in node.items:
            self.write("(")
            self.visit(pair.key)
            self.write(", ")
            self.visit(pair.value)
            self.write("), ")
        self.write("))")

    def visit_Slice(self, node: nodes.Slice, frame: Any = None) -> None:
        assert node.start is not None
        assert node.stop is not None
        self._call("span", node.start, node.stop, scope=True)

    # -- calls

    def visit_Call(self, node: nodes.Call, frame: Any = None) -> None:
        self._mark_line(node)
        if isinstance(node.node, nodes.Getattr):
            self.write("method(scope, ")
            self.visit(node.node.node)
            self.write(f", {node.node.attr!r}")
            self._arguments(node)
            self.write(")")
            return
        assert isinstance(node.node, nodes.Name)
        called = node.node.name
        if called == "block":
            self.write("block(scope, blocks")
            self._arguments(node)
            self.write(")")
        elif called in FUNCTIONS:
            self.write(f"{self._bind(FUNCTIONS[called].callable)}(scope")
            self._arguments(node)
            self.write(")")
        elif called in self._macros:
            self.write(f"macro_{called}(scope, (")
            for argument in node.args:
                self._whole(argument)
                self.write(", ")
            self.write("), {")
            for keyword in node.kwargs:
                self.write(f"{keyword.key!r}: ")
                self._whole(keyword.value)
                self.write(", ")
            self.write("})")
        else:
            self.write(f"unknown('function', {called!r})")

    def visit_Filter(self, node: nodes.Filter, frame: Any = None) -> None:
        self._mark_line(node)
        known = FILTERS.get(node.name)
        if known is None:
            self.write(f"unknown('filter', {node.name!r})")
            return
        self.write(f"{self._bind(known.callable)}(scope, ")
        assert node.node is not None
        if known.lazy:
            self.write("lambda: ")
        self._whole(node.node)
        self._arguments(node)
        self.write(")")

    def visit_Test(self, node: nodes.Test, frame: Any = None) -> None:
        self._mark_line(node)
        if node.name == "defined":
            self.write("defined(lambda: ")
            self.visit(node.node)
            self.write(")")
            return
        known = TESTS.get(node.name)
        if known is None:
            self.write(f"unknown('test', {node.name!r})")
            return
        self.write(f"{self._bind(known.callable)}(scope, ")
        self._whole(node.node)
        self._arguments(node)
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

    # -- operators

    def visit_CondExpr(self, node: nodes.CondExpr, frame: Any = None) -> None:
        assert node.expr2 is not None
        self.write("(")
        self.visit(node.expr1)
        self.write(" if ")
        self._call("chosen", node.test)
        self.write(" else ")
        self.visit(node.expr2)
        self.write(")")

    def visit_And(self, node: nodes.And, frame: Any = None) -> None:
        self._logic("and", node)

    def visit_Or(self, node: nodes.Or, frame: Any = None) -> None:
        self._logic("or", node)

    def _logic(self, operator: str, node: nodes.BinExpr) -> None:
        self.write("(")
        self._call("truth", node.left)
        self.write(f" {operator} ")
        self._call("truth", node.right)
        self.write(")")

    def visit_Not(self, node: nodes.Not, frame: Any = None) -> None:
        self.write("(not ")
        self._call("truth", node.node)
        self.write(")")

    def visit_Neg(self, node: nodes.Neg, frame: Any = None) -> None:
        self._call("negative", node.node)

    def visit_Pos(self, node: nodes.Pos, frame: Any = None) -> None:
        self._call("positive", node.node)

    def visit_Compare(self, node: nodes.Compare, frame: Any = None) -> None:
        operand = node.ops[0]
        self._mark_line(operand)
        self._call(COMPARISONS[operand.op], node.expr, operand.expr)

    def visit_Concat(self, node: nodes.Concat, frame: Any = None) -> None:
        self._call("concat", *node.nodes, scope=True)

    def visit_Add(self, node: nodes.Add, frame: Any = None) -> None:
        self._call("added", node.left, node.right, scope=True)

    def visit_Sub(self, node: nodes.Sub, frame: Any = None) -> None:
        self._call("subtract", node.left, node.right)

    def visit_Mul(self, node: nodes.Mul, frame: Any = None) -> None:
        self._call("multiply", node.left, node.right)

    def visit_Div(self, node: nodes.Div, frame: Any = None) -> None:
        self._call("divide", node.left, node.right)

    def visit_Mod(self, node: nodes.Mod, frame: Any = None) -> None:
        self._call("remainder", node.left, node.right)

    def visit_FloorDiv(self, node: nodes.FloorDiv, frame: Any = None) -> None:
        self._lazy("coalesce", node)

    def visit_Pow(self, node: nodes.Pow, frame: Any = None) -> None:
        self._lazy("coalesce_undefined", node)

    def _lazy(self, function: str, node: nodes.BinExpr) -> None:
        self.write(f"{function}(lambda: ")
        self.visit(node.left)
        self.write(", lambda: ")
        self.visit(node.right)
        self.write(")")

    # -- writing

    def _call(self, function: str, *operands: nodes.Node, scope: bool = False) -> None:
        self.write(f"{function}(")
        if scope:
            self.write("scope, ")
        for operand in operands:
            self._whole(operand)
            self.write(", ")
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

    def _all(self, body: list[nodes.Node]) -> None:
        self.writeline("pass")
        for node in body:
            self.visit(node)

    def _indented(self, write: Callable[[], None]) -> None:
        self.indent()
        write()
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


def lone_expression(node: nodes.Template) -> nodes.Expr | None:
    """The expression of a template that is nothing else."""
    lone = _lone_output(node.body)
    return None if isinstance(lone, parser.Raw) else lone


def _lone_output(body: list[nodes.Node]) -> nodes.Expr | None:
    if len(body) != 1 or not isinstance(body[0], nodes.Output):
        return None
    lone = body[0].nodes[0]
    return None if isinstance(lone, nodes.TemplateData) else lone


def _steps(node: nodes.Expr) -> list[str] | None:
    """`a.b.c` as its names, None for what is not a plain path."""
    steps: list[str] = []
    while isinstance(node, nodes.Getattr):
        steps.append(node.attr)
        node = node.node
    return [node.name, *reversed(steps)] if isinstance(node, nodes.Name) else None
