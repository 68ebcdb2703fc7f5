"""Executions and logs as they go on, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import ClientSession

from engine.api.server import serving
from engine.runtime.engine import Engine, open_engine
from engine.settings import Server, Settings
from support.executing import EXECUTIONS, HELLO, WAITING, act, form_of, run, start, until

LOGS = "/api/v1/main/logs"
TALKS = """
id: talks
namespace: company.team
tasks:
  - {id: first, type: core.log.Log, message: [hello, "{{ flow.id }}"]}
  - {id: wait, type: core.flow.Pause}
  - {id: last, type: core.log.Log, message: bye, level: ERROR}
"""
SECONDS = 30


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    for source in (HELLO, WAITING, TALKS):
        await engine.control.save_flow(source)


@asynccontextmanager
async def followed(client: ClientSession, path: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of a stream: their kind and what they say."""
    async with client.get(path, headers={"Accept": "text/event-stream"}) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield events(answer)


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    kind = ""
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text.startswith("id: "):
            kind = text[4:]
        elif text.startswith("data: "):
            yield kind, json.loads(text[6:])


async def test_an_execution_that_has_ended_is_told_at_once(client: ClientSession) -> None:
    shown = await run(client)
    async with followed(client, f"{EXECUTIONS}/{shown['id']}/follow") as stream:
        told = [event async for event in stream]
    assert told[0] == ("start", {"id": shown["id"]})
    (kind, last) = told[1]
    assert (kind, last["state"]["current"], len(last["taskRunList"])) == ("end", "SUCCESS", 2)
    assert len(told) == 2


async def test_an_execution_is_followed_to_its_end(client: ClientSession, engine: Engine) -> None:
    _, shown = await start(client, "waiting")
    states = []
    with anyio.fail_after(SECONDS):
        async with followed(client, f"{EXECUTIONS}/{shown['id']}/follow") as stream:
            async for kind, data in stream:
                if kind == "start":
                    continue
                states.append(data["state"]["current"])
                if states[-1] == "PAUSED":
                    await act(client, "POST", shown["id"], "resume", data=form_of({"who": "me"}))
                if states[-1] == "RUNNING" and "PAUSED" in states and "KILLED" not in states:
                    await act(client, "DELETE", shown["id"], "kill")
    assert kind == "end"
    assert states[-1] == "KILLED"
    assert engine.following.open == 0


async def test_log_lines_are_followed_as_they_come(client: ClientSession) -> None:
    _, shown = await start(client, "talks")
    said = []
    with anyio.fail_after(SECONDS):
        async with followed(client, f"{LOGS}/{shown['id']}/follow?minLevel=INFO") as stream:
            async for kind, data in stream:
                if kind == "progress":
                    said.append((data["taskId"], data["message"], data["level"]))
                if len(said) == 2:
                    await until(client, shown["id"], "PAUSED")
                    await act(client, "POST", shown["id"], "resume")
    assert kind == "end"
    assert said == [("first", "hello", "INFO"), ("first", "talks", "INFO"), ("last", "bye", "ERROR")]
    async with followed(client, f"{LOGS}/{shown['id']}/follow?minLevel=WARN") as stream:
        assert [data["message"] async for kind, data in stream if kind == "progress"] == ["bye"]


async def test_nothing_is_kept_for_whoever_has_gone_away(client: ClientSession, engine: Engine) -> None:
    _, shown = await start(client, "waiting")
    await until(client, shown["id"], "PAUSED")
    with anyio.fail_after(SECONDS):
        async with followed(client, f"{EXECUTIONS}/{shown['id']}/follow") as stream:
            async for kind, _ in stream:
                if kind == "progress":
                    break
            assert engine.following.open == 1
        while engine.following.open:
            await anyio.sleep(0.01)


async def test_a_stream_in_which_nothing_happens_is_kept_open(
    client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.actions.following.TICK_SECONDS", 0.01)
    monkeypatch.setattr("engine.api.streams.HEARTBEAT_SECONDS", 0.02)
    _, shown = await start(client, "waiting")
    await until(client, shown["id"], "PAUSED")
    with anyio.fail_after(SECONDS):
        async with client.get(f"{EXECUTIONS}/{shown['id']}/follow") as answer:
            while not (await answer.content.readline()).startswith(b":"):
                pass


async def test_whoever_follows_does_not_keep_the_server_from_ending(engine: Engine) -> None:
    execution = await engine.control.create("company.team", "waiting")
    with anyio.fail_after(SECONDS):
        async with ClientSession() as client, AsyncExitStack() as stack:
            url = await stack.enter_async_context(serving(engine, Server(port=0, shutdown_seconds=120.0)))
            async with client.get(f"{url}{EXECUTIONS}/{execution.id}/follow") as answer:
                await answer.content.readline()
                await stack.aclose()
                assert engine.following.open == 0


async def test_a_stream_ends_with_the_execution_that_is_deleted(client: ClientSession, engine: Engine) -> None:
    _, shown = await start(client, "waiting")
    await until(client, shown["id"], "PAUSED")
    with anyio.fail_after(SECONDS):
        async with followed(client, f"{EXECUTIONS}/{shown['id']}/follow") as stream:
            async for kind, _ in stream:
                if kind == "progress":
                    await engine.store.executions.delete(shown["id"])


async def test_what_is_not_there_can_not_be_followed(client: ClientSession) -> None:
    for path in (f"{EXECUTIONS}/nix/follow", f"{LOGS}/nix/follow"):
        async with client.get(path) as answer:
            assert answer.status == 404


async def test_an_execution_of_another_process_is_followed(
    engine: Engine, client: ClientSession, tmp_path: Any
) -> None:

    async with open_engine(tmp_path / "data", Settings()) as other:
        execution = await other.control.create("company.team", "waiting")
        states = set()
        with anyio.fail_after(SECONDS):
            async with followed(client, f"{EXECUTIONS}/{execution.id}/follow") as stream:
                async for _, data in stream:
                    state = data.get("state", {}).get("current")
                    if state == "PAUSED" and state not in states:
                        await other.control.kill(execution.id)
                    states.add(state)
        assert "KILLED" in states
