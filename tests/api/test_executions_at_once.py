"""Executions found by filters, and what is done to many of them at once."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from engine.runtime.engine import Engine
from engine.state.user import Role
from support.executing import HELLO, WAITING, ask, ids_of, labels_of, run, start, until
from support.signing_in import PASSWORD, ROOT, basic

OTHER = HELLO.replace("company.team", "company.other")


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    for source in (HELLO, OTHER, WAITING):
        await engine.control.save_flow(source)


async def found(client: ClientSession, query: str, **more: Any) -> Any:
    status, page = await ask(client, "GET", f"/search?{query}", **more)
    assert status == 200, page
    return page


async def several(client: ClientSession) -> list[str]:
    """Ids of executions: one that failed, one that did well, one with another label."""
    shown = [await run(client, fails="true"), await run(client)]
    _, labelled = await start(client, query="?wait=true&labels=env:prod")
    return [it["id"] for it in (*shown, labelled)]


async def test_executions_are_found_by_filters(client: ClientSession) -> None:
    failed, good, labelled = await several(client)
    page = await found(client, "")
    assert (ids_of(page), page["total"]) == ([labelled, good, failed], 3)
    assert "exact" not in page
    assert "taskRunList" not in page["results"][0]
    assert ids_of(await found(client, "filters[state][EQUALS]=FAILED")) == [failed]
    assert ids_of(await found(client, "filters[labels][EQUALS][env]=prod")) == [labelled]
    assert ids_of(await found(client, "labels=env:prod&namespace=company")) == [labelled]
    assert ids_of(await found(client, "filters[labels][NOT_EQUALS][env]=prod&sort=id:asc")) == sorted([failed, good])
    assert ids_of(await found(client, f"q={good[:10]}")) == [good]
    assert ids_of(await found(client, "filters[namespace][PREFIX]=nix")) == []
    assert ids_of(await found(client, "sort=state.startDate:asc&size=2")) == [failed, good]
    page = await found(client, "sort=state.startDate:asc&size=2&page=2")
    assert (ids_of(page), page["total"]) == ([labelled], 3)
    assert (await found(client, "page=7"))["results"] == []
    any_of = "filters[or][0][state][EQUALS]=FAILED&filters[or][1][labels][EQUALS][env]=prod"
    assert ids_of(await found(client, any_of)) == [labelled, failed]


async def test_executions_of_a_flow_are_listed(client: ClientSession) -> None:
    shown = await run(client)
    status, page = await ask(client, "GET", "?namespace=company.team&flowId=hello")
    assert (status, ids_of(page)) == (200, [shown["id"]])
    status, page = await ask(client, "GET", "?namespace=company.team&flowId=waiting")
    assert (status, page["total"]) == (200, 0)
    status, told = await ask(client, "GET", "?namespace=company.team")
    assert (status, "flowId" in told["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("filters[nix][EQUALS]=a", 400, "Invalid query filters: an execution can't be filtered by 'nix'"),
        ("state=GOOD", 422, "can't be a value of 'state'"),
        ("size=1001", 422, "size must be"),
        ("page=0", 422, "page must be"),
        ("page=x", 400, "page"),
        ("sort=id", 422, "Invalid sort parameter"),
        ("sort=nix:asc", 422, "Invalid sort parameter"),
        ("timeRange=PT1H&startDate=2026-01-01T00:00:00Z", 422, "mutually exclusive"),
    ],
)
async def test_what_is_no_search_says_why(client: ClientSession, query: str, status: int, said: str) -> None:
    got, told = await ask(client, "GET", f"/search?{query}")
    assert (got, said in told["message"]) == (status, True)


async def test_a_list_holds_what_the_user_may_see(client: ClientSession, engine: Engine) -> None:
    own = await run(client)
    status, other = await ask(client, "POST", "/company.other/hello?wait=true")
    assert status == 200
    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("operator", PASSWORD, {"company.team": Role.OPERATOR})
    operator = basic("operator")
    assert ids_of(await found(client, "", headers=operator)) == [own["id"]]
    status, _ = await ask(client, "GET", f"/{other['id']}", headers=operator)
    assert status == 403
    status, _ = await ask(client, "DELETE", "/by-ids", json=[own["id"], other["id"]], headers=operator)
    assert status == 403
    status, done = await ask(client, "DELETE", "/by-query?flowId=hello", headers=operator)
    assert (status, done["count"]) == (200, 1)
    assert await engine.control.exists(other["id"])


async def test_an_execution_is_deleted(client: ClientSession, engine: Engine) -> None:
    shown = await run(client, file=b"content")
    status, _ = await ask(client, "DELETE", f"/{shown['id']}?deleteStorage=false")
    assert status == 204
    assert await engine.files.stat(shown["inputs"]["file"])
    status, _ = await ask(client, "DELETE", f"/{shown['id']}")
    assert status == 404
    _, waiting = await start(client, "waiting")
    status, told = await ask(client, "DELETE", f"/{waiting['id']}")
    assert (status, "kill it first" in told["detail"]) == (409, True)


async def test_named_executions_are_acted_on_all_or_none(client: ClientSession) -> None:
    failed, good, _ = await several(client)
    _, waiting = await start(client, "waiting")
    await until(client, waiting["id"], "PAUSED")
    change = "/change-status/by-ids?newStatus=WARNING"
    status, told = await ask(client, "POST", change, json=[good, "nix", waiting["id"]])
    assert (status, told["message"]) == (400, "invalid bulk change-status")
    assert {it["invalidValue"] for it in told["invalids"]} == {"nix", waiting["id"]}
    assert "execution not found" in {it["message"] for it in told["invalids"]}
    assert ids_of(await found(client, "state=WARNING")) == []
    status, done = await ask(client, "POST", change, json=[good, failed])
    assert (status, done["count"], done["totalItems"]) == (200, 2, 2)
    assert set(ids_of(await found(client, "state=WARNING"))) == {good, failed}


async def test_selected_executions_are_acted_on_where_they_fit(client: ClientSession, engine: Engine) -> None:
    failed, _, labelled = await several(client)
    _, waiting = await start(client, "waiting")
    await until(client, waiting["id"], "PAUSED")
    everywhere = "filters[namespace][EQUALS]=company.team"
    status, done = await ask(client, "POST", f"/labels/by-query?{everywhere}", json=[{"key": "seen", "value": "yes"}])
    assert (status, done["count"]) == (200, 3)
    _, shown = await ask(client, "GET", f"/{labelled}")
    assert labels_of(shown) == {"team": "a", "env": "prod", "seen": "yes"}
    status, done = await ask(client, "POST", f"/restart/by-query?{everywhere}")
    assert (status, done["count"]) == (200, 1)
    await engine.control.wait(failed)
    status, done = await ask(client, "POST", "/replay/by-query?labels=env:prod")
    assert (status, done["count"]) == (200, 1)
    (replayed,) = done["executionIds"]
    await engine.control.wait(replayed)
    status, done = await ask(client, "DELETE", f"/kill/by-query?{everywhere}")
    assert (status, done["count"]) == (200, 1)
    await until(client, waiting["id"], "KILLED")
    status, done = await ask(client, "DELETE", f"/by-query?{everywhere}")
    assert (status, done["count"]) == (200, 5)
    status, done = await ask(client, "DELETE", f"/by-query?{everywhere}")
    assert (status, done["count"]) == (200, 0)


async def test_labels_that_nobody_may_give_are_refused(client: ClientSession) -> None:
    shown = await run(client)
    label = {"key": "system.x", "value": "1"}
    body = {"executionsId": [shown["id"]], "executionLabels": [label]}
    for path, given in (("by-ids", body), ("by-query?flowId=hello", [label])):
        status, told = await ask(client, "POST", f"/labels/{path}", json=given)
        assert (status, "System labels can only be set by Kestra itself" in told["message"]) == (422, True)


async def test_why_something_was_not_done_is_told(client: ClientSession) -> None:
    shown = await run(client)
    status, done = await ask(client, "POST", "/restart/by-query?flowId=hello&state=SUCCESS")
    assert (status, done["count"]) == (200, 0)
    assert done["refused"] == {shown["id"]: "No task found to restart execution from!"}


async def test_paused_executions_are_resumed_or_forced_together(client: ClientSession, engine: Engine) -> None:
    await engine.control.save_flow(WAITING.replace(", onResume: [{id: who, type: STRING}]", ""))
    ids = [(await start(client, "waiting"))[1]["id"] for _ in range(4)]
    for id in ids:
        await until(client, id, "PAUSED")
    status, done = await ask(client, "POST", "/resume/by-ids", json=ids[:2])
    assert (status, done["count"]) == (200, 2)
    status, _ = await ask(client, "POST", "/resume/by-ids", json=ids[:2])
    assert status == 400
    status, done = await ask(client, "POST", "/force-run/by-ids", json=ids[2:3])
    assert (status, done["count"]) == (200, 1)
    for id in ids[:3]:
        await until(client, id, "RUNNING")
    status, done = await ask(client, "POST", "/pause/by-ids", json=ids[:1])
    assert (status, done["count"]) == (200, 1)
    status, done = await ask(client, "POST", "/unqueue/by-query?newState=RUNNING&flowId=waiting")
    assert (status, done["count"]) == (200, 0)


@pytest.mark.parametrize("path", ["", "/kill"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "that would be everything there is"),
        ("?q=", "that would be everything there is"),
        ("?namespaces=company", "'namespaces' is not a supported query parameter on this endpoint"),
        ("?filter[namespace][EQUALS]=company", "is not a supported query parameter"),
    ],
)
async def test_everything_is_never_meant_by_mistake(client: ClientSession, path: str, query: str, said: str) -> None:
    await run(client)
    status, told = await ask(client, "DELETE", f"{path}/by-query{query}")
    assert (status, said in told["message"]) == (400, True)
    assert (await found(client, ""))["total"] == 1
