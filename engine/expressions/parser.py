"""Tokens to Jinja2's node tree, by the grammar and the precedence of Pebble.

Jinja2 takes no node types but its own. What Pebble has beyond them borrows a node that Pebble itself has no use for; the
aliases below name what each stands for, and the generator gives them their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from jinja2 import nodes

from engine.errors import ExpressionError, LimitError
from engine.expressions.lexer import Token, tokenize

Coalesce = nodes.FloorDiv
"""`left ?? right`"""
CoalesceUndefined = nodes.Pow
"""`left ??? right`"""
Range = nodes.Slice
"""`start..stop`"""
Raw = nodes.MarkSafe
"""Text of `raw` and `verbatim`, kept from being rendered again."""
Captured = nodes.ImportedName
"""The text between `filter` and `endfilter`."""

Binary = TypeVar("Binary", bound=nodes.BinExpr)
Parsed = TypeVar("Parsed")

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
DEPTH = 100


def parse(source: str) -> nodes.Template:
    """The node tree of a template. Raises ExpressionError with the line, LimitError when nested too deeply."""
    return Parser(source).parse()


class Parser:
    """Recursive descent; one method for each level of precedence, the loosest first."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokenize(source)
        self._at = 0
        self._depth = 0

    def parse(self) -> nodes.Template:
        body = self._body(())
        return nodes.Template(body, lineno=1)

    # -- text and tags

    def _body(self, ends: tuple[str, ...]) -> list[nodes.Node]:
        """Nodes up to a tag named in `ends`, whose opening and name are consumed; to the end where none is named."""
        body: list[nodes.Node] = []
        while True:
            token = self._next()
            if token.kind == "text":
                body.append(nodes.Output([nodes.TemplateData(token.value)], lineno=token.line))
            elif token.kind == "raw":
                body.append(nodes.Output([Raw(nodes.Const(token.value))], lineno=token.line))
            elif token.kind == "print":
                value = self._expression()
                self._close()
                body.append(nodes.Output([value], lineno=token.line))
            elif token.kind == "tag":
                name = self._take("name", "the name of a tag").value
                if name in ends:
                    self._ended = name
                    return body
                body.append(self._tag(name, token.line, ends))
            elif ends:
                raise self._error(f"The tag '{ends[-1]}' is missing", token)
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
            raise self._error(f"Unexpected tag name '{name}'{expected}", self._tokens[self._at - 1])
        return self._nested(lambda: parse(line))

    def _if(self, line: int) -> nodes.If:
        test = self._expression()
        self._close()
        body = self._body(("elseif", "else", "endif"))
        elifs: list[nodes.If] = []
        while self._ended == "elseif":
            condition = self._expression()
            self._close()
            elifs.append(nodes.If(condition, self._body(("elseif", "else", "endif")), [], [], lineno=line))
        otherwise: list[nodes.Node] = []
        if self._ended == "else":
            self._close()
            otherwise = self._body(("endif",))
        self._close()
        return nodes.If(test, body, elifs, otherwise, lineno=line)

    def _for(self, line: int) -> nodes.For:
        target = self._take("name", "the loop variable")
        if self._word("in") is None:
            raise self._error("Expected 'in' after the loop variable", self._peek())
        items = self._expression()
        self._close()
        body = self._body(("else", "endfor"))
        otherwise: list[nodes.Node] = []
        if self._ended == "else":
            self._close()
            otherwise = self._body(("endfor",))
        self._close()
        name = nodes.Name(target.value, "store", lineno=target.line)
        return nodes.For(name, items, body, otherwise, None, False, lineno=line)

    def _set(self, line: int) -> nodes.Assign:
        name = self._take("name", "the name of a variable")
        self._expect("=")
        value = self._expression()
        self._close()
        return nodes.Assign(nodes.Name(name.value, "store", lineno=line), value, lineno=line)

    def _macro(self, line: int) -> nodes.Macro:
        name = self._take("name", "the name of a macro").value
        self._expect("(")
        arguments: list[nodes.Name] = []
        defaults: list[nodes.Expr] = []
        while not self._mark(")"):
            if arguments:
                self._expect(",")
            argument = self._take("name", "the name of an argument")
            arguments.append(nodes.Name(argument.value, "param", lineno=argument.line))
            defaults.append(self._expression() if self._mark("=") else nodes.Const(None, lineno=argument.line))
        self._close()
        body = self._body(("endmacro",))
        self._optional_name()
        return nodes.Macro(name, arguments, defaults, body, lineno=line)

    def _block(self, line: int) -> nodes.Block:
        token = self._next()
        if token.kind not in ("name", "string"):
            raise self._error("Expected the name of a block", token)
        self._close()
        body = self._body(("endblock",))
        self._optional_name()
        return nodes.Block(token.value, body, False, False, lineno=line)

    def _filter_tag(self, line: int) -> nodes.FilterBlock:
        chain: nodes.Expr = Captured(f"body_{self._at}", lineno=line)
        while True:
            chain = self._filter(chain)
            if not self._mark("|"):
                break
        self._close()
        body = self._body(("endfilter",))
        self._close()
        return nodes.FilterBlock(body, chain, lineno=line)

    def _optional_name(self) -> None:
        """An end tag may repeat the name."""
        if self._peek().kind in ("name", "string"):
            self._next()
        self._close()

    # -- expressions

    def _expression(self) -> nodes.Expr:
        return self._nested(self._ternary)

    def _ternary(self) -> nodes.Expr:
        condition = self._or()
        token = self._peek()
        if not self._mark("?"):
            return condition
        first = self._expression()
        self._expect(":")
        second = self._expression()
        return nodes.CondExpr(condition, first, second, lineno=token.line)

    def _or(self) -> nodes.Expr:
        left = self._and()
        while token := self._word("or"):
            left = nodes.Or(left, self._and(), lineno=token.line)
        return left

    def _and(self) -> nodes.Expr:
        left = self._test()
        while token := self._word("and"):
            left = nodes.And(left, self._test(), lineno=token.line)
        return left

    def _test(self) -> nodes.Expr:
        """`is`, `is not`, `contains` and `isIn`."""
        left = self._comparison()
        while True:
            if token := self._word("is"):
                negated = self._word("not")
                name = self._take("name", "the name of a test").value
                arguments, named = self._arguments() if self._mark("(") else ([], [])
                left = nodes.Test(left, name, arguments, named, None, None, lineno=token.line)
                if negated:
                    left = nodes.Not(left, lineno=token.line)
            elif token := self._word("contains", "isIn"):
                operand = nodes.Operand(token.value, self._comparison(), lineno=token.line)
                left = nodes.Compare(left, [operand], lineno=token.line)
            else:
                return left

    def _comparison(self) -> nodes.Expr:
        left = self._sum()
        while token := self._mark("==", "!=", "<", ">", "<=", ">=") or self._word("equals"):
            operand = nodes.Operand(COMPARISONS[token.value], self._sum(), lineno=token.line)
            left = nodes.Compare(left, [operand], lineno=token.line)
        return left

    def _sum(self) -> nodes.Expr:
        return self._binary(self._product, {"+": nodes.Add, "-": nodes.Sub})

    def _product(self) -> nodes.Expr:
        return self._binary(self._filtered, {"*": nodes.Mul, "/": nodes.Div, "%": nodes.Mod})

    def _filtered(self) -> nodes.Expr:
        left = self._concatenation()
        while self._mark("|"):
            left = self._filter(left)
        return left

    def _concatenation(self) -> nodes.Expr:
        token = self._peek()
        parts = [self._choice()]
        while self._mark("~"):
            parts.append(self._choice())
        return parts[0] if len(parts) == 1 else nodes.Concat(parts, lineno=token.line)

    def _choice(self) -> nodes.Expr:
        """`..`, `??` and `???`."""
        left = self._unary()
        while token := self._mark("..", "??", "???"):
            right = self._unary()
            if token.value == "..":
                left = Range(left, right, None, lineno=token.line)
            elif token.value == "??":
                left = Coalesce(left, right, lineno=token.line)
            else:
                left = CoalesceUndefined(left, right, lineno=token.line)
        return left

    def _unary(self) -> nodes.Expr:
        token = self._mark("-", "+") or self._word("not")
        if token is None:
            return self._postfix()
        operand = self._nested(self._unary)
        kind: type[nodes.UnaryExpr] = {"-": nodes.Neg, "+": nodes.Pos}.get(token.value, nodes.Not)
        return kind(operand, lineno=token.line)

    def _postfix(self) -> nodes.Expr:
        value, goes_on = self._primary()
        while goes_on:
            token = self._peek()
            if self._mark("."):
                name = self._take("name", "the name of an attribute").value
                value = nodes.Getattr(value, name, "load", lineno=token.line)
            elif self._mark("["):
                value = nodes.Getitem(value, self._expression(), "load", lineno=token.line)
                self._expect("]")
            elif isinstance(value, nodes.Name | nodes.Getattr) and self._mark("("):
                arguments, named = self._arguments()
                value = nodes.Call(value, arguments, named, None, None, lineno=token.line)
            else:
                return value
        return value

    def _primary(self) -> tuple[nodes.Expr, bool]:
        """A value, and whether `.`, `[` or `(` may follow it."""
        token = self._next()
        if token.kind == "name":
            return self._named(token), True
        if token.kind == "string":
            return nodes.Const(token.value, lineno=token.line), True
        if token.kind == "number":
            return nodes.Const(self._number(token), lineno=token.line), False
        if token.value == "(" and token.kind == "mark":
            value = self._expression()
            self._expect(")")
            return value, True
        if token.value == "[" and token.kind == "mark":
            return self._list(token.line), False
        if token.value == "{" and token.kind == "mark":
            return self._map(token.line), False
        raise self._unexpected(token)

    def _named(self, token: Token) -> nodes.Expr:
        name = token.value
        if name in WORDS:
            raise self._unexpected(token)
        called = self._peek().kind == "mark" and self._peek().value == "("
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
            raise self._error(f"The number {token.value} does not fit in 64 bits", token)
        return value

    def _list(self, line: int) -> nodes.List:
        items: list[nodes.Expr] = []
        while not self._mark("]"):
            if items:
                self._expect(",")
            items.append(self._expression())
        return nodes.List(items, lineno=line)

    def _map(self, line: int) -> nodes.Dict:
        pairs: list[nodes.Pair] = []
        while not self._mark("}"):
            if pairs:
                self._expect(",")
            key = self._expression()
            self._expect(":")
            pairs.append(nodes.Pair(key, self._expression(), lineno=line))
        return nodes.Dict(pairs, lineno=line)

    def _filter(self, value: nodes.Expr) -> nodes.Filter:
        token = self._take("name", "the name of a filter")
        arguments, named = self._arguments() if self._mark("(") else ([], [])
        return nodes.Filter(value, token.value, arguments, named, None, None, lineno=token.line)

    def _arguments(self) -> tuple[list[nodes.Expr], list[nodes.Keyword]]:
        """What stands in parentheses, the opening one consumed: values, then `name=value`."""
        values: list[nodes.Expr] = []
        named: list[nodes.Keyword] = []
        while not self._mark(")"):
            if values or named:
                self._expect(",")
            token, following = self._peek(), self._tokens[min(self._at + 1, len(self._tokens) - 1)]
            if token.kind == "name" and following.kind == "mark" and following.value == "=":
                self._at += 2
                named.append(nodes.Keyword(token.value, self._expression(), lineno=token.line))
            elif named:
                raise self._error("Positional arguments must be declared before any named arguments", token)
            else:
                values.append(self._expression())
        return values, named

    def _binary(self, operand: Callable[[], nodes.Expr], kinds: dict[str, type[Binary]]) -> nodes.Expr:
        left = operand()
        while token := self._mark(*kinds):
            left = kinds[token.value](left, operand(), lineno=token.line)
        return left

    # -- tokens

    def _nested(self, parse: Callable[[], Parsed]) -> Parsed:
        self._depth += 1
        if self._depth > DEPTH:
            raise LimitError(f"The template is nested more than {DEPTH} levels deep", self._source, self._peek().line)
        try:
            return parse()
        finally:
            self._depth -= 1

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "eof":
            self._at += 1
        return token

    def _mark(self, *values: str) -> Token | None:
        """The next token where it is one of these marks, consumed."""
        return self._one_of("mark", values)

    def _word(self, *values: str) -> Token | None:
        return self._one_of("name", values)

    def _one_of(self, kind: str, values: tuple[str, ...]) -> Token | None:
        token = self._tokens[self._at]
        if token.kind != kind or token.value not in values:
            return None
        self._at += 1
        return token

    def _take(self, kind: str, meaning: str) -> Token:
        token = self._next()
        if token.kind != kind:
            raise self._error(f"Expected {meaning}, found {_shown(token)}", token)
        return token

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token.kind != "mark" or token.value != mark:
            raise self._error(f"Expected '{mark}', found {_shown(token)}", token)

    def _close(self) -> None:
        token = self._next()
        if token.kind != "end":
            raise self._unexpected(token)

    def _unexpected(self, token: Token) -> ExpressionError:
        return self._error(f"Unexpected {_shown(token)}", token)

    def _error(self, reason: str, token: Token) -> ExpressionError:
        return ExpressionError(reason, self._source, token.line)


def _shown(token: Token) -> str:
    if token.kind in ("end", "eof"):
        return "end of the expression" if token.kind == "end" else "end of the template"
    return f"'{token.value}'"
