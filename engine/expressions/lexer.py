"""Template text to tokens, by the rules of Pebble.

Text outside tags, comments, `raw` and `verbatim` is settled here. An interpolated string `"a #{x}"` leaves as the
tokens of `('a ' ~ (x))`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from engine.errors import ExpressionError, LimitError

Kind = Literal["text", "raw", "print", "tag", "end", "name", "number", "string", "mark", "eof"]

TOKEN_COST = 40
LONGEST_TAG = 5_000
LONGEST = 25_000

OPENING = re.compile(r"\{\{|\{%|\{#")
VERBATIM = re.compile(r"\{%-?\s*(raw|verbatim)\s*(-?)%\}")
ENDING = {
    name: re.compile(r"(\s*)\{%-\s*" + f"end{name}" + r"\s*(-?)%\}|\{%\s*" + f"end{name}" + r"\s*(-?)%\}")
    for name in ("raw", "verbatim")
}
SPACE = re.compile(r"\s+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)(L?)(?![A-Za-z0-9_])")
MARK = re.compile(r"\?\?\?|\?\?|\.\.|==|!=|<=|>=|[.,()\[\]{}|~+\-*/%<>?:=]")
CLOSING = {"print": re.compile(r"(-?)\}\}"), "tag": re.compile(r"(-?)%\}")}
COMMENT_END = re.compile(r"(-?)#\}")
SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
PLAIN_PART = re.compile(r'((?:[^"\\#]|\\.|#(?!\{))*)(#\{|")', re.DOTALL)


class Token(NamedTuple):
    """One token; `line` is 1-based. `print` and `tag` open, `end` closes; a `mark` is an operator or punctuation."""

    kind: Kind
    value: str
    line: int


def tokenize(source: str, spend: Callable[[int], None]) -> list[Token]:
    """All tokens of a template, the last one of kind `eof`; `spend` is told the cost of making code of them.

    Raises ExpressionError; LimitError for a single tag that is too long.
    """
    return _Lexer(source, spend).run()


class _Lexer:
    def __init__(self, source: str, spend: Callable[[int], None]) -> None:
        self._source = source
        self._spend = spend
        self._at = 0
        self._line = 1
        self._counted = 0
        self._trims = False
        self._tokens: list[Token] = []

    def run(self) -> list[Token]:
        source = self._source
        while found := OPENING.search(source, self._at):
            trims = self._trims_before(found.end())
            self._text(source[self._at : found.start()], trims)
            self._at = found.start()
            if found.group() == "{#":
                self._comment()
            elif found.group() == "{%" and (verbatim := VERBATIM.match(source, found.start())):
                self._verbatim(verbatim)
            else:
                self._at = found.end() + (1 if trims else 0)
                self._tag("print" if found.group() == "{{" else "tag")
        self._text(source[self._at :], False)
        self._at = len(source)
        self._add("eof", "")
        return self._tokens

    def _trims_before(self, at: int) -> bool:
        """A dash at the opening trims when white space follows; else it is a minus."""
        if self._source[at : at + 1] != "-":
            return False
        verbatim = VERBATIM.match(self._source, at - 2)
        if verbatim is not None and verbatim.group(1) == "raw":
            return False
        return self._source[at - 1] != "{" or self._source[at + 1 : at + 2].isspace()

    def _text(self, text: str, trims_end: bool) -> None:
        if self._trims:
            text = text.lstrip()
            self._trims = False
        if trims_end:
            text = text.rstrip()
        if text:
            self._add("text", text)

    def _comment(self) -> None:
        end = COMMENT_END.search(self._source, self._at + 2)
        if end is None:
            raise self._error("The comment is not closed, '#}' is missing")
        self._trims = bool(end.group(1))
        self._at = end.end()

    def _verbatim(self, opening: re.Match[str]) -> None:
        """Text up to the end tag; the dashes of `raw` trim nothing."""
        name = opening.group(1)
        end = ENDING[name].search(self._source, opening.end())
        if end is None:
            raise self._error(f"The tag '{name}' is not closed, '{{% end{name} %}}' is missing")
        stop = end.start()
        if name == "raw" and end.group(1):
            stop = end.end(1)
        text = self._source[opening.end() : stop]
        if name == "verbatim":
            text = text.lstrip() if opening.group(2) else text
            self._trims = bool(end.group(2) or end.group(3))
        self._add("raw", text)
        self._at = end.end()

    def _tag(self, kind: Literal["print", "tag"]) -> None:
        before = len(self._tokens)
        self._add(kind, "")
        closing = self._expression(CLOSING[kind], "}}" if kind == "print" else "%}")
        for what, size, limit in (
            ("An expression", len(self._tokens) - before, LONGEST_TAG),
            ("A template", len(self._tokens), LONGEST),
        ):
            if size > limit:
                reason = f"{what} of more than {limit} names, values and signs is too large"
                raise LimitError(reason, self._source, self._here())
        self._trims = bool(closing.group(1))
        self._add("end", "")
        self._at = closing.end()

    def _expression(self, closing: re.Pattern[str], shown: str) -> re.Match[str]:
        """Tokens up to the closing delimiter outside braces; the match is not consumed."""
        source = self._source
        braces = 0
        while True:
            if space := SPACE.match(source, self._at):
                self._at = space.end()
            if braces == 0 and (found := closing.match(source, self._at)):
                return found
            if self._at >= len(source):
                raise self._error(f"The expression is not closed, '{shown}' is missing")
            braces += self._one()

    def _one(self) -> int:
        """One token; the change in the depth of braces."""
        source, at = self._source, self._at
        if found := NAME.match(source, at):
            self._add("name", found.group())
        elif found := NUMBER.match(source, at):
            self._add("number", found.group(1))
        elif found := MARK.match(source, at):
            self._add("mark", found.group())
        elif source[at] == "'":
            found = SINGLE.match(source, at)
            if found is None:
                raise self._error('The string is not closed, "\'" is missing')
            self._add("string", found.group(1).replace("\\'", "'"))
        elif source[at] == '"':
            self._interpolated()
            return 0
        else:
            raise self._error(f"Unexpected character '{source[at]}'")
        self._at = found.end()
        return {"{": 1, "}": -1}.get(found.group(), 0)

    def _interpolated(self) -> None:
        """A string in double quotes."""
        start = len(self._tokens)
        self._at += 1
        parts = 0
        while True:
            found = PLAIN_PART.match(self._source, self._at)
            if found is None:
                raise self._error("The string is not closed, '\"' is missing")
            self._add("string", found.group(1).replace('\\"', '"'))
            self._at = found.end()
            if found.group(2) == '"':
                break
            parts += 1
            self._add("mark", "~")
            self._add("mark", "(")
            self._at = self._expression(re.compile(r"(\})"), "}").end()
            self._add("mark", ")")
            self._add("mark", "~")
        if parts:
            line = self._tokens[start].line
            self._tokens.insert(start, Token("mark", "(", line))
            self._add("mark", ")")

    def _add(self, kind: Kind, value: str) -> None:
        self._spend(TOKEN_COST)
        self._tokens.append(Token(kind, value, self._here()))

    def _here(self) -> int:
        self._line += self._source.count("\n", self._counted, self._at)
        self._counted = max(self._at, self._counted)
        return self._line

    def _error(self, reason: str) -> ExpressionError:
        return ExpressionError(reason, self._source, self._here())
