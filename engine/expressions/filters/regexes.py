"""Filters with regular expressions."""

from __future__ import annotations

from typing import Any

from engine.errors import ExpressionError
from engine.expressions import patterns
from engine.expressions.arguments import as_text, integer, required
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope


@template_filter("regexMatch", parameters=("regex",), nulls=True)
def regex_match(scope: RenderScope, value: Any, regex: Any = None) -> bool:
    """Whether a regular expression fits somewhere in a text."""
    if value is None:
        return False
    return patterns.find(scope, as_text(required("regex", regex)), as_text(value)) is not None


@template_filter("regexReplace", parameters=("regex", "replacement"))
def regex_replace(scope: RenderScope, value: Any, regex: Any = None, replacement: Any = None) -> str:
    """A text with all that a regular expression fits replaced; `$1` is what the first group fits."""
    pattern = as_text(required("regex", regex))
    return patterns.replace_all(scope, pattern, as_text(required("replacement", replacement)), as_text(value))


@template_filter("regexExtract", parameters=("regex", "group"))
def regex_extract(scope: RenderScope, value: Any, regex: Any = None, group: Any = 0) -> str | None:
    """What a regular expression, or one of its groups, fits first; null when it fits nowhere."""
    pattern = as_text(required("regex", regex))
    wanted = 0 if group is None else integer(group, "The argument 'group' of regexExtract")
    groups = patterns.compiled(pattern).groups
    if not 0 <= wanted <= groups:
        raise ExpressionError(f"Group index {wanted} is out of bounds: the regular expression has {groups} groups")
    found = patterns.find(scope, pattern, as_text(value))
    return None if found is None else found.group(wanted)


@template_filter("split", parameters=("delimiter", "limit"))
def split(scope: RenderScope, value: Any, delimiter: Any = None, limit: Any = 0) -> list[str]:
    """The parts of a text between what a regular expression fits; see `patterns.split` for the limit."""
    most = 0 if limit is None else integer(limit, "The argument 'limit' of split")
    return patterns.split(scope, as_text(required("delimiter", delimiter)), as_text(value), most)
