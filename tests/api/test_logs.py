"""Logs, metrics and outputs over the API."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from engine.runtime.engine import Engine
from engine.state.user import Role
from support.executing import run
from support.signing_in import PASSWORD, ROOT, basic

V1 = "/api/v1/main"
FLOW = """
id: talks
namespace: company.team
tasks:
  - {id: hello, type: core.log.Log, message: [one, "two ü"]}
  - {id: warn, type: core.log.Log, message: careful, level: WARN}
  - id: measure
    type: core.metric.Publish
    metrics:
      - {type: counter, name: rows, value: 5, tags: {of: a}}
      - {type: counter, name: rows, value: 7}
      - {type: timer, name: took, value: PT1.5S}
  - {id: give, type: core.output.OutputValues, values: {a: 1, b: [2, 3]}}
  - {id: hide, type: core.debug.Return, format: "{{ secret('KEY') }}"}
outputs:
  - {id: said, type: JSON, value: "{{ outputs.give['values'] }}"}
"""


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    await engine.secrets.set("KEY", "top secret value", "company.team")
    for namespace in ("company.team", "company.other"):
        await engine.control.save_flow(FLOW.replace("company.team", namespace))


async def get(client: ClientSession, path: str, status: int = 200, **more: Any) -> Any:
    async with client.get(f"{V1}{path}", **more) as answer:
        assert answer.status == status, await answer.text()
        return await (answer.json() if answer.content_type == "application/json" else answer.text())


async def delete(client: ClientSession, path: str) -> int:
    async with client.delete(f"{V1}{path}") as answer:
        return answer.status


def messages(lines: Any) -> list[str]:
    return [line["message"] for line in lines]


async def test_the_lines_of_an_execution_are_listed(client: ClientSession) -> None:
    shown = await run(client, "talks")
    lines = await get(client, f"/logs/{shown['id']}")
    assert messages(lines)[:3] == ["one", "two ü", "careful"]
    first = lines[0]
    assert (first["taskId"], first["level"], first["executionId"]) == ("hello", "INFO", shown["id"])
    assert first["attemptNumber"] == 0
    of = f"/logs/{shown['id']}?"
    assert messages(await get(client, f"{of}minLevel=WARN")) == ["careful"]
    assert messages(await get(client, f"{of}taskId=hello")) == ["one", "two ü"]
    assert messages(await get(client, f"{of}taskRunId={first['taskRunId']}&attempt=0")) == ["one", "two ü"]
    assert messages(await get(client, f"{of}attempt=1")) == []
    assert await get(client, "/logs/nix") == []
    assert "minLevel" in (await get(client, f"{of}minLevel=LOUD", 400))["detail"]


async def test_a_log_is_downloaded_as_a_text(client: ClientSession) -> None:
    shown = await run(client, "talks")
    async with client.get(f"{V1}/logs/{shown['id']}/download") as answer:
        assert answer.content_type == "text/plain"
        assert f"{shown['id']}.log" in answer.headers["Content-Disposition"]
        lines = (await answer.text()).splitlines()
    assert lines[1].split(" ", 1)[1] == "INFO two ü"
    assert lines[1][:19] == shown["state"]["startDate"][:19][:17] + lines[1][17:19]


async def test_many_lines_are_sent_whole(client: ClientSession, engine: Engine) -> None:
    await engine.control.save_flow(
        """
id: many
namespace: company.team
tasks:
  - id: each
    type: core.flow.ForEach
    values: "{{ range(1, 60) }}"
    tasks: [{id: say, type: core.log.Log, message: ["{{ taskrun.value }}", b, c, d, e, f, g, h, i, j]}]
