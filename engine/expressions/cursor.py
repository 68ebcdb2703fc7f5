"""A place in the tokens of a template: looking, taking, and saying what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.errors import ExpressionError, LimitError
from engine.expressions.lexer import Token, tokenize

Parsed = TypeVar("Parsed")
DEPTH = 100


class Cursor:
    """The tokens of a template, read from first to last. Mistakes are ExpressionErrors with their line."""

    def __init__(self, source: str, spend: Callable[[int], None]) -> None:
        self._source = source
        self._spend = spend
        self._tokens = tokenize(source, spend)
        self._at = 0
        self._depth = 0

    def nested(self, parse: Callable[[], Parsed]) -> Parsed:
        self._depth += 1
        if self._depth > DEPTH:
            raise LimitError(f"The template is nested more than {DEPTH} levels deep", self._source, self.peek().line)
        try:
            return parse()
        finally:
            self._depth -= 1

    def peek(self) -> Token:
        return self._tokens[self._at]

    def next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "eof":
            self._at += 1
        return token

    def mark(self, *values: str) -> Token | None:
        """The next token where it is one of these marks, consumed."""
        return self._one_of("mark", values)

    def word(self, *values: str) -> Token | None:
        return self._one_of("name", values)

    def _one_of(self, kind: str, values: tuple[str, ...]) -> Token | None:
        token = self._tokens[self._at]
        if token.kind != kind or token.value not in values:
            return None
        self._at += 1
        return token

    def take(self, kind: str, meaning: str) -> Token:
        token = self.next()
        if token.kind != kind:
            raise self.error(f"Expected {meaning}, found {_shown(token)}", token)
        return token

    def expect(self, mark: str) -> None:
        token = self.next()
        if token.kind != "mark" or token.value != mark:
            raise self.error(f"Expected '{mark}', found {_shown(token)}", token)

    def close(self) -> None:
        token = self.next()
        if token.kind != "end":
            raise self.unexpected(token)

    def unexpected(self, token: Token) -> ExpressionError:
        return self.error(f"Unexpected {_shown(token)}", token)

    def error(self, reason: str, token: Token) -> ExpressionError:
        return ExpressionError(reason, self._source, token.line)


def _shown(token: Token) -> str:
    if token.kind in ("end", "eof"):
        return "end of the expression" if token.kind == "end" else "end of the template"
    return f"'{token.value}'"
