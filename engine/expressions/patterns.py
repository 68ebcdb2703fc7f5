"""Regular expressions in Java's dialect, each with a limit on its time.

A pattern is rewritten for the `regex` package, which gives up the interpreter lock while it searches and stops in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import regex

from engine.clock import monotonic, processor_seconds
from engine.errors import ExpressionError, LimitError
from engine.expressions.scope import RenderScope

LONGEST = 10_000
TRIES = (0.01, 0.1, math.inf)
"""The most seconds for each try of a search; nearly all need far less than the first."""
LONG = 1_000_000_000
"""Units of fuel that no rendering on the event loop has left."""
DIGIT = "0-9"
WORD = "a-zA-Z_0-9"
SPACE = r" \t\n\x0b\f\r"
VERTICAL = r"\n\x0b\f\r\x85\u2028\u2029"
HORIZONTAL = r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
CLASSES = {"d": DIGIT, "w": WORD, "s": SPACE, "v": VERTICAL, "h": HORIZONTAL}
OUTSIDE = {"Z": r"(?=\n?\Z)", "z": r"\Z", "e": r"\x1b"}
PROPERTIES = {
    "javaLowerCase": "Lowercase",
    "javaUpperCase": "Uppercase",
    "javaWhitespace": "White_Space",
    "javaAlphabetic": "Alphabetic",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Space": SPACE,
    "Blank": r" \t",
    "XDigit": "0-9a-fA-F",
    "Punct": r"!-/:-@\[-`{-~",
}
NAMED_PROPERTIES = frozenset(name for name in PROPERTIES if name.startswith("java"))
FLAGS = "idmsuxU-"
DOT = r"[^\n\r\x85\u2028\u2029]"


def matches(scope: RenderScope, pattern: str, text: str) -> bool:
    """Whether a pattern fits a whole text. Raises ExpressionError, LimitError."""
    return _timed(scope, lambda limits: compiled(pattern).fullmatch(text, **limits)) is not None


def find(scope: RenderScope, pattern: str, text: str) -> regex.Match[str] | None:
    """The first place where a pattern fits. Raises ExpressionError, LimitError."""
    found: regex.Match[str] | None = _timed(scope, lambda limits: compiled(pattern).search(text, **limits))
    return found


def replace_all(scope: RenderScope, pattern: str, replacement: str, text: str) -> str:
    """A text with all that a pattern fits replaced; `$1` and `${name}` stand for groups.

    Raises ExpressionError, LimitError.
    """
    program = compiled(pattern)
    parts = _replacement(replacement, program)

    def changed(limits: dict[str, Any]) -> str:
        written = 0

        def replaced(found: regex.Match[str]) -> str:
            nonlocal written
            result = "".join(part if isinstance(part, str) else found.group(part[0]) or "" for part in parts)
            written += len(result)
            scope.spend(1)
            if written > scope.budget.limits.output_bytes:
                scope.budget.text(written)
            return result

        return str(program.sub(replaced, text, **limits))

    result: str = _timed(scope, changed)
    scope.budget.text(len(result))
    return result


def split(scope: RenderScope, pattern: str, text: str, limit: int = 0) -> list[str]:
    """A text cut where a pattern fits.

    limit: 0 drops empty parts at the end, a positive number is the most parts, a negative one keeps all.
    Raises ExpressionError, LimitError.
    """
    parts: list[str] = _timed(scope, lambda limits: list(_parts(scope, compiled(pattern), text, limit, limits)))
    if limit == 0 and len(parts) > 1:
        while parts and not parts[-1]:
            parts.pop()
    return parts


@lru_cache(512)
def compiled(pattern: str) -> regex.Pattern[str]:
    """A pattern of Java's dialect, ready to search. Raises ExpressionError."""
    if len(pattern) > LONGEST:
        raise ExpressionError(f"A regular expression must not be longer than {LONGEST} characters")
    try:
        return regex.compile(_Rewriter(pattern).rewritten(), regex.V1)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise ExpressionError(f"Invalid regex '{pattern[:200]}': {error}") from None


def _parts(
    scope: RenderScope, program: regex.Pattern[str], text: str, limit: int, limits: dict[str, Any]
) -> Iterator[str]:
    begin = count = 0
    for found in program.finditer(text, **limits):
        if limit > 0 and count == limit - 1:
            break
        if found.end() == 0:
            continue
        scope.spend(1)
        count += 1
        if count % 1000 == 0:
            scope.budget.items(count)
        yield text[begin : found.start()]
        begin = found.end()
    yield text[begin:]


def _timed(scope: RenderScope, search: Callable[[dict[str, Any]], Any]) -> Any:
    # The package counts the time of the processor, which runs slower than the clock on a busy machine and faster when
    # other threads work too: each try tells the next one how much.
    pace = 1.0
    for seconds in TRIES:
        started, worked = monotonic(), processor_seconds()
        try:
            return search({"timeout": min(scope.timeout() * pace, seconds), "concurrent": True})
        except TimeoutError:
            # On the event loop this asks to go on in a thread; there the search begins anew.
            scope.budget.spend(LONG)
        pace = (processor_seconds() - worked) / max(monotonic() - started, 1e-6)
    raise LimitError("The regular expression timed out: write it without nested repetitions")


def _replacement(text: str, program: regex.Pattern[str]) -> list[str | tuple[int | str]]:
    """A replacement as literal texts and, in tuples, groups. Raises ExpressionError."""
    parts: list[str | tuple[int | str]] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            if at + 1 == len(text):
                raise ExpressionError("The replacement ends in a single backslash; write two for one")
            parts.append(text[at + 1])
            at += 2
        elif char == "$":
            group, at = _group(text, at + 1, program)
            parts.append((group,))
        else:
            parts.append(char)
            at += 1
    return parts


