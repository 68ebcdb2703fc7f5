"""Files of namespaces over the API."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from engine.api.server import serving
from engine.runtime.engine import Engine
from engine.settings import Server

FILES = "/api/v1/main/namespaces/company.team/files"
FLOW = "id: hello\nnamespace: elsewhere  # kept\ntasks:\n  - {id: say, type: core.log.Log, message: hi}\n"


async def upload(client: ClientSession, path: str, content: bytes) -> tuple[int, str]:
    form = FormData()
    form.add_field("fileContent", content, filename="file")
    async with client.post(FILES, params={"path": path}, data=form) as answer:
        return answer.status, await answer.text()


async def get(client: ClientSession, below: str = "", **params: str) -> tuple[int, Any]:
    async with client.get(f"{FILES}{below}", params=params) as answer:
        return answer.status, await (answer.json() if answer.content_type == "application/json" else answer.read())


async def names(client: ClientSession, path: str = "/") -> list[str]:
    status, items = await get(client, "/directory", path=path)
    assert status == 200, items
    return [item["fileName"] for item in items]


def archive(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return target.getvalue()


async def test_a_file_is_stored_read_and_replaced(client: ClientSession) -> None:
    assert (await upload(client, "/scripts/a.py", b"print(1)"))[0] == 200
    await upload(client, "/scripts/a.py", b"print(2)")
    assert await get(client, path="/scripts/a.py") == (200, b"print(2)")
    assert await get(client, path="scripts/a.py", revision="1") == (200, b"print(1)")
    _, revisions = await get(client, "/revisions", path="/scripts/a.py")
    assert [revision["revision"] for revision in revisions] == [1, 2]
    async with client.get(FILES, params={"path": "/scripts/a.py"}) as answer:
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a.py"
    assert (await get(client, path="/scripts/none.py"))[0] == 404


async def test_folders_are_listed_made_and_described(client: ClientSession) -> None:
    _, root = await get(client, "/stats")
    assert (root["fileName"], root["type"]) == ("_files", "Directory")
    assert await names(client) == []
    for path in ("/b.txt", "/test/one.txt", "/test/sub/two.txt"):
        await upload(client, path, b"12345")
    assert await names(client) == ["test", "b.txt"]
    assert await names(client, "/test") == ["sub", "one.txt"]
    _, item = await get(client, "/stats", path="/test/one.txt")
    assert (item["fileName"], item["type"], item["size"]) == ("one.txt", "File", 5)
    async with client.post(f"{FILES}/directory", params={"path": "/empty"}) as answer:
        assert answer.status == 200
    assert await names(client) == ["empty", "test", "b.txt"]
    assert await names(client, "/empty") == []
    assert await get(client, "/search", q="t") == (200, ["/b.txt", "/test/one.txt", "/test/sub/two.txt"])
    assert (await get(client, "/directory", path="/none"))[0] == 404


async def test_files_and_folders_are_moved_with_their_past_and_deleted(client: ClientSession) -> None:
    await upload(client, "/old/a.txt", b"1")
    await upload(client, "/old/a.txt", b"2")
    await upload(client, "/other.txt", b"3")
    async with client.put(FILES, params={"from": "/old", "to": "/new/place"}) as answer:
        assert answer.status == 204
    assert await get(client, path="/new/place/a.txt") == (200, b"2")
    assert await get(client, path="/new/place/a.txt", revision="1") == (200, b"1")
    assert await names(client) == ["new", "other.txt"]
    for source, target, status in (("/none", "/x", 404), ("/new", "/other.txt", 409), ("/new", "/new/x", 422)):
        async with client.put(FILES, params={"from": source, "to": target}) as answer:
            assert answer.status == status
    async with client.delete(FILES, params={"path": "/new"}) as answer:
        assert answer.status == 204
    assert await names(client) == ["other.txt"]
    for path, status in (("/new", 404), ("/", 422)):
        async with client.delete(FILES, params={"path": path}) as answer:
            assert answer.status == status


async def test_an_archive_is_unpacked_and_its_flows_become_those_of_the_namespace(
    engine: Engine, client: ClientSession
) -> None:
    content = archive({"a.txt": b"a", "folder/b.txt": b"b", "_flows/hello.yml": FLOW.encode()})
    assert (await upload(client, "/files.zip", content))[0] == 200
    assert await get(client, "/search") == (200, ["/a.txt", "/folder/b.txt"])
    flow = await engine.store.flows.get("company.team", "hello")
    assert flow.source == FLOW.replace("elsewhere", "company.team")
    status, exported = await get(client, "/export")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(exported)) as opened:
        assert sorted(opened.namelist()) == ["_flows/hello.yml", "a.txt", "folder/b.txt"]
        assert opened.read("folder/b.txt") == b"b"


async def test_an_archive_that_leads_outside_stores_nothing(client: ClientSession) -> None:
    status, told = await upload(client, "/x.zip", archive({"a.txt": b"a", "../b.txt": b"b"}))
    assert status == 422
    assert "without '..'" in told
    status, told = await upload(client, "/x.zip", b"no archive")
    assert (status, "no zip archive" in told) == (422, True)
    assert await names(client) == []


@pytest.mark.parametrize("path", ["/../x", "a/../../x", "/a\\..\\x", "/a\0b", "/" + "x" * 300])
async def test_no_path_leaves_the_folder(client: ClientSession, path: str) -> None:
    assert (await upload(client, path, b"x"))[0] == 422
    assert (await get(client, path=path))[0] == 422
    for method, params in (("DELETE", {"path": path}), ("PUT", {"from": path, "to": "/b"})):
        async with client.request(method, FILES, params=params) as answer:
            assert answer.status in (404, 422)


async def test_where_the_flows_would_be_is_no_place_for_files(client: ClientSession) -> None:
    path = "/_flows/test.yml"
    for method, below, params in (
        ("GET", "", {"path": path}),
        ("GET", "/stats", {"path": path}),
        ("GET", "/directory", {"path": "/_flows"}),
        ("PUT", "", {"from": path, "to": "/foo"}),
        ("PUT", "", {"from": "/foo", "to": path}),
        ("DELETE", "", {"path": path}),
    ):
        async with client.request(method, f"{FILES}{below}", params=params) as answer:
            assert answer.status == 422
            assert (await answer.json())["message"].startswith("Illegal argument: Forbidden path: ")


async def test_a_form_that_can_not_be_read_is_told(client: ClientSession) -> None:
    for body in (b'--x\r\nContent-Disposition: form-data; name="\x01"\r\n\r\n1\r\n--x--\r\n', b"--y\r\n", b"--x\r\n"):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        async with client.post(FILES, params={"path": "/a"}, data=body, headers=headers) as answer:
            assert (answer.status, "form" in await answer.text()) == (422, True)


async def test_a_form_without_the_file_is_told(client: ClientSession) -> None:
    async with client.post(FILES, params={"path": "/a"}, data=b"bare") as answer:
        assert (answer.status, "form" in await answer.text()) == (422, True)


async def test_a_form_that_is_too_large_is_not_read_to_its_end(engine: Engine) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="fileContent"; filename="a"\r\n\r\n'
        for _ in range(10_000):
            yield b"x" * 10_000

    options = Server(port=0, shutdown_seconds=1.0, body_bytes=1_000_000)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with (
        serving(engine, options) as url,
        ClientSession(url) as client,
        client.post(FILES, params={"path": "/a"}, data=endless(), headers=headers) as answer,
    ):
        assert answer.status == 413
    assert await engine.namespaces.list("company.team") == {}
