"""Limits of flows over the API."""

from __future__ import annotations

import aiohttp
import anyio

from engine.runtime.engine import Engine
from engine.state.status import Status
from support import running

FLOW = """
id: limited
namespace: shop
concurrency: {limit: 1}
tasks: [{id: wait, type: core.flow.Pause}]
"""
LIMITS = "/api/v1/main/concurrency-limit"


async def test_limits_are_listed_with_their_use(client: aiohttp.ClientSession, engine: Engine) -> None:
    first = await running.start(engine, FLOW)
    await running.until(engine, first.id, "wait", Status.PAUSED)
    second = await engine.control.create("shop", "limited")
    while (await engine.store.executions.head(second.id))[0].state is not Status.QUEUED:
        await anyio.sleep(0.01)
    expected = {
        "tenantId": "main",
        "namespace": "shop",
        "flowId": "limited",
        "limit": 1,
        "behavior": "QUEUE",
        "running": 1,
        "queued": 1,
    }
    async with client.get(f"{LIMITS}/search") as answer:
        assert await answer.json() == {"results": [expected], "total": 1}
    async with client.put(f"{LIMITS}/shop/limited", json={"running": 7}) as answer:
        assert await answer.json() == expected
    async with client.put(f"{LIMITS}/shop/none", json={"running": 7}) as answer:
        assert answer.status == 404
