"""Named queries and the conditions of lists."""

from __future__ import annotations

import sqlite3

import pytest

from engine.store.query import Where, parse, queries

TEXT = """-- What this file is about.

-- name: first
-- A comment inside.
select 1

-- name: second
select 'any'

-- name: second [postgres]
select 'postgres'
"""


def test_finds_queries_by_name() -> None:
    assert parse(TEXT, "sqlite") == {"first": "select 1\n".strip(), "second": "select 'any'"}


def test_a_dialect_replaces_what_it_must() -> None:
    assert parse(TEXT, "postgres") == {"first": "select 1", "second": "select 'postgres'"}


def test_refuses_a_name_twice() -> None:
    with pytest.raises(ValueError, match="first is written twice"):
        parse(TEXT + "-- name: first\nselect 2", "sqlite")


def test_refuses_an_override_of_nothing() -> None:
    with pytest.raises(ValueError, match="don't exist: third"):
        parse(TEXT + "-- name: third [sqlite]\nselect 3", "sqlite")


def test_every_query_of_the_store_is_found() -> None:
    found = queries("sqlite")
    assert {"insert_executions", "update_executions", "due_timers", "append_lines", "list_flows"} <= found.keys()
    assert all(query.strip() for query in found.values())
    assert queries("sqlite") is found


def filled(where: Where, query: str = "select name from thing {where} order by name") -> list[str]:
    """Names that a condition lets through."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("create table thing (name text, size integer)")
        connection.executemany("insert into thing values (?, ?)", [("a", 1), ("b", 2), ("c'; drop", 3)])
        return [name for (name,) in connection.execute(where.fill(query), where.params)]
    finally:
        connection.close()


def test_no_condition_lets_all_through() -> None:
    assert filled(Where().add("name", None).among("size", [])) == ["a", "b", "c'; drop"]


def test_all_conditions_must_hold() -> None:
    assert filled(Where().add("size", 2, ">=").among("name", ["a", "b"])) == ["b"]


def test_values_are_never_part_of_the_text() -> None:
    where = Where().add("name", "c'; drop")
    assert filled(where) == ["c'; drop"]
    assert "drop" not in where.fill("{where}")


def test_joins_conditions_that_are_there() -> None:
    query = "select name from thing where size > 1 {and} order by name"
    assert filled(Where(), query) == ["b", "c'; drop"]
    assert filled(Where().add("name", "b"), query) == ["b"]
