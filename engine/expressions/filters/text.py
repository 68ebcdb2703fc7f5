"""Filters on texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, integer, required, text
from engine.expressions.patterns import replace_all
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope

CHARACTERS_PER_UNIT = 4
"""Work on so many single characters takes about a unit of fuel."""
SLUGIFIED_AT_ONCE = 64 * 1024
ELLIPSIS = "..."
NEWLINES = ("\r\n", "\n\r", "\n", "\r")
JAVA_SPACE = "".join(map(chr, range(33)))
ESCAPES = {"single": ("'", "\\'"), "double": ('"', '\\"'), "shell": ("'", "'\\''")}


@template_filter("lower")
def lower(scope: RenderScope, value: Any) -> str:
    """A text in lower case."""
    return _charged(scope, as_text(value)).lower()


@template_filter("upper")
def upper(scope: RenderScope, value: Any) -> str:
    """A text in upper case."""
    return _charged(scope, as_text(value)).upper()


@template_filter("title")
def title(scope: RenderScope, value: Any) -> str:
    """A text with the first letter of each word in upper case; words begin after white space only."""
    words = _charged(scope, text(value, "What 'title' is applied to"))
    scope.spend(len(words) // CHARACTERS_PER_UNIT)
    return _charged(scope, re.sub(r"(^|\s)(\S)", lambda found: found.group(1) + found.group(2).title(), words))


@template_filter("capitalize")
def capitalize(scope: RenderScope, value: Any) -> str:
    """A text with its first letter in upper case."""
    words = _charged(scope, text(value, "What 'capitalize' is applied to"))
    start = len(words) - len(words.lstrip())
    return words[:start] + words[start : start + 1].upper() + words[start + 1 :]


@template_filter("trim")
def trim(scope: RenderScope, value: Any) -> str:
    """A text without white space at its ends."""
    return _charged(scope, as_text(value)).strip(JAVA_SPACE)


@template_filter("abbreviate", parameters=("length",))
def abbreviate(scope: RenderScope, value: Any, length: Any) -> str:
    """A text cut to a length, three dots at its end included; one exactly as long is cut too."""
    whole = text(value, "What 'abbreviate' is applied to")
    most = integer(length, "The argument 'length' of abbreviate")
    if most < 0:
        raise ExpressionError("The argument 'length' of abbreviate must not be negative")
    if len(whole) < most or len(whole) <= len(ELLIPSIS):
        return whole
    if most <= len(ELLIPSIS):
        return whole[:most]
    return whole[: most - len(ELLIPSIS)] + ELLIPSIS


@template_filter("substringBefore", parameters=("separator",))
def substring_before(scope: RenderScope, value: Any, separator: Any = None) -> str:
    """What stands before the first separator; the whole text without one."""
    return as_text(value).partition(_separator(separator))[0] if separator != "" else ""


@template_filter("substringBeforeLast", parameters=("separator",))
def substring_before_last(scope: RenderScope, value: Any, separator: Any = None) -> str:
    """What stands before the last separator; the whole text without one."""
    whole = as_text(value)
    before, found, _ = whole.rpartition(_separator(separator)) if separator != "" else (whole, "x", "")
    return before if found else whole


@template_filter("substringAfter", parameters=("separator",))
def substring_after(scope: RenderScope, value: Any, separator: Any = None) -> str:
    """What stands after the first separator; nothing without one."""
    return as_text(value).partition(_separator(separator))[2] if separator != "" else as_text(value)


@template_filter("substringAfterLast", parameters=("separator",))
def substring_after_last(scope: RenderScope, value: Any, separator: Any = None) -> str:
    """What stands after the last separator; nothing without one."""
    _, found, after = as_text(value).rpartition(_separator(separator)) if separator != "" else ("", "", "")
    return after if found else ""


def _separator(value: Any) -> str:
    return as_text(required("separator", value))


@template_filter("startsWith", parameters=("value",))
def starts_with(scope: RenderScope, value: Any, start: Any = None) -> bool:
    """Whether a text begins with another."""
    return as_text(value).startswith(as_text(required("value", start)))


@template_filter("endsWith", parameters=("value",))
def ends_with(scope: RenderScope, value: Any, end: Any = None) -> bool:
    """Whether a text ends with another."""
    return as_text(value).endswith(as_text(required("value", end)))


@template_filter("condenseString")
def condense_string(scope: RenderScope, value: Any) -> str:
    """A text without line breaks."""
    return _charged(scope, text(value, "What 'condenseString' is applied to")).replace("\n", "")


@template_filter("slugify")
def slugify(scope: RenderScope, value: Any) -> str:
    """A text as part of an address: lower-case letters and digits, joined by single dashes."""
    whole = _charged(scope, as_text(value))
    starts = range(0, len(whole), SLUGIFIED_AT_ONCE)
    plain = "".join(_plain(scope, whole[start : start + SLUGIFIED_AT_ONCE]) for start in starts)
    while "--" in plain:
        plain = plain.replace("--", "-")
    return plain.strip("-").lower()


def _plain(scope: RenderScope, part: str) -> str:
    scope.spend(len(part) // CHARACTERS_PER_UNIT)
    return "".join(
        "-" if char.isspace() or char == "_" else char
        for char in unicodedata.normalize("NFD", part)
        if char.isspace() or (char.isascii() and (char.isalnum() or char in "-_"))
    )


@template_filter("indent", parameters=("amount", "prefix"))
def indent(scope: RenderScope, value: Any, amount: Any = None, prefix: Any = " ") -> str:
    """A text with `amount` times `prefix` before each line but the first."""
    return _indented(scope, "indent", as_text(value), amount, prefix, first=False)


@template_filter("nindent", parameters=("amount", "prefix"))
def nindent(scope: RenderScope, value: Any, amount: Any = None, prefix: Any = " ") -> str:
    """A line break and the text with `amount` times `prefix` before each line."""
    return _indented(scope, "nindent", as_text(value), amount, prefix, first=True)


def _indented(scope: RenderScope, name: str, whole: str, amount: Any, prefix: Any, first: bool) -> str:
    if not whole:
        return ""
    if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
        raise ExpressionError(f"The '{name}' filter expects an integer of at least 0 as argument 'amount'.")
    before = text(prefix, f"The argument 'prefix' of {name}")
    newline = next((newline for newline in NEWLINES if newline in whole), "\n")
    lines = whole.count(newline) + first
    if lines == 0:
        return whole
    scope.budget.text(len(whole) + lines * (len(newline) + len(before) * amount))
    return ((newline if first else "") + whole).replace(newline, newline + before * amount)


@template_filter("replace", parameters=("replace_pairs", "regexp"))
def replace(scope: RenderScope, value: Any, pairs: Any = None, regexp: Any = False) -> Any:
    """A text with the keys of a map replaced by its values, one after the other, also inside of maps and lists.

    With `regexp` the keys are regular expressions, and values name groups as `$1`.
    """
    known = required("replace_pairs", pairs)
    if not isinstance(known, Mapping):
        raise ExpressionError("The argument 'replace_pairs' of replace must be a map of what to replace")
    words = [(as_text(old), as_text(new)) for old, new in known.items()]

    def changed(whole: str) -> str:
        for old, new in words:
            whole = replace_all(scope, old, new, whole) if regexp is True else _replaced(scope, whole, old, new)
        return whole

    return _inside(scope, value, changed)


def _replaced(scope: RenderScope, whole: str, old: str, new: str) -> str:
    growth = len(new) - len(old)
    if growth > 0:
        scope.budget.text(len(whole) + whole.count(old) * growth)
    else:
        scope.budget.text(len(whole))
    return whole.replace(old, new)


@template_filter("escapeChar", parameters=("type",))
def escape_char(scope: RenderScope, value: Any, kind: Any = None) -> Any:
    """A text with quotes made harmless for quoting of a kind (single, double, shell), also inside of maps and lists."""
    if kind is None:
        raise ExpressionError("The 'escapeChar' filter expects an argument 'type'.")
    escape = ESCAPES.get(as_text(kind).lower())
    if escape is None:
        raise ExpressionError("The argument 'type' of escapeChar must be 'single', 'double' or 'shell'")
    old, new = escape
    return _inside(scope, value, lambda whole: _replaced(scope, whole, old, new))


def _inside(scope: RenderScope, value: Any, change: Callable[[str], str]) -> Any:
    """A copy of a value with all texts in it changed; other leaves become texts."""
    scope.spend(1)
    if isinstance(value, Mapping):
        return {key: _inside(scope, item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_inside(scope, item, change) for item in value]
    return change(as_text(value))


def _charged(scope: RenderScope, whole: str) -> str:
    scope.budget.text(len(whole))
    return whole
