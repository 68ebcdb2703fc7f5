"""Files of executions over the API."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from engine.files.addresses import namespace_folder
from engine.runtime.engine import Engine
from engine.state.user import Role
from support.executing import HELLO, ask, run
from support.signing_in import PASSWORD, ROOT, basic

TABLE = """
id: table
namespace: company.team
tasks:
  - {id: csv, type: core.storage.Write, content: "a,b\\n1,x\\n2,y\\n", extension: .csv}
  - {id: text, type: core.storage.Write, content: "# head\\nline\\n", extension: .md}
"""


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    for source in (HELLO, TABLE, HELLO.replace("company.team", "company.other")):
        await engine.control.save_flow(source)


async def content(client: ClientSession, id: str, uri: str, **headers: str) -> tuple[int, bytes, Any]:
    async with client.get(f"/api/v1/main/executions/{id}/file", params={"path": uri}, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_a_file_is_downloaded_whole_or_in_part(client: ClientSession) -> None:
    shown = await run(client, file=b"0123456789")
    id, uri = shown["id"], shown["inputs"]["file"]
    status, body, headers = await content(client, id, uri)
    assert (status, body, headers["Content-Length"]) == (200, b"0123456789", "10")
    assert headers["Content-Type"] == "application/octet-stream"
    assert "file.txt" in headers["Content-Disposition"]
    for asked, part, told in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ):
        status, body, headers = await content(client, id, uri, Range=asked)
        assert (status, body, headers["Content-Range"]) == (206, part, told)
    status, _, headers = await content(client, id, uri, Range="bytes=10-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    status, body, _ = await content(client, id, uri, Range="lines=1")
    assert (status, body) == (200, b"0123456789")
    status, told = await ask(client, "GET", f"/{id}/file/metas", params={"path": uri})
    assert (status, told) == (200, {"size": 10})


async def test_what_is_no_file_of_the_execution_is_refused(client: ClientSession, engine: Engine) -> None:
    shown = await run(client, file=b"content")
    uri = shown["inputs"]["file"]
    for wrong in (
        "/etc/passwd",
        "kestra:///",
        f"{uri}/../../../x",
        "kestra:///company/team/../../x",
        "file:///etc/passwd",
    ):
        status, _, _ = await content(client, shown["id"], wrong)
        assert status == 422, wrong
    status, _, _ = await content(client, shown["id"], f"{uri}.nix")
    assert status == 404
    status, _, _ = await content(client, shown["id"], "kestra:///company/team/other/state/x")
    assert status == 422
    status, _, _ = await content(client, "nix", uri)
    assert status == 404
    await engine.files.put(f"{namespace_folder('company.other')}/x.txt", b"theirs")
    status, _, _ = await content(client, shown["id"], f"{namespace_folder('company.other')}/x.txt")
    assert status == 422


async def test_a_file_of_another_execution_is_found_with_that_one(client: ClientSession, engine: Engine) -> None:
    one, other = await run(client, file=b"one"), await run(client, file=b"other")
    status, body, _ = await content(client, one["id"], other["inputs"]["file"])
    assert (status, body) == (200, b"other")
    status, body, _ = await content(client, one["id"], one["inputs"]["file"].replace(one["id"], "nix"))
    assert (status, b"execution id 'nix'" in body) == (404, True)
    await engine.files.put(f"{namespace_folder('company.team')}/x.txt", b"shared")
    status, body, _ = await content(client, one["id"], f"{namespace_folder('company.team')}/x.txt")
    assert (status, body) == (200, b"shared")


async def test_files_of_a_namespace_are_for_those_who_may_look(client: ClientSession, engine: Engine) -> None:
    one = await run(client, file=b"one")
    async with client.post("/api/v1/main/executions/company.other/hello?wait=true") as answer:
        other = await answer.json()
    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("other", PASSWORD, {"company.other": Role.OPERATOR})
    headers = basic("other")
    for id in (one["id"], other["id"]):
        status, _, _ = await content(client, id, one["inputs"]["file"], **headers)
        assert status == 403
    form = {"file": one["inputs"]["file"]}
    start = "/company.other/hello"
    status, told = await ask(client, "POST", start, data=form, headers=headers)
    assert (status, "may not look at the file" in told["detail"]) == (403, True)


async def test_the_beginning_of_a_file_is_shown(client: ClientSession) -> None:
    shown = await run(client, "table")
    csv, text = (task["outputs"]["uri"] for task in shown["taskRunList"])

    async def preview(uri: str, **more: Any) -> Any:
        return await ask(client, "GET", f"/{shown['id']}/file/preview", params={"path": uri, **more})

    status, found = await preview(csv, maxRows=1)
    assert (status, found["type"], found["content"]) == (200, "LIST", [{"a": "1", "b": "x"}])
    assert (found["extension"], found["maxLine"], found["truncated"]) == ("csv", 1, True)
    _, found = await preview(text)
    assert (found["type"], found["content"], found["truncated"]) == ("MARKDOWN", "# head\nline", False)
    status, told = await preview(text, encoding="foo")
    assert (status, "using encoding 'foo'" in told["message"]) == (422, True)
    status, _ = await preview(text, maxRows=5001)
    assert status == 422


async def test_other_encodings_and_pictures_are_shown(client: ClientSession) -> None:
    shown = await run(client, file="Düsseldorf".encode("iso-8859-1"))
    query = {"path": shown["inputs"]["file"], "encoding": "ISO-8859-1"}
    _, found = await ask(client, "GET", f"/{shown['id']}/file/preview", params=query)
    assert (found["type"], found["content"]) == ("TEXT", "Düsseldorf")
