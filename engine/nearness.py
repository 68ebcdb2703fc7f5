"""Names that might have been meant by a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Any

# Comparing takes microseconds a name and grows with their lengths: nobody waits for a hint.
COMPARED = 500
LONGEST = 100
LISTED = 8


def near_names(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to two of the known names that look like `name`; differences in case don't count."""
    if len(name) > LONGEST:
        return ()
    by_folded = {item.casefold(): item for item in islice(known, COMPARED) if len(item) <= LONGEST}
    return tuple(by_folded[near] for near in difflib.get_close_matches(name.casefold(), by_folded, n=2, cutoff=0.7))


def did_you_mean(near: Iterable[str]) -> str:
    """The end of a sentence that offers near names; empty without any."""
    names = " or ".join(f"'{name}'" for name in near)
    return f", did you mean {names}?" if names else ""


def near_or_known(name: str, known: Iterable[Any]) -> str:
    """The end of a sentence that offers near names, else all that are known; empty where those are too many."""
    names = [str(item)[:LONGEST] for item in islice(known, COMPARED)]
    if near := near_names(name, names):
        return did_you_mean(near)
    if len(names) > LISTED:
        return ""
    return f", there is {', '.join(map(repr, names))}" if names else ", nothing is there"
