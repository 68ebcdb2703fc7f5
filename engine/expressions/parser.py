"""Tokens to a node tree, by the grammar and the precedence of Pebble."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from jinja2 import nodes

from engine.expressions.cursor import Cursor
from engine.expressions.lexer import Token
from engine.expressions.tree import Captured, Coalesce, CoalesceUndefined, Range, Raw

Binary = TypeVar("Binary", bound=nodes.BinExpr)

NODE_COST = 20
CONSTANTS = {"true": True, "TRUE": True, "false": False, "FALSE": False}
NULLS = frozenset({"null", "NULL", "none", "NONE"})
WORDS = frozenset({"and", "or", "not", "is", "contains", "isIn", "equals"})
COMPARISONS = {
    "==": "eq",
    "equals": "eq",
    "!=": "ne",
    "<": "lt",
    ">": "gt",
    "<=": "lteq",
    ">=": "gteq",
}


def parse(source: str, spend: Callable[[int], None]) -> nodes.Template:
    """The node tree of a template; `spend` is told the cost.

    Raises ExpressionError with the line, LimitError when it is nested too deeply.
    """
    return Parser(source, spend).parse()


class Parser(Cursor):
    """Recursive descent; one method for each level of precedence, the loosest first."""

    def parse(self) -> nodes.Template:
        body = self._body(())
        return nodes.Template(body, lineno=1)

    # -- text and tags

    def _body(self, ends: tuple[str, ...]) -> list[nodes.Node]:
        """Nodes up to a tag named in `ends`, whose opening and name are consumed; to the end where none is named."""
        body: list[nodes.Node] = []
        while True:
            self._spend(NODE_COST)
            token = self.next()
            if token.kind == "text":
                body.append(nodes.Output([nodes.TemplateData(token.value)], lineno=token.line))
            elif token.kind == "raw":
                body.append(nodes.Output([Raw(nodes.Const(token.value))], lineno=token.line))
            elif token.kind == "print":
                value = self._expression()
                self.close()
                body.append(nodes.Output([value], lineno=token.line))
            elif token.kind == "tag":
                name = self.take("name", "the name of a tag").value
                if name in ends:
                    self._ended = name
                    return body
                body.append(self._tag(name, token.line, ends))
            elif ends:
                raise self.error(f"The tag '{ends[-1]}' is missing", token)
            else:
                return body

    def _tag(self, name: str, line: int, ends: tuple[str, ...]) -> nodes.Node:
        parse = {
            "if": self._if,
            "for": self._for,
            "set": self._set,
            "macro": self._macro,
            "block": self._block,
            "filter": self._filter_tag,
        }.get(name)
        if parse is None:
            expected = f", expected one of: {', '.join(ends)}" if ends else ""
            raise self.error(f"Unexpected tag name '{name}'{expected}", self._tokens[self._at - 1])
        return self.nested(lambda: parse(line))

    def _if(self, line: int) -> nodes.If:
        test = self._expression()
        self.close()
        body = self._body(("elseif", "else", "endif"))
        elifs: list[nodes.If] = []
        while self._ended == "elseif":
            condition = self._expression()
            self.close()
            elifs.append(nodes.If(condition, self._body(("elseif", "else", "endif")), [], [], lineno=line))
        otherwise: list[nodes.Node] = []
        if self._ended == "else":
            self.close()
            otherwise = self._body(("endif",))
        self.close()
        return nodes.If(test, body, elifs, otherwise, lineno=line)

    def _for(self, line: int) -> nodes.For:
        target = self.take("name", "the loop variable")
        if self.word("in") is None:
            raise self.error("Expected 'in' after the loop variable", self.peek())
        items = self._expression()
        self.close()
        body = self._body(("else", "endfor"))
        otherwise: list[nodes.Node] = []
        if self._ended == "else":
            self.close()
            otherwise = self._body(("endfor",))
        self.close()
        name = nodes.Name(target.value, "store", lineno=target.line)
        return nodes.For(name, items, body, otherwise, None, False, lineno=line)

    def _set(self, line: int) -> nodes.Assign:
        name = self.take("name", "the name of a variable")
        self.expect("=")
        value = self._expression()
        self.close()
        return nodes.Assign(nodes.Name(name.value, "store", lineno=line), value, lineno=line)

    def _macro(self, line: int) -> nodes.Macro:
        name = self.take("name", "the name of a macro").value
        self.expect("(")
        arguments: list[nodes.Name] = []
        defaults: list[nodes.Expr] = []
        while not self.mark(")"):
            if arguments:
                self.expect(",")
            argument = self.take("name", "the name of an argument")
            arguments.append(nodes.Name(argument.value, "param", lineno=argument.line))
            defaults.append(self._expression() if self.mark("=") else nodes.Const(None, lineno=argument.line))
        self.close()
        body = self._body(("endmacro",))
        self._optional_name()
        return nodes.Macro(name, arguments, defaults, body, lineno=line)

    def _block(self, line: int) -> nodes.Block:
        token = self.next()
        if token.kind not in ("name", "string"):
            raise self.error("Expected the name of a block", token)
        self.close()
        body = self._body(("endblock",))
        self._optional_name()
        return nodes.Block(token.value, body, False, False, lineno=line)

    def _filter_tag(self, line: int) -> nodes.FilterBlock:
        chain: nodes.Expr = Captured(f"body_{self._at}", lineno=line)
        while True:
            chain = self._filter(chain)
            if not self.mark("|"):
                break
        self.close()
        body = self._body(("endfilter",))
        self.close()
        return nodes.FilterBlock(body, chain, lineno=line)

    def _optional_name(self) -> None:
        """An end tag may repeat the name."""
        if self.peek().kind in ("name", "string"):
            self.next()
        self.close()

    # -- expressions

    def _expression(self) -> nodes.Expr:
        return self.nested(self._ternary)

    def _ternary(self) -> nodes.Expr:
        condition = self._or()
        token = self.peek()
        if not self.mark("?"):
            return condition
        first = self._expression()
        self.expect(":")
        second = self._expression()
        return nodes.CondExpr(condition, first, second, lineno=token.line)

    def _or(self) -> nodes.Expr:
        left = self._and()
        while token := self.word("or"):
            left = nodes.Or(left, self._and(), lineno=token.line)
        return left

    def _and(self) -> nodes.Expr:
        left = self._test()
        while token := self.word("and"):
            left = nodes.And(left, self._test(), lineno=token.line)
        return left

    def _test(self) -> nodes.Expr:
        """`is`, `is not`, `contains` and `isIn`."""
        left = self._comparison()
        while True:
            if token := self.word("is"):
                negated = self.word("not")
                name = self.take("name", "the name of a test").value
                arguments, named = self._arguments() if self.mark("(") else ([], [])
                left = nodes.Test(left, name, arguments, named, None, None, lineno=token.line)
                if negated:
                    left = nodes.Not(left, lineno=token.line)
            elif token := self.word("contains", "isIn"):
                operand = nodes.Operand(token.value, self._comparison(), lineno=token.line)
                left = nodes.Compare(left, [operand], lineno=token.line)
            else:
                return left

    def _comparison(self) -> nodes.Expr:
        left = self._sum()
        while token := self.mark("==", "!=", "<", ">", "<=", ">=") or self.word("equals"):
            operand = nodes.Operand(COMPARISONS[token.value], self._sum(), lineno=token.line)
            left = nodes.Compare(left, [operand], lineno=token.line)
        return left

    def _sum(self) -> nodes.Expr:
        return self._binary(self._product, {"+": nodes.Add, "-": nodes.Sub})

    def _product(self) -> nodes.Expr:
        return self._binary(self._filtered, {"*": nodes.Mul, "/": nodes.Div, "%": nodes.Mod})

    def _filtered(self) -> nodes.Expr:
        left = self._concatenation()
        while self.mark("|"):
            left = self._filter(left)
        return left

    def _concatenation(self) -> nodes.Expr:
        token = self.peek()
        parts = [self._choice()]
        while self.mark("~"):
            parts.append(self._choice())
        return parts[0] if len(parts) == 1 else nodes.Concat(parts, lineno=token.line)

    def _choice(self) -> nodes.Expr:
        """`..`, `??` and `???`."""
        left = self._unary()
        while token := self.mark("..", "??", "???"):
            right = self._unary()
            if token.value == "..":
                left = Range(left, right, None, lineno=token.line)
            elif token.value == "??":
                left = Coalesce(left, right, lineno=token.line)
            else:
                left = CoalesceUndefined(left, right, lineno=token.line)
        return left

    def _unary(self) -> nodes.Expr:
        token = self.mark("-", "+") or self.word("not")
        if token is None:
            return self._postfix()
        operand = self.nested(self._unary)
        kind: type[nodes.UnaryExpr] = {"-": nodes.Neg, "+": nodes.Pos}.get(token.value, nodes.Not)
        return kind(operand, lineno=token.line)

    def _postfix(self) -> nodes.Expr:
        value, goes_on = self._primary()
        while goes_on:
            token = self.peek()
            if self.mark("."):
                name = self.take("name", "the name of an attribute").value
                value = nodes.Getattr(value, name, "load", lineno=token.line)
            elif self.mark("["):
                value = nodes.Getitem(value, self._expression(), "load", lineno=token.line)
                self.expect("]")
            elif isinstance(value, nodes.Name | nodes.Getattr) and self.mark("("):
                arguments, named = self._arguments()
                value = nodes.Call(value, arguments, named, None, None, lineno=token.line)
            else:
                return value
        return value

    def _primary(self) -> tuple[nodes.Expr, bool]:
        """A value, and whether `.`, `[` or `(` may follow it."""
        token = self.next()
        if token.kind == "name":
            return self._named(token), True
        if token.kind == "string":
            return nodes.Const(token.value, lineno=token.line), True
        if token.kind == "number":
            return nodes.Const(self._number(token), lineno=token.line), False
        if token.value == "(" and token.kind == "mark":
            value = self._expression()
            self.expect(")")
            return value, True
        if token.value == "[" and token.kind == "mark":
            return self._list(token.line), False
        if token.value == "{" and token.kind == "mark":
            return self._map(token.line), False
        raise self.unexpected(token)

    def _named(self, token: Token) -> nodes.Expr:
        name = token.value
        if name in WORDS:
            raise self.unexpected(token)
        called = self.peek().kind == "mark" and self.peek().value == "("
        if not called and name in CONSTANTS:
            return nodes.Const(CONSTANTS[name], lineno=token.line)
        if not called and name in NULLS:
            return nodes.Const(None, lineno=token.line)
        return nodes.Name(name, "load", lineno=token.line)

    def _number(self, token: Token) -> int | float:
        if "." in token.value:
            return float(token.value)
        value = int(token.value) if len(token.value) < 20 else 2**64
        if value >= 2**63:
            raise self.error(f"The number {token.value} does not fit in 64 bits", token)
        return value

    def _list(self, line: int) -> nodes.List:
        items: list[nodes.Expr] = []
        while not self.mark("]"):
            if items:
                self.expect(",")
            items.append(self._expression())
        return nodes.List(items, lineno=line)

    def _map(self, line: int) -> nodes.Dict:
        pairs: list[nodes.Pair] = []
        while not self.mark("}"):
            if pairs:
                self.expect(",")
            key = self._expression()
            self.expect(":")
            pairs.append(nodes.Pair(key, self._expression(), lineno=line))
        return nodes.Dict(pairs, lineno=line)

    def _filter(self, value: nodes.Expr) -> nodes.Filter:
        token = self.take("name", "the name of a filter")
        arguments, named = self._arguments() if self.mark("(") else ([], [])
        return nodes.Filter(value, token.value, arguments, named, None, None, lineno=token.line)

    def _arguments(self) -> tuple[list[nodes.Expr], list[nodes.Keyword]]:
        """What stands in parentheses, the opening one consumed: values, then `name=value`."""
        values: list[nodes.Expr] = []
        named: list[nodes.Keyword] = []
        while not self.mark(")"):
            if values or named:
                self.expect(",")
            token, following = self.peek(), self._tokens[min(self._at + 1, len(self._tokens) - 1)]
            if token.kind == "name" and following.kind == "mark" and following.value == "=":
                self._at += 2
                named.append(nodes.Keyword(token.value, self._expression(), lineno=token.line))
            elif named:
                raise self.error("Positional arguments must be declared before any named arguments", token)
            else:
                values.append(self._expression())
        return values, named

    def _binary(self, operand: Callable[[], nodes.Expr], kinds: dict[str, type[Binary]]) -> nodes.Expr:
        left = operand()
        while token := self.mark(*kinds):
            left = kinds[token.value](left, operand(), lineno=token.line)
        return left