"""
    )
    shown = await run(client, "many")
    lines = await get(client, f"/logs/{shown['id']}?taskId=say")
    assert len(lines) == 600
    text = await get(client, f"/logs/{shown['id']}/download?taskId=say")
    assert len(text.splitlines()) == 600


async def test_lines_of_all_executions_are_searched(client: ClientSession) -> None:
    shown = await run(client, "talks")
    async with client.post(f"{V1}/executions/company.other/talks?wait=true") as answer:
        other = await answer.json()
    page = await get(client, "/logs/search?filters[level][EQUALS]=WARN&filters[taskId][EQUALS]=warn")
    assert (page["total"], messages(page["results"])) == (2, ["careful", "careful"])
    assert [line["namespace"] for line in page["results"]] == ["company.other", "company.team"]
    page = await get(client, "/logs/search?namespace=company&q=TWO&sort=timestamp:asc&size=1")
    assert (page["total"], page["results"][0]["executionId"]) == (2, shown["id"])
    page = await get(client, "/logs/search?namespace=company&q=TWO&sort=timestamp:asc&size=1&page=2")
    assert page["results"][0]["executionId"] == other["id"]
    page = await get(client, f"/logs/search?filters[executionId][EQUALS]={other['id']}&q=careful")
    assert page["total"] == 1
    assert (await get(client, "/logs/search?timeRange=PT1H"))["total"] > 4
    assert (await get(client, "/logs/search?endDate=2000-01-01T00:00:00Z"))["total"] == 0
    assert (
        "can't be filtered by 'state'"
        in (await get(client, "/logs/search?filters[state][EQUALS]=FAILED", 400))["detail"]
    )


async def test_lines_are_deleted(client: ClientSession) -> None:
    shown = await run(client, "talks")
    other = await run(client, "talks")
    assert await delete(client, f"/logs/{shown['id']}?minLevel=WARN") == 204
    assert messages(await get(client, f"/logs/{shown['id']}?taskId=warn")) == []
    assert messages(await get(client, f"/logs/{shown['id']}?taskId=hello")) == ["one", "two ü"]
    assert await delete(client, f"/logs/{shown['id']}") == 204
    assert await get(client, f"/logs/{shown['id']}") == []
    assert await delete(client, "/logs/company.team/talks") == 204
    assert await get(client, f"/logs/{other['id']}") == []


async def test_metrics_of_an_execution_and_of_a_flow(client: ClientSession) -> None:
    shown = await run(client, "talks")
    await run(client, "talks")
    page = await get(client, f"/metrics/{shown['id']}?sort=value:asc&taskId=measure")
    assert [(it["name"], it["value"], it["type"]) for it in page["results"]] == [
        ("rows", 5, "counter"),
        ("rows", 7, "counter"),
        ("took", 1500, "timer"),
    ]
    assert page["results"][0]["tags"] == {"of": "a"}
    assert (await get(client, f"/metrics/{shown['id']}?taskId=hello"))["total"] == 0
    assert (await get(client, f"/metrics/{shown['id']}?size=1&page=2&taskId=measure"))["total"] == 3
    assert {"rows", "took"} < set(await get(client, "/metrics/names/company.team/talks"))
    assert await get(client, "/metrics/names/company.team/talks/measure") == ["rows", "took"]
    assert await get(client, "/metrics/names/company.team/talks/hello") == []
    assert await get(client, "/metrics/tasks/company.team/talks") == ["hide", "measure"]


@pytest.mark.parametrize(("aggregation", "value"), [("sum", 24), ("avg", 6), ("min", 5), ("MAX", 7)])
async def test_a_metric_is_put_together_over_time(client: ClientSession, aggregation: str, value: float) -> None:
    await run(client, "talks")
    await run(client, "talks")
    of = "/metrics/aggregates/company.team/talks"
    found = await get(client, f"{of}/rows?aggregation={aggregation}")
    assert (found["groupBy"], sum(it["value"] for it in found["aggregations"])) == ("day", value)
    assert await get(client, f"{of}/measure/rows?aggregation={aggregation}") == found
    past = await get(client, f"{of}/rows?startDate=2000-01-01T00:00:00Z&endDate=2000-01-01T01:00:00Z")
    assert past == {"groupBy": "minute", "aggregations": []}


async def test_outputs_of_an_execution_and_of_its_tasks(client: ClientSession) -> None:
    shown = await run(client, "talks")
    assert await get(client, f"/outputs/executions/{shown['id']}") == {"said": {"a": 1, "b": [2, 3]}}
    found = {it["taskId"]: it for it in await get(client, f"/outputs/tasks/{shown['id']}")}
    assert "hello" not in found
    of = f"/outputs/tasks/{shown['id']}"
    assert await get(client, f"{of}/{found['give']['taskRunId']}") == {"values": {"a": 1, "b": [2, 3]}}
    assert await get(client, f"{of}/{found['hide']['taskRunId']}") == {"value": "******"}
    assert await get(client, f"/outputs/{shown['id']}") == list(found.values())
    await get(client, f"{of}/nix", 404)
    await get(client, "/outputs/tasks/nix", 404)


async def test_others_see_nothing_of_a_namespace(client: ClientSession, engine: Engine) -> None:
    shown = await run(client, "talks")
    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("other", PASSWORD, {"company.other": Role.ADMIN})
    other = basic("other")
    for path in (f"/logs/{shown['id']}", f"/metrics/{shown['id']}", f"/outputs/tasks/{shown['id']}"):
        await get(client, path, 403, headers=other)
    await get(client, "/metrics/names/company.team/talks", 403, headers=other)
    assert (await get(client, "/logs/search", headers=other))["total"] == 0
    await engine.control.delete(shown["id"], logs=False)
    await get(client, f"/logs/{shown['id']}", 403, headers=other)
    assert len(await get(client, f"/logs/{shown['id']}?taskId=hello", headers=basic())) == 2
