"""Patterns for keys."""

from __future__ import annotations

import re
from functools import cache

PART = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)


@cache
def as_regex(glob: str) -> str:
    """A pattern as a regular expression for whole keys.

    `*` and `?` stand for anything but a slash, `**` for anything, `**/` for folders or none, `[0-9]` for one of those
    characters, `[!0-9]` for another one. Everything else stands for itself.
    """
    return "(?s)" + "".join(_translated(part) for part in PART.findall(glob))


def _translated(part: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    if len(part) > 1:
        inner = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner.replace('^', chr(92) + '^', 1)}]"
    return re.escape(part)
