"""Triggers over the API: lists, switches, locks and backfills."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from engine.ids import ExecutionId
from engine.runtime.engine import Engine

FLOW = """
id: daily
namespace: shop
tasks: [{id: a, type: core.debug.Return, format: a}]
triggers:
  - {id: morning, type: core.trigger.Schedule, cron: "0 8 * * *"}
  - {id: evening, type: core.trigger.Schedule, cron: "0 20 * * *", disabled: true}
  - {id: hook, type: core.trigger.Webhook, key: a-secret-key}
"""
NAME = {"namespace": "shop", "flowId": "daily", "triggerId": "morning"}
PERIOD = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-05T00:00:00Z"}


@pytest.fixture(autouse=True)
async def flow(engine: Engine) -> None:
    await engine.control.save_flow(FLOW)


async def _ask(client: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with client.request(method, f"/api/v1/main/triggers{path}", json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.content_type == "application/json" else await answer.text()


async def test_triggers_are_searched_with_what_stands_in_their_flow(client: aiohttp.ClientSession) -> None:
    found = await _ask(client, "GET", "/search?sort=triggerId:asc&filters[namespace][PREFIX]=shop")
    assert found["total"] == 3
    evening, hook, morning = found["results"]
    assert (morning["trigger"]["cron"], morning["state"]["kind"]) == ("0 8 * * *", "SCHEDULE")
    assert morning["abstractTrigger"] == morning["trigger"]
    assert morning["triggerContext"]["triggerId"] == "morning"
    assert (evening["state"]["disabled"], morning["state"]["disabled"], "kind" in hook["state"]) == (True, False, False)
    off = await _ask(client, "GET", "/search?filters[triggerState][EQUALS]=DISABLED")
    assert [it["trigger"]["id"] for it in off["results"]] == ["evening"]
    of_flow = await _ask(client, "GET", "/shop/daily?q=ing&size=1")
    assert (of_flow["total"], len(of_flow["results"])) == (2, 1)


async def test_triggers_are_listed_as_csv(client: aiohttp.ClientSession) -> None:
    text = await _ask(client, "GET", "/export/by-query/csv")
    assert text.splitlines()[0].startswith("namespace,flowId,triggerId,disabled")
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", "/set-disabled", {**NAME, "disabled": True}), ("PUT", "", {**NAME, "disabled": True, "unknown": 1})],
)
async def test_a_trigger_is_switched(client: aiohttp.ClientSession, method: str, path: str, body: Any) -> None:
    assert (await _ask(client, method, path, body))["disabled"] is True
    assert (await _ask(client, method, path, {**body, "disabled": False}))["disabled"] is False


async def test_triggers_are_switched_at_once(client: aiohttp.ClientSession, engine: Engine) -> None:
    names = [NAME, {**NAME, "triggerId": "hook"}]
    body = {"triggers": names, "disabled": True}
    assert (await _ask(client, "POST", "/set-disabled/by-triggers", body))["count"] == 2
    assert [it.id for it in await engine.triggers.list() if it.active] == []
    found = await _ask(client, "POST", "/set-disabled/by-query?disabled=false&filters[triggerId][EQUALS]=hook")
    assert found["count"] == 1
    assert [it.id for it in await engine.triggers.list() if it.active] == ["hook"]
    missing = {"triggers": [NAME, {**NAME, "triggerId": "none"}], "disabled": True}
    await _ask(client, "POST", "/set-disabled/by-triggers", missing, 404)


async def test_a_lock_is_opened(client: aiohttp.ClientSession, engine: Engine) -> None:
    refused = await _ask(client, "POST", "/shop/daily/morning/unlock", status=409)
    assert refused["message"] == "Illegal state: Trigger is not locked"
    state = await engine.triggers.get("shop", "daily", "morning")
    await engine.store.triggers.save(replace(state, execution=ExecutionId("some"), version=state.version + 1))
    assert (await _ask(client, "GET", "/shop/daily?q=morning"))["results"][0]["locked"] is True
    assert (await _ask(client, "POST", "/shop/daily/morning/unlock"))["locked"] is False
    assert (await _ask(client, "POST", "/unlock/by-triggers", [NAME]))["count"] == 0


async def test_failures_are_forgotten(client: aiohttp.ClientSession, engine: Engine) -> None:
    state = await engine.triggers.get("shop", "daily", "morning")
    await engine.store.triggers.save(replace(state, failures=12, error="away", version=state.version + 1))
    assert (await _ask(client, "GET", "/shop/daily?q=morning"))["results"][0]["error"] == "away"
    assert "error" not in await _ask(client, "POST", "/shop/daily/morning/restart")


async def test_a_trigger_of_a_flow_is_not_forgotten(client: aiohttp.ClientSession) -> None:
    await _ask(client, "DELETE", "/shop/daily/morning", status=409)
    await _ask(client, "DELETE", "/shop/daily/none", status=404)
    assert (await _ask(client, "DELETE", "/delete/by-triggers", [NAME]))["count"] == 0


async def test_a_backfill_begins_pauses_and_ends(client: aiohttp.ClientSession) -> None:
    body = {**NAME, "backfill": {**PERIOD, "inputs": {"a": 1}, "labels": [{"key": "why", "value": "test"}]}}
    made = (await _ask(client, "PUT", "/backfill/create", body))["backfill"]
    assert (made["start"], made["inputs"], made["labels"]) == (
        "2026-01-01T00:00:00.000Z",
        {"a": 1},
        [{"key": "why", "value": "test"}],
    )
    assert (await _ask(client, "PUT", "/backfill/create", body, 409))["detail"].startswith("a backfill of 'morning'")
    assert (await _ask(client, "PUT", "/backfill/pause", NAME))["backfill"]["paused"] is True
    assert "paused" not in (await _ask(client, "PUT", "/backfill/unpause", NAME))["backfill"]
    assert "backfill" not in await _ask(client, "POST", "/backfill/delete", NAME)
    assert (await _ask(client, "POST", "/backfill/delete", NAME, 400))["message"] == "Bad Request: No backfill found"
    assert (await _ask(client, "POST", "/backfill/pause/by-triggers", [NAME]))["count"] == 0


async def test_the_older_form_of_a_backfill(client: aiohttp.ClientSession) -> None:
    made = await _ask(client, "PUT", "", {**NAME, "backfill": PERIOD})
    assert made["backfill"]["end"] == "2026-01-05T00:00:00.000Z"


@pytest.mark.parametrize(
    ("trigger", "period"),
    [("hook", PERIOD), ("morning", {"start": PERIOD["end"], "end": PERIOD["start"]})],
)
async def test_what_can_t_be_made_up_for_is_refused(client: aiohttp.ClientSession, trigger: str, period: Any) -> None:
    body = {**NAME, "triggerId": trigger, "backfill": period}
    await _ask(client, "PUT", "/backfill/create", body, 409)


async def test_tr_07_what_came_of_the_last_looks_is_told(engine: Engine, client: aiohttp.ClientSession) -> None:
    async with client.post("/api/v1/executions/webhook/shop/daily/a-secret-key") as answer:
        id = (await answer.json())["id"]
    await engine.logs.flushed()
    (found,) = await _ask(client, "GET", "/shop/daily/hook/evaluations?limit=5")
    assert (found["outcome"], found["executionId"]) == ("FIRED", id)
    assert await _ask(client, "GET", "/shop/daily/morning/evaluations") == []
    await _ask(client, "GET", "/shop/daily/nothing/evaluations", status=404)
    await _ask(client, "GET", "/shop/daily/hook/evaluations?limit=0", status=400)
