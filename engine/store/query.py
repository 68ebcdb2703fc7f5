"""The store's SQL: named queries, kept in `sql/*.sql`, read once.

A query begins with `-- name: claim_due`; `-- name: claim_due [postgres]` replaces it for that dialect. Lists that the
user filters hold `{where}` (or `{and}`), which `Where` fills in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from engine.store.conditions import Columns, Node, in_sql

FOLDER = Path(__file__).parent / "sql"
HEADING = re.compile(r"^-- name: (\w+)(?: \[(\w+)\])?\s*$", re.MULTILINE)


@cache
def queries(dialect: str) -> Mapping[str, str]:
    """Every query by name, as `dialect` (sqlite, postgres) takes it."""
    found: dict[str, str] = {}
    for file in sorted(FOLDER.glob("*.sql")):
        found |= parse(file.read_text(encoding="utf-8"), dialect)
    return found


def parse(text: str, dialect: str) -> dict[str, str]:
    """The queries of one file. Raises ValueError for a name given twice or an override of nothing."""
    common: dict[str, str] = {}
    special: dict[str, str] = {}
    parts = HEADING.split(text)
    for name, only, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        known = common if only is None else special
        if only not in (None, dialect):
            continue
        if name in known:
            raise ValueError(f"the query {name} is written twice")
        known[name] = _without_comments(body)
    if stray := special.keys() - common.keys():
        raise ValueError(f"overrides of queries that don't exist: {', '.join(sorted(stray))}")
    return common | special


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.strip().splitlines() if not line.lstrip().startswith("--"))


class Where:
    """Collects conditions for a list. Columns are named by the code, values are always bound."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.params: dict[str, object] = {}

    def add(self, column: str, value: object, operator: str = "=") -> Where:
        """`column operator value`; None adds nothing."""
        if value is not None:
            self._conditions.append(f"{column} {operator} :{self._bind(value)}")
        return self

    def among(self, column: str, values: Iterable[object]) -> Where:
        """`column in (values)`; no values add nothing."""
        if names := [f":{self._bind(value)}" for value in values]:
            self._conditions.append(f"{column} in ({', '.join(names)})")
        return self

    def below(self, column: str, name: str | None) -> Where:
        """`column` is the dotted `name` or begins with it and a dot; None adds nothing."""
        if name is not None:
            # The slash is the character after the dot.
            at, first, end = (self._bind(value) for value in (name, f"{name}.", f"{name}/"))
            self._conditions.append(f"({column} = :{at} or ({column} >= :{first} and {column} < :{end}))")
        return self

    def matching(self, node: Node, columns: Columns) -> Where:
        """A condition holds. Raises KeyError for one on something that is no column."""
        self._conditions.append(in_sql(node, columns, lambda value: f":{self._bind(value)}"))
        return self

    def fill(self, query: str) -> str:
        """The query with its `{where}` or `{and}` replaced."""
        joined = " and ".join(self._conditions)
        return query.replace("{where}", f"where {joined}" if joined else "").replace(
            "{and}", f"and {joined}" if joined else ""
        )

    def _bind(self, value: object) -> str:
        name = f"where_{len(self.params)}"
        self.params[name] = value
        return name
