"""Executions over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from engine.api.server import serving
from engine.runtime.engine import Engine
from engine.settings import Server
from engine.store.rows import ExecutionFilter
from support.executing import EXECUTIONS, HELLO, WAITING, act, form_of, start


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    await engine.control.save_flow(HELLO)
    await engine.control.save_flow(WAITING)


async def test_an_execution_is_started_with_inputs_and_waited_for(client: ClientSession) -> None:
    status, shown = await start(client, query="?wait=true&labels=team:a&labels=env:b", n=2, file=b"content")
    assert status == 200
    assert shown["state"]["current"] == "SUCCESS"
    assert shown["outputs"] == {"said": 3}
    assert shown["inputs"]["file"].endswith("/inputs/file/file.txt")
    assert {"key": "env", "value": "b"} in shown["labels"]
    assert [(run["taskId"], run["state"]["current"]) for run in shown["taskRunList"]] == [
        ("say", "SUCCESS"),
        ("fail", "SKIPPED"),
    ]
    assert shown.pop("url").endswith(f"/ui/executions/company.team/hello/{shown['id']}")
    async with client.get(f"{EXECUTIONS}/{shown['id']}") as answer:
        assert await answer.json() == shown


async def test_no_body_means_the_defaults(client: ClientSession) -> None:
    status, shown = await start(client, query="?wait=true")
    assert (status, shown["outputs"]) == (200, {"said": 2})


async def test_a_file_of_the_server_is_not_an_input(client: ClientSession, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for path in (str(secret), secret.as_uri()):
        status, told = await start(client, file=path)
        assert status == 422
        assert "takes a file of internal storage" in told["message"]


@pytest.mark.parametrize(
    ("flow", "query", "inputs", "status", "said"),
    [
        ("hello", "", {"n": "x"}, 422, "Invalid value for input `n`"),
        ("nix", "", {}, 404, "Not Found: flow 'company.team.nix'"),
        ("hello", "?revision=7", {}, 404, "revision 7"),
        ("hello", "?revision=x", {}, 400, "revision"),
        ("hello", "?labels=a", {}, 422, "a label is key:value, not 'a'"),
        ("hello", "?labels=system.x:a", {}, 422, "System labels can only be set by Kestra itself"),
        ("hello", "?scheduleDate=2030-01-01T00:00:00", {}, 422, "must say its zone"),
    ],
)
async def test_what_can_not_be_started_says_why(
    client: ClientSession, flow: str, query: str, inputs: dict[str, str], status: int, said: str
) -> None:
    got, told = await start(client, flow, query, **inputs)
    assert got == status
    assert said in told["message"]


async def test_an_execution_for_later_waits_for_its_date(client: ClientSession) -> None:
    date = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    _, shown = await start(client, query=f"?scheduleDate={date}")
    assert shown["state"]["current"] == "CREATED"
    assert shown["scheduleDate"][:19] == date[:19]
    status, killed = await act(client, "DELETE", shown["id"], "kill")
    assert (status, killed["state"]["current"]) == (200, "KILLED")


async def test_a_paused_execution_is_resumed_with_inputs_and_killed(client: ClientSession, engine: Engine) -> None:
    _, shown = await start(client, "waiting")
    id = shown["id"]
    while shown["state"]["current"] != "PAUSED":
        async with client.get(f"{EXECUTIONS}/{id}") as answer:
            shown = await answer.json()
    status, told = await act(client, "POST", id, "resume")
    assert (status, told["errors"][0]["path"]) == (422, "who")
    form = FormData(default_to_multipart=True)
    form.add_field("who", "me")
    status, resumed = await act(client, "POST", id, "resume", data=form)
    assert status == 200
    assert resumed["taskRunList"][0]["outputs"]["onResume"] == {"who": "me"}
    status, _ = await act(client, "POST", id, "resume")
    assert status == 409
    await act(client, "DELETE", id, "kill")
    assert (await engine.control.wait(id)).state == "KILLED"
    status, _ = await act(client, "DELETE", id, "kill")
    assert status == 200
    status, told = await act(client, "DELETE", id, "kill?isOnKillCascade=false")
    assert status == 409
    assert "is already finished, can't kill it" in told["message"]


async def test_what_failed_is_restarted_and_replayed(client: ClientSession, engine: Engine) -> None:
    _, shown = await start(client, query="?wait=true", fails="true")
    assert shown["state"]["current"] == "FAILED"
    status, again = await act(client, "POST", shown["id"], "restart")
    assert (status, again["id"]) == (200, shown["id"])
    await engine.control.wait(shown["id"])
    status, other = await act(client, "POST", shown["id"], "replay")
    assert (status, other["parentId"]) == (200, shown["id"])
    status, told = await act(client, "POST", shown["id"], "replay?taskRunId=nix")
    assert (status, told["status"]) == (404, 404)


async def test_an_unknown_execution_is_told(client: ClientSession) -> None:
    async with client.get(f"{EXECUTIONS}/nix") as answer:
        assert answer.status == 404
        assert "execution 'nix' does not exist" in (await answer.json())["message"]


async def test_the_address_of_the_page_is_the_one_that_is_set(engine: Engine) -> None:
    options = Server(port=0, shutdown_seconds=1.0, url="https://tide.example.com/")
    async with serving(engine, options) as url, ClientSession(url) as client:
        _, shown = await start(client)
    assert shown["url"] == f"https://tide.example.com/ui/executions/company.team/hello/{shown['id']}"


async def test_inputs_and_checks_are_tried_without_starting_anything(client: ClientSession, engine: Engine) -> None:
    await engine.control.save_flow(
        HELLO.replace("id: hello", "id: checked")
        + """checks:
  - {condition: "{{ inputs.n > 1 }}", message: "n is {{ inputs.n }}", style: WARNING, behavior: BLOCK_EXECUTION}
"""
    )

    async def validate(**inputs: str) -> Any:
        url = f"{EXECUTIONS}/company.team/checked/validate"
        async with client.post(url, data=form_of(inputs)) as answer:
            assert answer.status == 200
            return await answer.json()

    found = await validate(n="1")
    assert (found["id"], found["namespace"]) == ("checked", "company.team")
    assert found["checks"] == [{"message": "n is 1", "style": "WARNING", "behavior": "BLOCK_EXECUTION"}]
    (n, _, fails) = found["inputs"]
    assert (n["input"]["type"], n["value"], n["isDefault"], n["enabled"], n["errors"]) == ("INT", 1, False, True, [])
    assert (fails["value"], fails["isDefault"]) == (False, True)
    assert (await validate(n="2"))["checks"] == []
    found = await validate(n="many")
    assert "Invalid value for input `n`" in found["inputs"][0]["errors"][0]["message"]
    assert found["checks"] == []
    assert await engine.store.executions.count(ExecutionFilter()) == 0


async def test_an_execution_with_many_task_runs_is_shown(client: ClientSession, engine: Engine) -> None:
    tasks = "".join(f"  - {{id: t{number}, type: core.debug.Return, format: x}}\n" for number in range(150))
    await engine.control.save_flow(f"id: many\nnamespace: company.team\ntasks:\n{tasks}")
    _, shown = await start(client, "many", "?wait=true")
    assert [run["taskId"] for run in shown["taskRunList"]] == [f"t{number}" for number in range(150)]
