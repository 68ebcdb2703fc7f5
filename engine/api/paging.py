"""Pages of lists and their order: `page`, `size` and `sort=field:asc`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from engine.api.problems import Illegal
from engine.api.shapes import Page
from engine.store.rows import Sort

MOST = 1000
T = TypeVar("T")


class Paged(msgspec.Struct, frozen=True, rename="camel"):
    """page: counted from 1; size: at most 1000; sort: `field:asc` or `field:desc`, several times for more fields"""

    page: int = 1
    size: int = 10
    sort: tuple[str, ...] = ()

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    def check(self) -> None:
        """Raises Illegal for a page that can't be."""
        if self.page < 1:
            raise Illegal(f"page must be 1 or more, not {self.page}")
        if not 1 <= self.size <= MOST:
            raise Illegal(f"size must be from 1 to {MOST}, not {self.size}")

    def order(self, fields: Mapping[str, str]) -> tuple[Sort, ...]:
        """What to sort by; `fields` maps the names of the API to those of the rows. Raises Illegal for others."""
        return tuple(_sort(text, fields) for text in self.sort)


def _sort(text: str, fields: Mapping[str, str]) -> Sort:
    name, sign, direction = text.partition(":")
    if not sign or direction.lower() not in ("asc", "desc"):
        raise Illegal(f"Invalid sort parameter: field:asc or field:desc would be right, not '{text}'")
    if name not in fields:
        raise Illegal(f"Invalid sort parameter: '{name}' is no field to sort by, those are {', '.join(fields)}")
    return Sort(fields[name], descending=direction.lower() == "desc")


def page_of(items: Sequence[T], paged: Paged, fields: Mapping[str, str], value: Callable[[T, str], Any]) -> Page[T]:
    """A page of a list in memory, sorted as asked; `value` gives the value of an item by the name of the rows.

    Absent values come first. Raises Illegal.
    """
    paged.check()
    found = list(items)
    # Sorting keeps the order of equals, so the last field is sorted by first.
    for sort in reversed(paged.order(fields)):
        found.sort(key=lambda item: _key(value(item, sort.field)), reverse=sort.descending)
    return Page(found[paged.offset : paged.offset + paged.size], len(found))


def _key(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)
