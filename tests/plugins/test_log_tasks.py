"""Fetch, PurgeLogs and Publish."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.plugin.testing import run_task
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from plugins.core.log import Fetch, PurgeLogs
from plugins.core.metric import Publish
from support.running import messages, run

LATER = "2999-01-01T00:00:00Z"
SAY = """id: say
namespace: shop.floor
tasks:
  - {id: one, type: core.log.Log, message: [a, b], level: WARN}
  - {id: two, type: core.log.Log, message: c}
  - {id: three, type: core.log.Log, message: d, level: DEBUG}
"""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings()) as opened:
        yield opened


async def fetched(engine: Engine, outputs: Any) -> list[dict[str, Any]]:
    content = b"".join([chunk async for chunk in engine.files.read(outputs["uri"])])
    lines = [json.loads(line) for line in content.splitlines()]
    assert len(lines) == outputs["size"]
    return lines


async def test_fetch_takes_the_lines_of_its_own_execution(engine: Engine) -> None:
    record = await run(engine, f"{SAY}  - {{id: get, type: core.log.Fetch}}\n")
    lines = await fetched(engine, record.runs["get"].outputs)
    assert [line["message"] for line in lines] == ["a", "b", "c"]
    first = lines[0]
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "namespace": "shop.floor",
        "flowId": "say",
        "taskId": "one",
        "executionId": record.execution.id,
        "taskRunId": record.runs["one"].id,
        "attemptNumber": 1,
        "level": "WARN",
        "message": "a",
    }


@pytest.mark.parametrize(
    ("chosen", "texts"),
    [
        ("level: TRACE", ["a", "b", "c", "d"]),
        ("level: WARN", ["a", "b"]),
        ("level: DEBUG, tasksId: [two, three]", ["c", "d"]),
        ("tasksId: [none]", []),
    ],
)
async def test_fetch_of_another_execution_by_level_and_task(engine: Engine, chosen: str, texts: list[str]) -> None:
    said = await run(engine, SAY)
    of = f"namespace: shop.floor, flowId: say, executionId: {said.execution.id}"
    record = await run(
        engine, f"id: look\nnamespace: other\ntasks: [{{id: get, type: core.log.Fetch, {of}, {chosen}}}]"
    )
    lines = await fetched(engine, record.runs["get"].outputs)
    assert [line["message"] for line in lines] == texts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"executionId": "x"}, "There is no execution 'x' of the flow testing.tested"),
        ({"executionId": "x", "flowId": "y"}, "namespace and flowId: set both, or none for the flow of this task"),
        ({"namespace": "x", "flowId": "y"}, "executionId: is required beside namespace and flowId"),
    ],
)
async def test_fetch_says_what_it_can_not_find(given: dict[str, str], message: str) -> None:
    ran = await run_task(Fetch, given)
    assert (ran.state, ran.messages) == ("FAILED", [message])


async def test_thousands_of_lines_are_fetched_in_order(engine: Engine) -> None:
    texts = [f"{number}" for number in range(2500)]
    record = await run(
        engine,
        "id: many\nnamespace: shop\ntasks:\n"
        f"  - {{id: say, type: core.log.Log, message: {json.dumps(texts)}}}\n"
        "  - {id: get, type: core.log.Fetch}\n",
    )
    lines = await fetched(engine, record.runs["get"].outputs)
    assert [line["message"] for line in lines] == texts


@pytest.mark.parametrize(
    ("chosen", "left", "count"),
    [
        ("namespace: shop", [], 4),
        ("namespace: shop, flowId: say", ["a", "b", "c", "d"], 0),
        ("namespace: shop.floor, flowId: say, logLevels: [WARN, DEBUG]", ["c"], 3),
        ("namespace: shop, executionId: none", ["a", "b", "c", "d"], 0),
        (f"namespace: shop, startDate: '{LATER}'", ["a", "b", "c", "d"], 0),
    ],
)
async def test_old_lines_are_purged(engine: Engine, chosen: str, left: list[str], count: int) -> None:
    said = await run(engine, SAY)
    task = f"{{id: purge, type: core.log.PurgeLogs, endDate: '{LATER}', {chosen}}}"
    record = await run(engine, f"id: purge\nnamespace: other\ntasks: [{task}]")
    assert record.runs["purge"].outputs == {"count": count}
    assert await messages(engine, said.execution.id) == left


async def test_a_flow_is_named_with_its_namespace() -> None:
    ran = await run_task(PurgeLogs, {"endDate": LATER, "flowId": "x"})
    assert ran.messages == ["flowId: needs the namespace of the flow beside it"]


async def test_metrics_are_published() -> None:
    ran = await run_task(
        Publish,
        {
            "metrics": [
                {"name": "{{ vars.name }}", "type": "counter", "value": "{{ vars.n }}", "tags": {"name": "x", "n": 1}},
                {"name": "wait", "type": "timer", "value": "PT1.5S"},
                {"name": "heat", "type": "gauge", "value": -1.5, "description": "outside"},
            ]
        },
        variables={"name": "rows", "n": 3},
    )
    assert ran.state == "SUCCESS"
    assert [(metric.name, metric.type, metric.value, metric.tags) for metric in ran.metrics] == [
        ("rows", "counter", 3.0, {"name": "x", "n": "1"}),
        ("wait", "timer", 1500.0, {}),
        ("heat", "gauge", -1.5, {}),
    ]


async def test_metrics_may_be_json_and_must_be_numbers() -> None:
    ran = await run_task(Publish, {"metrics": "{{ vars.all }}"}, variables={"all": [{"name": "a", "value": 1}]})
    assert [(metric.name, metric.value) for metric in ran.metrics] == [("a", 1.0)]
    ran = await run_task(Publish, {"metrics": [{"name": "a", "value": "many"}]})
    assert ran.messages == ["metrics[0].value: must be a number, but is 'many'"]
    ran = await run_task(Publish, {"metrics": [{"name": "a", "type": "timer", "value": "soon"}]})
    assert ran.messages == ["metrics[0].value: must be a duration like PT30S, PT1H30M or P1D, but is 'soon'"]