def _group(text: str, at: int, program: regex.Pattern[str]) -> tuple[int | str, int]:
    if text[at : at + 1] == "{":
        end = text.find("}", at)
        name = text[at + 1 : end] if end > 0 else ""
        if name not in program.groupindex:
            raise ExpressionError(f"The replacement names the group '{name}', which the regular expression lacks")
        return name, end + 1
    if not text[at : at + 1].isdecimal():
        raise ExpressionError("After '$' the replacement needs the number of a group; write '\\$' for a dollar sign")
    number = int(text[at])
    at += 1
    if number > program.groups:
        raise ExpressionError(f"The replacement names group {number}, but there are only {program.groups}")
    while text[at : at + 1].isdecimal() and number * 10 + int(text[at]) <= program.groups:
        number = number * 10 + int(text[at])
        at += 1
    return number, at


class _Rewriter:
    """Turns a pattern of Java into one of the `regex` package."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._parts: list[str] = []
        self._dot_is_all = regex.search(r"\(\?[a-zA-Z]*s", pattern) is not None

    def rewritten(self) -> str:
        while self._at < len(self._pattern):
            char = self._pattern[self._at]
            if char == "\\":
                self._escape()
            elif self._depth:
                self._in_class(char)
            else:
                self._outside(char)
        return "".join(self._parts)

    def _take(self, count: int, text: str) -> None:
        self._parts.append(text)
        self._at += count

    def _next(self, ahead: int = 1) -> str:
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _outside(self, char: str) -> None:
        if char == "[":
            self._open_class()
        elif char == "." and not self._dot_is_all:
            self._take(1, DOT)
        elif char == "{":
            # What the package reads as fuzzy matching is a mistake in Java.
            if not self._next().isdecimal():
                raise ValueError("'{' must be followed by a number; write '\\{' for the character")
            self._take(1, char)
        elif char == "(" and self._next() == "?":
            self._group()
        else:
            self._take(1, char)

    def _group(self) -> None:
        following = self._next(2)
        if following in FLAGS and following:
            end = self._at + 2
            while end < len(self._pattern) and self._pattern[end] in FLAGS:
                end += 1
            kept = self._pattern[self._at + 2 : end].translate(str.maketrans("", "", "duU")).rstrip("-")
            if self._pattern[end : end + 1] == ")":
                self._take(end + 1 - self._at, f"(?{kept})" if kept else "")
            else:
                self._take(end - self._at, f"(?{kept}")
        elif following and following in ":=!><":
            self._take(2, "(?")
        else:
            raise ValueError(f"unknown group '(?{following}'")

    def _open_class(self) -> None:
        self._depth += 1
        negated = self._next() == "^"
        self._take(2 if negated else 1, "[^" if negated else "[")
        first = self._pattern[self._at : self._at + 1]
        if first in ("]", ":"):
            # A bracket is one of the class here, and a colon would begin the name of a class for the package.
            self._take(1, f"\\{first}")

    def _in_class(self, char: str) -> None:
        if char == "[":
            self._open_class()
        elif char == "]":
            self._depth -= 1
            self._take(1, char)
        elif char in "-~|" and self._next() == char:
            # These pairs are operators of the package, and two characters in Java.
            self._take(2, f"{char}\\{char}")
        else:
            self._take(1, char)

    def _escape(self) -> None:
        letter = self._next()
        if letter == "Q":
            end = self._pattern.find("\\E", self._at)
            stop = len(self._pattern) if end < 0 else end
            literal = self._pattern[self._at + 2 : stop]
            self._take(stop - self._at + (2 if end >= 0 else 0), regex.escape(literal, literal_spaces=False))
        elif letter.lower() in CLASSES and letter:
            members = CLASSES[letter.lower()]
            negated = "^" if letter.isupper() else ""
            self._take(2, members if self._depth and not negated else f"[{negated}{members}]")
        elif letter in ("p", "P"):
            self._property(letter == "P")
        elif letter in OUTSIDE and not self._depth:
            self._take(2, OUTSIDE[letter])
        else:
            self._other_escape(letter)

    def _other_escape(self, letter: str) -> None:
        rest = self._pattern[self._at :]
        if found := regex.match(r"\\k<(\w+)>", rest):
            self._take(found.end(), f"(?P={found.group(1)})")
        elif found := regex.match(r"\\x\{([0-9a-fA-F]{1,6})\}", rest):
            self._take(found.end(), f"\\U{int(found.group(1), 16):08x}")
        elif found := regex.match(r"\\0([0-3]?[0-7]{1,2})", rest):
            self._take(found.end(), f"\\x{int(found.group(1), 8):02x}")
        elif found := regex.match(r"\\c([@-_])", rest):
            self._take(found.end(), f"\\x{ord(found.group(1)) ^ 64:02x}")
        elif letter.isalpha() and letter not in "tnrfaebBAGXRNxu":
            raise ValueError(f"unknown escape '\\{letter}'")
        elif not letter:
            raise ValueError("it ends in a single backslash")
        else:
            self._take(2, "\\" + letter)

    def _property(self, negated: bool) -> None:
        found = regex.match(r"\\[pP](?:\{(\^?)([\w=\- ]+)\}|([A-Z]))", self._pattern[self._at :])
        if found is None:
            raise ValueError("a property looks like '\\p{Alpha}'")
        name = found.group(2) or found.group(3)
        known = PROPERTIES.get(name)
        if known is None or name in NAMED_PROPERTIES:
            self._take(found.end(), f"\\{'P' if negated else 'p'}{{{known or name}}}")
        else:
            self._take(found.end(), f"[{'^' if negated else ''}{known}]")
