"""Which executions a list is of, and in which order, as SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.store.conditions import NOTHING, Column, Columns, Condition, Group, Labels, Node, Op, Words
from engine.store.query import Where, queries
from engine.store.rows import ExecutionFilter, Sort

SQL = queries("sqlite")
# `history` is a list of pairs of a state and a date.
ENDED = "case when state in ('SUCCESS', 'WARNING', 'FAILED', 'KILLED', 'CANCELLED', 'RETRIED', 'SKIPPED') "
ENDED += "then json_extract(doc, '$.history[#-1][1]') end"

EXECUTION_COLUMNS: Columns = {
    "id": Column("id"),
    "namespace": Column("namespace"),
    "flow": Column("flow"),
    "state": Column("state"),
    "kind": Column("kind"),
    "created": Column("created"),
    "caller": Column("caller"),
    "starter": Column("starter"),
    "trigger": Column("json_extract(doc, '$.trigger.id')"),
    "revision": Column("json_extract(doc, '$.revision')"),
    "labels": Labels("doc"),
    "words": Words(("id", "namespace", "flow")),
}
"""What conditions may name. Those on namespace, flow, state, created, caller, starter and id use an index."""

INDEXED = frozenset({"id", "namespace", "state", "caller", "starter"})
SOUGHT = frozenset({Op.EQUALS, Op.IN, Op.PREFIX, Op.STARTS_WITH})

EXECUTION_ORDER: Mapping[str, str] = {
    "id": "id",
    "namespace": "namespace",
    "flow": "flow",
    "state": "state",
    "created": "created",
    "revision": "json_extract(doc, '$.revision')",
    "ended": f"({ENDED})",
    "duration": f"({ENDED}) - created",
}
"""What executions may be sorted by."""


Query = tuple[str, Mapping[str, object]]


def list_query(where: ExecutionFilter) -> Query:
    """A query for the documents of the executions that a filter selects. Raises KeyError for an unknown field."""
    conditions = _conditions(where)
    query = conditions.fill(SQL["list_executions"]).replace("{order}", _order(where.sort))
    return query, {**conditions.params, "limit": where.limit, "offset": where.offset}


def count_query(where: ExecutionFilter, most: int | None) -> Query:
    """A query for how many there are, up to `most`."""
    conditions = _conditions(where)
    return conditions.fill(SQL["count_executions"]), {**conditions.params, "most": -1 if most is None else most}


def distinct_query(field: str, where: ExecutionFilter) -> Query:
    """A query for the values of a field, in order. Raises KeyError for an unknown field."""
    column = EXECUTION_COLUMNS[field]
    assert isinstance(column, Column)
    present = Condition(field, Op.IS_NOT_NULL)
    conditions = _conditions(where).matching(present, EXECUTION_COLUMNS)
    query = conditions.fill(SQL["distinct_values"]).replace("{column}", column.sql)
    return query, {**conditions.params, "limit": where.limit}


def _conditions(where: ExecutionFilter) -> Where:
    node = _as_one(where)
    # Nearly all executions are of one kind, which whoever plans a query doesn't know. With a plus no index is used for
    # it; those on a namespace or a state have the kind too.
    kind = "+kind" if _holds_of(node, _is_sought) and not _holds_of(node, _is_exact) else "kind"
    conditions = Where().among(kind, (kind.value for kind in where.kinds))
    conditions.add("caller_path", where.caller_path)
    conditions.add("created", where.since, ">=").add("created", where.until, "<")
    return conditions.matching(node, EXECUTION_COLUMNS) if node.parts else conditions


def _as_one(where: ExecutionFilter) -> Group:
    """All that a filter says of what conditions can name."""
    named: list[tuple[str, Op, object]] = [
        ("id", Op.STARTS_WITH, where.prefix),
        ("namespace", Op.EQUALS, where.namespace),
        ("namespace", Op.PREFIX, where.below),
        ("flow", Op.EQUALS, where.flow),
        ("caller", Op.EQUALS, where.caller),
    ]
    parts: list[Node] = [Condition(field, op, (str(value),)) for field, op, value in named if value is not None]
    if where.states:
        parts.append(Condition("state", Op.IN, tuple(state.value for state in where.states)))
    if where.visible is not None:
        parts.append(Condition("namespace", Op.PREFIX, where.visible) if where.visible else NOTHING)
    parts += [Condition("labels", Op.EQUALS, (label.value,), label.key) for label in where.labels]
    return Group((*parts, *((where.where,) if where.where is not None else ())))


def _holds_of(node: Node, says: Callable[[Condition], bool]) -> bool:
    """Whether a condition says so of all that it holds of."""
    if isinstance(node, Group):
        return bool(node.parts) and (all if node.any else any)(_holds_of(part, says) for part in node.parts)
    return says(node)


def _is_sought(condition: Condition) -> bool:
    return condition.field in INDEXED and condition.op in SOUGHT


def _is_exact(condition: Condition) -> bool:
    named = condition.field in ("namespace", "state") and condition.op in (Op.EQUALS, Op.IN)
    return named and len(condition.values) == 1


def _order(sort: Sequence[Sort]) -> str:
    """As asked, then the newest first."""
    asked = [f"{EXECUTION_ORDER[field]} {'desc' if descending else 'asc'}" for field, descending in sort]
    return ", ".join([*asked, "created desc", "id desc"])
