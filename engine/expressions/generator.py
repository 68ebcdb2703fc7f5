"""The node tree to Python source, over Jinja2's writer with our own meaning for every node.

All names are looked up while rendering, so that `set` reaches outwards and nothing of Python's scopes shows. Operands
that may be skipped or may fail are written as lambdas. Every generated function has three names: `scope`, `out` (the
parts of the text) and `show` (how values print here).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import nodes

from engine.expressions import tree
from engine.expressions.registry import FILTERS, FUNCTIONS, TESTS
from engine.expressions.writer import Writer

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
OPERATIONS: dict[type[nodes.Node], tuple[str, bool]] = {
    nodes.Add: ("added", True),
    nodes.Concat: ("concat", True),
    nodes.Div: ("divide", False),
    nodes.Mod: ("remainder", False),
    nodes.Mul: ("multiply", False),
    nodes.Neg: ("negative", False),
    nodes.Pos: ("positive", False),
    nodes.Sub: ("subtract", False),
    tree.Range: ("span", True),
    tree.Raw: ("raw", True),
}
"""The function behind a node whose children are its operands, and whether it takes the scope."""
LAZY: dict[type[nodes.Node], str] = {tree.Coalesce: "coalesce", tree.CoalesceUndefined: "coalesce_undefined"}
JOINED = 50
"""A body of at most so many texts and printed values is put together in one call."""
PART = 200
"""Statements in one function; more are spread over several, compiled one after the other."""
NODE_COST = 50
LOOP_COST, CALL_COST = 2, 20
"""Fuel for a pass through a loop, and for each call that stands in it."""


class Generator(Writer):
    """Writes the source of one template, in several units where it is long. `spend` is told the cost."""

    def __init__(self, environment: Any, macros: frozenset[str], spend: Callable[[int], None]) -> None:
        super().__init__(environment)
        self._macros = macros
        self._spend = spend
        self._blocks: dict[str, str] = {}
        self._parts: list[Generator] = []

    def units(self) -> Iterator[Generator]:
        """The generator itself and those of the parts that were written apart."""
        yield self
        yield from self._parts

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> None:
        """Write what a node means."""
        WRITERS[type(node)](self, node)

    # -- the template

    def _template(self, node: nodes.Template) -> None:
        blocks = list(node.find_all(nodes.Block))
        self._blocks = {block.name: f"block_{index}" for index, block in enumerate(blocks)}
        for block in blocks:
            self._function(self._blocks[block.name], "scope, show", block.body)
        known = ", ".join(f"{name!r}: {function}" for name, function in self._blocks.items())
        self.writeline(f"blocks = {{{known}}}")
        for macro in node.find_all(nodes.Macro):
            self._macro_function(macro)
        self._function("root", "scope, show", node.body)
        lone = tree.lone_expression(node)
        if lone is not None:
            self.writeline("def value(scope):")
            with self._deeper():
                self._statement("return whole(scope, ", lone, ")")

    def _function(self, name: str, parameters: str, body: list[nodes.Node]) -> None:
        self.writeline(f"def {name}({parameters}):")
        with self._deeper():
            self._text_of(body)

    def _text_of(self, body: list[nodes.Node]) -> None:
        lone = tree.lone_output(body)
        if lone is not None:
            self._statement("return show(scope, ", lone, ")")
            return
        if len(body) <= JOINED and all(isinstance(node, nodes.Output) for node in body):
            self._joined(body)
            return
        self.writeline("out = Output(scope)")
        self._all(body)
        self.writeline("return out.text()")

    def _joined(self, body: list[nodes.Node]) -> None:
        self.writeline("return joined(scope, ")
        for node in body:
            assert isinstance(node, nodes.Output)
            self._printed(node.nodes[0])
            self.write(", ")
        self.write(")")

    def _macro_function(self, node: nodes.Macro) -> None:
        names = [argument.name for argument in node.args]
        self.writeline(f"def macro_{node.name}(scope, arguments, named):")
        with self._deeper():
            self._macro_body(node, names)

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
        with self._deeper():
            self._text_of(node.body)
        self.writeline("finally:")
        with self._deeper():
            self.writeline("scope.ascend(seen)")

    # -- statements

    def _output(self, node: nodes.Output) -> None:
        self.writeline("out.append(", node)
        self._printed(node.nodes[0])
        self.write(")")

    def _if(self, node: nodes.If) -> None:
        self._statement("if tested(scope, ", node.test, "):", node)
        with self._deeper():
            self._all(node.body)
        for branch in node.elif_:
            self._statement("elif tested(scope, ", branch.test, "):", branch)
            with self._deeper():
                self._all(branch.body)
        if node.else_:
            self.writeline("else:")
            with self._deeper():
                self._all(node.else_)

    def _for(self, node: nodes.For) -> None:
        assert isinstance(node.target, nodes.Name)
        items = self.temporary_identifier()
        counted = any(name.name == "loop" for part in node.body for name in part.find_all(nodes.Name))
        self.writeline(f"{items} = entries(scope, ", node)
        if isinstance(node.iter, tree.Range):
            self._call("counted", *node.iter.iter_child_nodes(), scope=True)
        else:
            self._whole(node.iter)
        self.write(")")
        self.writeline(f"if {items}:")
        with self._deeper():
            self._loop(node, items, counted)
        if node.else_:
            self.writeline(f"elif {items} is not None:")
            with self._deeper():
                self._all(node.else_)

    def _loop(self, node: nodes.For, items: str, counted: bool) -> None:
        assert isinstance(node.target, nodes.Name)
        calls = sum(1 for part in node.body for _ in part.find_all((nodes.Filter, nodes.Call)))
        cost = LOOP_COST + CALL_COST * calls
        self.writeline(f"for _ in loop(scope, {node.target.name!r}, {items}, {counted}, {cost}):", node)
        with self._deeper():
            self._all(node.body)
            self.writeline("out.measure()")

    def _assign(self, node: nodes.Assign) -> None:
        assert isinstance(node.target, nodes.Name)
        self._statement(f"assign(scope, {node.target.name!r}, ", node.node, ")", node)

    def _nothing(self, node: nodes.Macro) -> None:
        """Macros are functions of the module, known from its start; nothing is printed where they are defined."""

    def _block(self, node: nodes.Block) -> None:
        self.writeline(f"out.append({self._blocks[node.name]}(scope, show))", node)

    def _filter_tag(self, node: nodes.FilterBlock) -> None:
        body = node.filter.find(tree.Captured)
        assert body is not None
        self._function(body.importname, "scope, show", node.body)
        self._statement("out.append(show(scope, ", node.filter, "))", node)

    def _captured(self, node: nodes.ImportedName) -> None:
        self.write(f"{node.importname}(scope, java)")

    # -- values

    def _const(self, node: nodes.Const) -> None:
        self.write(repr(node.value))

    def _name(self, node: nodes.Name) -> None:
        self._mark_line(node)
        self.write(f"name(scope, {node.name!r})")

    def _getattr(self, node: nodes.Getattr) -> None:
        steps = tree.steps_of(node)
        self._mark_line(node)
        if steps is not None:
            self.write(f"path(scope, {', '.join(map(repr, steps))})")
            return
        self.write("attribute(scope, ")
        self.visit(node.node)
        self.write(f", {node.attr!r})")

    def _list(self, node: nodes.List) -> None:
        self.write("[")
        for item in node.items:
            self._whole(item)
            self.write(", ")
        self.write("]")

    def _dict(self, node: nodes.Dict) -> None:
        self.write("mapping((")
        for pair in node.items:
            self.write("(")
            self._whole(pair.key)
            self.write(", ")
            self._whole(pair.value)
            self.write("), ")
        self.write("))")

    # -- calls

    def _called(self, node: nodes.Call) -> None:
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

    def _filter(self, node: nodes.Filter) -> None:
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

    def _test(self, node: nodes.Test) -> None:
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

    # -- operators

    def _cond_expr(self, node: nodes.CondExpr) -> None:
        assert node.expr2 is not None
        self.write("(")
        self.visit(node.expr1)
        self.write(" if ")
        self._call("chosen", node.test)
        self.write(" else ")
        self.visit(node.expr2)
        self.write(")")

    def _logic(self, node: nodes.BinExpr) -> None:
        self.write("(")
        self._call("truth", node.left)
        self.write(f" {node.operator} ")
        self._call("truth", node.right)
        self.write(")")

    def _not(self, node: nodes.Not) -> None:
        self.write("(not ")
        self._call("truth", node.node)
        self.write(")")

    def _compare(self, node: nodes.Compare) -> None:
        operand = node.ops[0]
        self._call(COMPARISONS[operand.op], node.expr, operand.expr)

    def _operation(self, node: nodes.Node) -> None:
        function, scope = OPERATIONS[type(node)]
        self._call(function, *node.iter_child_nodes(), scope=scope)

    def _lazy(self, node: nodes.BinExpr) -> None:
        self.write(f"{LAZY[type(node)]}(lambda: ")
        self.visit(node.left)
        self.write(", lambda: ")
        self.visit(node.right)
        self.write(")")

    # -- writing

    def _all(self, body: list[nodes.Node]) -> None:
        """Statements; those of a long body in parts, each a function of its own."""
        self.writeline("pass")
        if len(body) <= PART:
            for node in body:
                self._spend(NODE_COST)
                self.visit(node)
            return
        for start in range(0, len(body), PART):
            self.writeline(f"{self._part(body[start : start + PART])}(scope, show, out)")

    def _part(self, body: list[nodes.Node]) -> str:
        """The name of a function, written apart, that does what a body says."""
        apart = Generator(self.environment, self._macros, self._spend)
        apart.bound, apart._blocks, apart._parts = self.bound, self._blocks, self._parts
        name = f"part_{len(self._parts)}"
        self._parts.append(apart)
        apart.writeline(f"def {name}(scope, show, out):")
        with apart._deeper():
            apart._all(body)
        return name


WRITERS: dict[type[nodes.Node], Callable[[Generator, Any], None]] = {
    nodes.Template: Generator._template,
    nodes.Output: Generator._output,
    nodes.If: Generator._if,
    nodes.For: Generator._for,
    nodes.Assign: Generator._assign,
    nodes.Macro: Generator._nothing,
    nodes.Block: Generator._block,
    nodes.FilterBlock: Generator._filter_tag,
    tree.Captured: Generator._captured,
    nodes.Const: Generator._const,
    nodes.Name: Generator._name,
    nodes.Getattr: Generator._getattr,
    nodes.List: Generator._list,
    nodes.Dict: Generator._dict,
    nodes.Call: Generator._called,
    nodes.Filter: Generator._filter,
    nodes.Test: Generator._test,
    nodes.CondExpr: Generator._cond_expr,
    nodes.And: Generator._logic,
    nodes.Or: Generator._logic,
    nodes.Not: Generator._not,
    nodes.Compare: Generator._compare,
    **dict.fromkeys(OPERATIONS, Generator._operation),
    nodes.Getitem: Generator._item,
    **dict.fromkeys(LAZY, Generator._lazy),
}
