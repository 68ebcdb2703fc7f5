"""Conditions on rows as people put them together, and what they are in SQL.

Columns are named by the code, values are always bound. `engine.store.matching` holds the same conditions against
values in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from math import inf
from typing import NamedTuple

import msgspec
import regex

from engine.errors import LimitError

REGEX_SECONDS = 0.2
LAST = "\U0010ffff"
"""The last of all characters."""


class Op(StrEnum):
    """How a field is compared. PREFIX: a dotted name itself, or one below it."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    GREATER_THAN = "GREATER_THAN"
    LESS_THAN = "LESS_THAN"
    GREATER_THAN_OR_EQUAL_TO = "GREATER_THAN_OR_EQUAL_TO"
    LESS_THAN_OR_EQUAL_TO = "LESS_THAN_OR_EQUAL_TO"
    IN = "IN"
    NOT_IN = "NOT_IN"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT_CONTAINS"
    REGEX = "REGEX"
    PREFIX = "PREFIX"
    IS_NULL = "IS_NULL"
    IS_NOT_NULL = "IS_NOT_NULL"


OPPOSITES = {
    Op.NOT_EQUALS: Op.EQUALS,
    Op.NOT_IN: Op.IN,
    Op.NOT_CONTAINS: Op.CONTAINS,
    Op.IS_NOT_NULL: Op.IS_NULL,
}
"""What is said by saying no: an absent value is none of those that are named."""
COMPARED = {
    Op.GREATER_THAN: ">",
    Op.LESS_THAN: "<",
    Op.GREATER_THAN_OR_EQUAL_TO: ">=",
    Op.LESS_THAN_OR_EQUAL_TO: "<=",
}

LABELLED = "exists (select 1 from json_each({document}, '$.labels') as label where {said})"
KEY = "json_extract(label.value, '$.key')"
VALUE = "json_extract(label.value, '$.value')"


class Condition(msgspec.Struct, frozen=True):
    """A field compared with values, of which one is enough; with those of NOT_… none may agree.

    key: of a label
    """

    field: str
    op: Op
    values: tuple[str | int, ...] = ()
    key: str = ""


class Group(msgspec.Struct, frozen=True):
    """Conditions that must all hold, or `any` of them."""

    parts: tuple[Condition | Group, ...]
    any: bool = False


Node = Condition | Group
NOTHING = Group((), any=True)
"""Holds of nothing."""
Bind = Callable[[object], str]


class Column(NamedTuple):
    """A value of a row: the SQL of it."""

    sql: str


class Labels(NamedTuple):
    """The labels of a document in a column."""

    document: str


class Words(NamedTuple):
    """Several texts of a row, in which one is looked for in any case of its letters."""

    columns: tuple[str, ...]


Columns = Mapping[str, Column | Labels | Words]


def in_sql(node: Node, columns: Columns, bind: Bind) -> str:
    """A condition in SQL. Raises KeyError for a field without a column.

    bind: takes a value and gives its parameter
    """
    if isinstance(node, Group):
        joined = (" or " if node.any else " and ").join(in_sql(part, columns, bind) for part in node.parts)
        return f"({joined})" if joined else ("0" if node.any else "1")
    column = columns[node.field]
    if isinstance(column, Words):
        wanted = [bind(str(value).lower()) for value in node.values]
        found = " or ".join(f"instr(lower({sql}), {word}) > 0" for word in wanted for sql in column.columns)
        return f"not ({found})" if node.op in OPPOSITES else f"({found})"
    if isinstance(column, Labels):
        return _of_labels(node, column.document, bind)
    return _of_column(node, column.sql, bind)


def _of_column(node: Condition, sql: str, bind: Bind) -> str:
    if node.op in OPPOSITES:
        wanted = msgspec.structs.replace(node, op=OPPOSITES[node.op])
        said = _of_column(wanted, sql, bind)
        return f"not ({said})" if wanted.op is Op.IS_NULL else f"({sql} is null or not ({said}))"
    if node.op is Op.IS_NULL:
        return f"{sql} is null"
    if node.op in (Op.EQUALS, Op.IN):
        if len(node.values) == 1:
            return f"{sql} = {bind(node.values[0])}"
        return f"{sql} in ({', '.join(bind(value) for value in node.values)})"
    found = " or ".join(_compared(sql, node.op, value, bind) for value in node.values)
    return f"({found})"


def _compared(sql: str, op: Op, value: str | int, bind: Bind) -> str:
    if op in COMPARED:
        return f"{sql} {COMPARED[op]} {bind(value)}"
    text = str(value)
    match op:
        case Op.STARTS_WITH:
            return f"({sql} >= {bind(text)} and {sql} < {bind(text + LAST)})"
        case Op.PREFIX:
            # The slash is the character after the dot.
            return f"({sql} = {bind(text)} or ({sql} >= {bind(f'{text}.')} and {sql} < {bind(f'{text}/')}))"
        case Op.ENDS_WITH:
            # From the beginning where the text is longer than what it is looked for in.
            return f"substr({sql}, max(1, length({sql}) - {len(text) - 1})) = {bind(text)}"
        case Op.REGEX:
            return f"matches({bind(text)}, {sql})"
        case _:
            return f"instr({sql}, {bind(text)}) > 0"


def _of_labels(node: Condition, document: str, bind: Bind) -> str:
    if node.op in OPPOSITES:
        return f"not {_of_labels(msgspec.structs.replace(node, op=OPPOSITES[node.op]), document, bind)}"
    said = f"{KEY} = {bind(node.key)}"
    if node.op is Op.IS_NULL:
        return f"not {LABELLED.format(document=document, said=said)}"
    has = LABELLED.format(document=document, said=f"{said} and {_of_column(node, VALUE, bind)}")
    if node.op not in (Op.EQUALS, Op.IN):
        return has
    # To look for a text is far faster than to read a document; where it is found it may still be another's.
    texts = [msgspec.json.encode({"key": node.key, "value": value}).decode() for value in node.values]
    return f"(({' or '.join(f'instr({document}, {bind(text)}) > 0' for text in texts)}) and {has})"


def matches(pattern: str, text: str | None) -> bool:
    """Whether a pattern is found in a text; `matches` in SQL. Raises LimitError for one that takes too long."""
    if text is None:
        return False
    try:
        return regex.search(pattern, text, timeout=REGEX_SECONDS) is not None
    except TimeoutError:
        raise LimitError(f"The pattern '{pattern[:100]}' takes too long") from None


def names(node: Node | None, field: str) -> bool:
    """Whether a condition is about a field, among others."""
    if isinstance(node, Group):
        return any(names(part, field) for part in node.parts)
    return node is not None and node.field == field


def bounds(node: Node, field: str) -> tuple[float, float]:
    """The least and the greatest number that a field may have where a condition holds."""
    if isinstance(node, Group):
        found = [bounds(part, field) for part in node.parts]
        if not found or node.any:
            return min((low for low, _ in found), default=-inf), max((high for _, high in found), default=inf)
        return max(low for low, _ in found), min(high for _, high in found)
    if node.field != field or len(node.values) != 1:
        return -inf, inf
    value = float(node.values[0])
    low = value if node.op in (Op.EQUALS, Op.GREATER_THAN, Op.GREATER_THAN_OR_EQUAL_TO) else -inf
    return low, value if node.op in (Op.EQUALS, Op.LESS_THAN, Op.LESS_THAN_OR_EQUAL_TO) else inf
