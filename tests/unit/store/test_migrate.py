"""Migrations: each once, in order, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Refused
from engine.store.migrate import FOLDER, migrate, migrations, statements


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    yield opened
    opened.close()


def folder(path: Path, **texts: str) -> Path:
    """A folder of migrations."""
    path.mkdir(exist_ok=True)
    for name, text in texts.items():
        (path / f"{name.removeprefix('m')}.sql").write_text(text)
    return path


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def test_applies_what_is_missing(tmp_path: Path, connection: sqlite3.Connection) -> None:
    first = folder(tmp_path / "first", m0001_one="create table one (id text);\ncreate table more (id text);\n")
    assert migrate(connection, migrations(first)) == 1
    assert migrate(connection, migrations(first)) == 0
    second = folder(
        tmp_path / "second",
        m0001_one=(first / "0001_one.sql").read_text(),
        m0002_two="create table two (id text);\n",
        m0003_three="-- Comment; with a semicolon.\nalter table two add column note text default ';';\n",
    )
    assert migrate(connection, migrations(second)) == 2
    assert tables(connection) == {"migration", "one", "more", "two"}
    assert migrate(connection, migrations(second)) == 0


def test_a_failing_file_leaves_nothing(tmp_path: Path, connection: sqlite3.Connection) -> None:
    broken = folder(
        tmp_path / "broken", m0001_one="create table one (id text);\n", m0002_two="create table one (id text);\n"
    )
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, migrations(broken))
    assert tables(connection) == set()
    assert not connection.in_transaction


def test_refuses_a_newer_database(tmp_path: Path, connection: sqlite3.Connection) -> None:
    both = folder(tmp_path / "both", m0001_one="create table one (id text);\n", m0002_two="create table two (id text);")
    migrate(connection, migrations(both))
    with pytest.raises(Refused, match=r"newer Tidegate \(it has migration 0002_two\.sql\)"):
        migrate(connection, migrations(both)[:1])


def test_refuses_a_database_made_by_another_file(tmp_path: Path, connection: sqlite3.Connection) -> None:
    migrate(connection, migrations(folder(tmp_path / "here", m0001_one="create table one (id text);\n")))
    other = migrations(folder(tmp_path / "there", m0001_one="create table other (id text);\n"))
    with pytest.raises(Refused, match="made with another 0001_one"):
        migrate(connection, other)


@pytest.mark.parametrize("name", ["m0002_two", "m1_one", "mone", "m0001-one"])
def test_names_count_from_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="should be named 0001_"):
        migrations(folder(tmp_path / "misnamed", **{name: "select 1;"}))


def test_half_a_statement_is_a_mistake() -> None:
    assert list(statements("select 1;\nselect\n  2;\n")) == ["select 1;\n", "select\n  2;\n"]
    with pytest.raises(ValueError, match="not a whole statement: select 3"):
        list(statements("select 1;\nselect 3"))


@pytest.mark.parametrize("schema", ["main", "logs"])
def test_those_of_the_store_apply(schema: str, connection: sqlite3.Connection) -> None:
    wanted = migrations(FOLDER / schema)
    assert migrate(connection, wanted) == len(wanted) > 0
