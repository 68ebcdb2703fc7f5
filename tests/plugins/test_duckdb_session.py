"""DuckDB as tasks use it: what SQL reaches, what results become, how statements are stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.plugin import TaskError
from plugins.jdbc.duckdb_names import absolute_names
from plugins.jdbc.duckdb_session import Ask, Fetch, Found, Place, Session


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "data").mkdir(parents=True)
    (work / "in.csv").write_text("id,day\n1,2026-01-31\n2,2026-02-28\n")
    (work / "data" / "more.csv").write_text("id\n7\n")
    (tmp_path / "secret.csv").write_text("id\n42\n")
    return work


def ask(
    folder: Path,
    sql: str,
    *,
    fetch: Fetch = "FETCH",
    parameters: Mapping[str, Any] | None = None,
    after: str | None = None,
    single: bool = True,
    transaction: bool = True,
) -> list[Found]:
    place = Place(str(folder / "database.db"), folder, "256MB", 1, "folder")
    return Session(place).run(Ask(sql, after, parameters or {}, fetch, single, transaction))


def rows(folder: Path, sql: str, **more: Any) -> list[dict[str, Any]] | None:
    (found,) = ask(folder, sql, **more)
    return found.rows


@pytest.mark.parametrize(
    "sql",
    [
        "select * from 'in.csv'",
        "from 'in.csv'",
        "select * from read_csv('in.csv')",
        "select * from read_csv(['in.csv'], header = true)",
        "select i.* from (select 1 as id) x join 'in.csv' i using (id) union all select 2, date '2026-02-28'",
        "select * from 'i*.csv'",
    ],
)
def test_relative_names_are_files_of_the_folder(folder: Path, sql: str) -> None:
    assert rows(folder, sql) == [{"id": 1, "day": "2026-01-31"}, {"id": 2, "day": "2026-02-28"}]


def test_full_names_and_folders_below_work(folder: Path) -> None:
    assert rows(folder, f"select count(*) as n from '{folder}/in.csv'") == [{"n": 2}]
    assert rows(folder, "select * from 'data/*.csv'") == [{"id": 7}]


def test_files_are_written_to_the_folder(folder: Path) -> None:
    ask(folder, "copy (select 1 as n) to 'out.csv'")
    assert (folder / "out.csv").read_text() == "n\n1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from '{above}/secret.csv'",
        "select * from read_csv('../secret.csv')",
        "select * from read_text('{folder}/../secret.csv')",
        "select * from glob('{above}/*')",
        "select content from read_text('/etc/hostname')",
        "copy (select 1) to '{above}/stolen.csv'",
        "attach '{above}/other.db'",
        "export database '{above}/all'",
        "install httpfs",
        "select * from 'https://127.0.0.1:1/a.csv'",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "reset lock_configuration",
    ],
)
def test_nothing_outside_the_folder_is_reached(folder: Path, sql: str) -> None:
    before = sorted(folder.parent.iterdir())
    with pytest.raises(TaskError):
        ask(folder, sql.format(folder=folder, above=folder.parent))
    assert sorted(folder.parent.iterdir()) == before


def test_variables_of_the_engine_are_not_tables(folder: Path) -> None:
    with pytest.raises(TaskError, match="Table with name folder does not exist"):
        ask(folder, "select * from folder")


def test_texts_that_only_look_like_files_stay_as_they_are(folder: Path) -> None:
    sql = "select 'in.csv' as name, 'a' in ('in.csv') as k, \"id\" from 'in.csv' where 'in.csv' <> 'it''s' -- 'in.csv'"
    changed = absolute_names(sql, folder)
    assert changed == sql.replace("from 'in.csv'", f"from '{folder}/in.csv'")


def test_names_are_found_behind_other_alphabets(folder: Path) -> None:
    assert rows(folder, "select 'prix €' as é, id from 'in.csv' limit 1") == [{"é": "prix €", "id": 1}]


def test_values_become_json(folder: Path) -> None:
    sql = """
        select 1.10::decimal(10, 2) as price, 12345678901234567.89::decimal(20, 2) as exact, 3::hugeint as huge,
            170141183460469231731687303715884105727 as larger, date '2026-01-31' as day, time '10:30:00' as at,
            timestamp '2026-01-31 10:30:00.5' as moment, interval 36 hours as span, 'nan'::double as nothing,
            {'a': [date '2026-01-31'], 'b': null} as nested, map {1: 'x'} as mapped, '\\xAA'::blob as bytes,
            uuid '00000000-0000-0000-0000-000000000001' as id, true as yes
    """
    assert rows(folder, sql) == [
        {
            "price": 1.1,
            "exact": "12345678901234567.89",
            "huge": 3,
            "larger": "170141183460469231731687303715884105727",
            "day": "2026-01-31",
            "at": "10:30:00",
            "moment": "2026-01-31T10:30:00.500000",
            "span": "P1DT43200S",
            "nothing": None,
            "nested": {"a": ["2026-01-31"], "b": None},
            "mapped": {"1": "x"},
            "bytes": "qg==",
            "id": "00000000-0000-0000-0000-000000000001",
            "yes": True,
        }
    ]


def test_a_stored_result_is_a_file_with_the_types_beside(folder: Path) -> None:
    (found,) = ask(folder, "select id, day, 1.50::decimal(5, 2) as price from 'in.csv' order by id;", fetch="STORE")
    assert found.path is not None
    assert [json.loads(line) for line in found.path.read_text().splitlines()] == [
        {"id": 1, "day": "2026-01-31", "price": 1.5},
        {"id": 2, "day": "2026-02-28", "price": 1.5},
    ]
    assert found.size == 2
    assert found.columns == {"id": "BIGINT", "day": "DATE", "price": "DECIMAL(5,2)"}


def test_stored_numbers_are_json_and_stay_in_order(folder: Path) -> None:
    sql = """
        select case i when 3 then 'nan'::double when 4 then 'inf'::double else i / 2 end as "a ""b", i
        from range(5) t(i) order by i desc
    """
    (found,) = ask(folder, sql, fetch="STORE")
    assert found.path is not None
    rows = [json.loads(line) for line in found.path.read_text().splitlines()]
    assert [row["i"] for row in rows] == [4, 3, 2, 1, 0]
    assert [row['a "b'] for row in rows] == [None, None, 1.0, 0.5, 0.0]


def test_columns_of_one_name_are_told_apart(folder: Path) -> None:
    (found,) = ask(folder, "select 1.5::double as a, 2.5::double as a", fetch="STORE")
    assert found.path is not None
    assert sorted(json.loads(found.path.read_text()).values()) == [1.5, 2.5]


def test_a_result_that_is_no_select_is_stored_too(folder: Path) -> None:
    _, found = ask(
        folder,
        "create table t (a int); select 1; insert into t values (1), (2) returning a",
        fetch="STORE",
        single=False,
    )
    assert found.path is not None
    assert found.path.read_text() == '{"a":1}\n{"a":2}\n'


def test_one_row_or_none(folder: Path) -> None:
    assert rows(folder, "select id from 'in.csv' order by id", fetch="FETCH_ONE") == [{"id": 1}]
    (found,) = ask(folder, "select 1 where false", fetch="FETCH_ONE")
    assert (found.rows, found.size) == ([], 0)


def test_changes_have_no_rows(folder: Path) -> None:
    assert ask(folder, "create table t as select 1 as a") == []
    assert ask(folder, "insert into t values (2)") == []
    assert rows(folder, "select count(*) as n from t") == [{"n": 2}]


def test_parameters_keep_their_types(folder: Path) -> None:
    sql = "select $n + 1 as n, $text as text, $nothing is null as nothing"
    assert rows(folder, sql, parameters={"n": 1, "text": "it's", "nothing": None, "unused": 0}) == [
        {"n": 2, "text": "it's", "nothing": True}
    ]
    (found,) = ask(folder, "select $n::int as n", parameters={"n": 3}, fetch="STORE")
    assert found.path is not None
    assert found.path.read_text() == '{"n":3}\n'


def test_two_statements_are_for_queries(folder: Path) -> None:
    with pytest.raises(TaskError, match="only a single SQL statement"):
        ask(folder, "select 1; select 2")
    assert [found.rows for found in ask(folder, "select 1 as a; select ';' as b;", single=False)] == [
        [{"a": 1}],
        [{"b": ";"}],
    ]


def test_statements_take_effect_together(folder: Path) -> None:
    ask(folder, "create table t (a int)")
    with pytest.raises(TaskError, match="nope"):
        ask(folder, "insert into t values (1); select * from nope", single=False)
    assert rows(folder, "from t") == []
    with pytest.raises(TaskError, match="nope"):
        ask(folder, "insert into t values (1); select * from nope", single=False, transaction=False)
    assert rows(folder, "from t") == [{"a": 1}]


def test_the_statement_after_belongs_to_the_transaction(folder: Path) -> None:
    ask(folder, "create table t as select 1 as a")
    assert rows(folder, "from t", after="update t set a = 2") == [{"a": 1}]
    with pytest.raises(TaskError, match="nope"):
        ask(folder, "delete from t", after="select * from nope")
    assert rows(folder, "from t") == [{"a": 2}]


def test_a_mistake_is_shown_with_its_line(folder: Path) -> None:
    with pytest.raises(TaskError) as raised:
        ask(folder, "select id,\n  missing\nfrom 'in.csv'")
    message = str(raised.value)
    assert 'column "missing"' in message
    assert "LINE 2:" in message
    assert str(folder) not in message
    assert "Traceback" not in message


def test_a_running_statement_can_be_stopped(folder: Path) -> None:
    session = Session(Place(str(folder / "database.db"), folder, "256MB", 1, "folder"))
    long = "select count(*) from range(1000000) a, range(1000000) b where a.range + b.range = 7"
    timer = threading.Timer(0.2, session.stop)
    timer.start()
    with pytest.raises(TaskError, match=r"(?i)interrupt|stopped"):
        session.run(Ask(f"{long}; {long}", None, {}, "FETCH", False, False))
    timer.join()
