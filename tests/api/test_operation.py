"""Health and metrics."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from engine.runtime.engine import Engine
from engine.runtime.upkeep import health
from engine.state.user import Role
from support.running import run
from support.signing_in import PASSWORD, basic

FLOW = """
id: two
namespace: team
tasks:
  - {id: say, type: core.log.Log, message: hello}
  - {id: no, type: core.execution.Fail}
"""


async def test_health_tells_what_it_looked_at(client: aiohttp.ClientSession) -> None:
    async with client.get("/health") as answer:
        assert answer.status == 200
        told = await answer.json()
    assert told["status"] == "UP"
    assert told["details"]["store"]["status"] == "UP"
    assert told["details"]["diskSpace"]["details"]["free"] > 0


async def test_a_server_that_stops_is_alive_but_not_ready(client: aiohttp.ClientSession, engine: Engine) -> None:
    engine.health.accepts = False
    async with client.get("/health/readiness") as answer:
        assert answer.status == 503
        assert (await answer.json())["details"]["service"]["details"] == {"state": "TERMINATING"}
    async with client.get("/health/liveness") as answer:
        assert (answer.status, await answer.json()) == (200, {"name": "tidegate", "status": "UP"})


async def test_a_full_disk_is_told(
    client: aiohttp.ClientSession, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(health, "DISK_BYTES", 1 << 62)
    async with client.get("/health") as answer:
        assert answer.status == 503
        told = await answer.json()
    assert {name: part["status"] for name, part in told["details"].items()} == {
        "store": "UP",
        "diskSpace": "DOWN",
        "service": "UP",
    }


@pytest.mark.parametrize("path", ["/prometheus", "/metrics"])
async def test_metrics_count_executions_task_runs_and_requests(
    client: aiohttp.ClientSession, engine: Engine, path: str
) -> None:
    await run(engine, FLOW)
    async with client.get("/api/v1/main/flows/team/two") as answer:
        assert answer.status == 200
    async with client.get(path) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        numbers = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if not line.startswith("#"))
    flow = 'tenant_id="main",namespace_id="team",flow_id="two"'
    assert numbers[f"kestra_executor_execution_started_count_total{{{flow}}}"] == "1"
    assert numbers[f'kestra_executor_execution_end_count_total{{{flow},state="FAILED"}}'] == "1"
    assert numbers[f'kestra_executor_taskrun_ended_count_total{{{flow},state="SUCCESS"}}'] == "1"
    log = 'task_type="io.kestra.plugin.core.log.Log"'
    assert numbers[f"kestra_worker_started_count_total{{{log}}}"] == "1"
    assert numbers[f'kestra_worker_ended_duration_seconds_count{{{log},state="SUCCESS"}}'] == "1"
    assert int(numbers["kestra_store_commit_duration_seconds_count"]) > 0
    assert numbers['kestra_queue_length{queue="worker"}'] == "0"
    seen = 'method="GET",uri="/api/v1/main/flows/{namespace}/{id}",status="200"'
    assert numbers[f"http_server_requests_seconds_count{{{seen}}}"] == "1"
    assert float(numbers["process_resident_memory_bytes"]) > 0


async def test_metrics_are_for_those_who_see_all_namespaces(client: aiohttp.ClientSession, engine: Engine) -> None:
    await engine.users.add("all@here", PASSWORD, {"": Role.VIEWER})
    await engine.users.add("one@here", PASSWORD, {"team": Role.ADMIN})
    for name, status in (("all@here", 200), ("one@here", 403)):
        async with client.get("/metrics", headers=basic(name, PASSWORD)) as answer:
            assert answer.status == status
    async with client.get("/metrics") as answer:
        assert answer.status == 401
    async with client.get("/health") as answer:
        assert (answer.status, await answer.json()) == (200, {"name": "tidegate", "status": "UP"})
