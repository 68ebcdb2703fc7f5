"""DuckDB tasks in the engine: files in and out, results, errors, kill."""

from __future__ import annotations

import json

import msgspec
import pytest

from engine.errors import InvalidFlow
from engine.plugin.testing import run_task
from engine.settings import Duckdb, Settings
from plugins.jdbc.duckdb import Queries, Query

CSV = b"brand,price,day\nA,1.50,2026-01-31\nB,2.25,2026-02-28\nA,2.50,2026-03-31\n"


async def test_sql_over_an_input_file() -> None:
    ran = await run_task(
        Query,
        {
            "inputFiles": {"in.csv": "{{ inputs.csv }}"},
            "sql": """
                select brand, avg(price) as price from read_csv_auto('{{ workingDir }}/in.csv', header = true)
                group by brand order by price desc
            """,
            "store": True,
        },
        files={"csv": CSV},
    )
    assert ran.state == "SUCCESS", ran.messages
    assert ran.outputs["uri"].endswith(".ion")
    assert ran.outputs["size"] == 2
    assert ran.files[ran.outputs["uri"]] == b'{"brand":"B","price":2.25}\n{"brand":"A","price":2.0}\n'
    (metric,) = ran.metrics
    assert (metric.name, metric.value, metric.tags["store"]) == ("fetch.size", 2, "true")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"fetchType": "FETCH"}, {"rows": [{"a": 1}, {"a": 2}], "size": 2}),
        ({"fetch": True}, {"rows": [{"a": 1}, {"a": 2}], "size": 2}),
        ({"fetchType": "FETCH_ONE"}, {"row": {"a": 1}, "size": 1}),
        ({"fetchOne": True, "store": True}, {"row": {"a": 1}, "size": 1}),
        ({}, {}),
    ],
)
async def test_what_is_kept_of_a_result(more: dict[str, object], expected: dict[str, object]) -> None:
    ran = await run_task(Query, {"sql": "select * from range(1, 3) t(a)", **more})
    assert ran.state == "SUCCESS", ran.messages
    nothing: dict[str, object] = {
        "row": None,
        "rows": None,
        "uri": None,
        "size": None,
        "outputFiles": {},
        "databaseUri": None,
    }
    assert ran.outputs == {**nothing, **expected}


async def test_parameters_keep_their_types_and_casts_stay() -> None:
    ran = await run_task(
        Query,
        {
            "sql": "select :n + 1 as n, :name as name, ':name' as text, '1'::int as cast, :none is null as none",
            "parameters": {"n": "{{ vars.n }}", "name": "it's {{ vars.n }}", "none": None},
            "fetchType": "FETCH_ONE",
        },
        variables={"n": 41},
    )
    assert ran.outputs["row"] == {"n": 42, "name": "it's 41", "text": ":name", "cast": 1, "none": True}


async def test_files_that_sql_writes_and_the_database_are_kept() -> None:
    ran = await run_task(
        Queries,
        {
            "inputFiles": {"in.csv": CSV.decode()},
            "outputFiles": ["summary.csv", "deep/all.json"],
            "outputDbFile": True,
            "sql": """
                create table prices as from 'in.csv';
                copy (select count(*) as n from prices) to '{{ outputFiles['summary.csv'] }}';
                copy prices to 'deep/all.json';
                select max(day) as last from prices;
            """,
            "fetchType": "FETCH",
        },
    )
    assert ran.state == "SUCCESS", ran.messages
    assert ran.outputs["outputs"] == [{"rows": [{"last": "2026-03-31"}], "size": 1}]
    kept = ran.outputs["outputFiles"]
    assert ran.files[kept["summary.csv"]] == b"n\n3\n"
    assert len(ran.files[kept["deep/all.json"]].splitlines()) == 3
    database = ran.files[ran.outputs["databaseUri"]]

    again = await run_task(
        Query,
        {"databaseUri": "{{ inputs.db }}", "sql": "select sum(price) as p from prices", "fetchType": "FETCH_ONE"},
        files={"db": database},
    )
    assert again.outputs["row"] == {"p": 6.25}


async def test_results_of_several_statements_are_stored_each() -> None:
    ran = await run_task(Queries, {"sql": "select 1 as a; create table t (a int); select 2 as b;", "store": True})
    stored = [json.loads(ran.files[result["uri"]]) for result in ran.outputs["outputs"]]
    assert stored == [{"a": 1}, {"b": 2}]
    ran = await run_task(Queries, {"sql": "select 1; select 2"})
    assert ran.outputs["outputs"] == [{}, {}]


async def test_the_zone_of_the_session() -> None:
    ran = await run_task(
        Query,
        {
            "sql": "select timestamptz '2026-07-01 10:00:00+00' as t, timestamp '2026-07-01 10:00:00' as l",
            "timeZoneId": "Europe/Berlin",
            "fetchType": "FETCH_ONE",
        },
    )
    assert ran.outputs["row"] == {"t": "2026-07-01T12:00:00+02:00", "l": "2026-07-01T10:00:00"}


async def test_a_mistake_is_one_message_with_its_line() -> None:
    ran = await run_task(Query, {"sql": "select 1,\n  nope\nfrom range(3)"})
    assert ran.state == "FAILED"
    (message,) = ran.messages
    assert 'column "nope"' in message
    assert "LINE 2:" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    "properties",
    [
        {"sql": "select * from read_text('/etc/hostname')"},
        {"sql": "select 1", "url": "jdbc:duckdb:/etc/x.db"},
        {"sql": "select 1", "url": "jdbc:duckdb:../x.db"},
        {"sql": "select 1", "url": "jdbc:sqlite:x.db"},
        {"sql": "select 1", "url": "jdbc:duckdb:md:x"},
        {"sql": "select 1", "inputFiles": {"../x": "y"}},
        {"sql": "select 1", "outputFiles": ["/etc/x"]},
    ],
)
async def test_what_lies_outside_is_refused(properties: dict[str, object]) -> None:
    ran = await run_task(Query, properties)
    assert ran.state == "FAILED"
    assert len(ran.messages) == 1
    assert "Traceback" not in ran.messages[0]


async def test_a_setting_opens_more() -> None:
    settings = msgspec.structs.replace(Settings(), duckdb=Duckdb(external="all"))
    ran = await run_task(
        Query, {"sql": "select count(*) as n from glob('/etc/hostname*')", "fetch": True}, settings=settings
    )
    assert ran.outputs["rows"] == [{"n": 1}]


async def test_limits_come_from_the_settings() -> None:
    settings = msgspec.structs.replace(Settings(), duckdb=Duckdb(memory="64MB", threads=1))
    sql = "select value from duckdb_settings() where name in ('memory_limit', 'threads') order by name"
    ran = await run_task(Query, {"sql": sql, "fetch": True}, settings=settings)
    assert [row["value"] for row in ran.outputs["rows"]] == ["61.0 MiB", "1"]


async def test_a_timeout_interrupts_the_statement() -> None:
    ran = await run_task(
        Query,
        {
            "sql": "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range = 7",
            "timeout": "PT0.2S",
        },
        timeout=20,
    )
    assert ran.state == "FAILED"
    assert any("Timeout" in message for message in ran.messages)


async def test_sql_is_required() -> None:
    with pytest.raises(InvalidFlow, match="sql"):
        await run_task(Query, {"fetch": True})
