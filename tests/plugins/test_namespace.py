"""Namespace files: tasks about them, functions and URIs that read them, scripts that get them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.plugin import Context
from engine.plugin.testing import run_task
from engine.runtime.engine import Engine, open_engine
from engine.runtime.keeping.namespaces import address_of
from engine.settings import Files, Namespaces, Settings
from engine.state.record import Record
from engine.state.status import Status
from plugins.core.namespace import Uploaded, UploadFiles
from support.running import messages, run, runs_of

SHELL = "type: scripts.shell.Commands, taskRunner: {type: core.runner.Process}"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings()) as opened:
        for namespace, path in (("shop", "/a/b/test1.txt"), ("shop", "/a/b/test2.txt"), ("attic", "/a/b/test1.txt")):
            await opened.namespaces.put(namespace, path, f"{namespace}{path}".encode())
        yield opened


def flow(*tasks: str) -> str:
    lines = ["id: files\nnamespace: shop\nvariables: {content: new}\ntasks:"]
    return "\n".join([*lines, *(f"  - {{id: t{number}, {task}}}" for number, task in enumerate(tasks))])


async def ran(engine: Engine, *tasks: str) -> Record:
    """The record of a flow that ends well."""
    record = await run(engine, flow(*tasks))
    assert record.execution.state is Status.SUCCESS, await messages(engine, record.execution.id)
    return record


async def failed(engine: Engine, *tasks: str) -> str:
    record = await run(engine, flow(*tasks))
    assert record.execution.state is Status.FAILED
    return runs_of(record, f"t{len(tasks) - 1}")[0].attempts[-1].error or ""


async def content(engine: Engine, uri: str) -> str:
    return b"".join([chunk async for chunk in engine.files.read(uri)]).decode()


async def metrics(engine: Engine, record: Record) -> list[tuple[str, float]]:
    await engine.logs.flushed()
    return [(metric.name, metric.value) for metric in await engine.store.logs.metrics(record.execution.id)]


def outputs(record: Record, task: str) -> dict[str, Any]:
    return runs_of(record, task)[0].outputs or {}


async def test_functions_read_files_of_namespaces(engine: Engine) -> None:
    record = await ran(
        engine,
        "type: core.debug.Return, format: \"{{ read('a/b/test1.txt') }} {{ read('/a/b/test1.txt', 'attic') }}\"",
        "type: core.debug.Return, format: \"{{ read('nsfile:///a/b/test2.txt') }}\"",
        "type: core.debug.Return, format: \"{{ read(fileURI('a/b/test2.txt')) }}\"",
        "type: core.debug.Return, format: \"{{ fileSize('nsfile://attic/a/b/test1.txt') }} "
        "{{ isFileEmpty('a/b/test1.txt') }} {{ fileExists('a/b/test3.txt') }}\"",
    )
    assert [outputs(record, f"t{number}")["value"] for number in range(4)] == [
        "shop/a/b/test1.txt attic/a/b/test1.txt",
        "shop/a/b/test2.txt",
        "shop/a/b/test2.txt",
        "19 false false",
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none.txt", "does not exist"),
        ("../../x/y", "must be like folder/file.txt, without '..'"),
        ("nsfile://../x", "is not a namespace"),
        ("nsfile:///../x", "must be like folder/file.txt, without '..'"),
        ("file:///etc/passwd", "only files of internal storage"),
        ("http://localhost/x", "only files of internal storage"),
    ],
)
async def test_what_can_not_be_read_is_named(engine: Engine, path: str, said: str) -> None:
    assert said in await failed(engine, f"type: core.debug.Return, format: \"{{{{ read('{path}') }}}}\"")


async def test_uploads_from_storage_and_decides_conflicts(engine: Engine) -> None:
    made = f"{SHELL}, commands: ['echo {{{{ vars.content }}}} > made.txt'], outputFiles: [made.txt]"
    upload = (
        "type: core.namespace.UploadFiles, destination: /folder, "
        "filesMap: {/path/file.txt: \"{{ outputs.t0.outputFiles['made.txt'] }}\"}"
    )
    record = await ran(engine, made, upload)
    uri = "kestra:///shop/_files/folder/path/file.txt"
    assert outputs(record, "t1") == {"files": {"/folder/path/file.txt": uri}}
    assert await content(engine, uri) == "new\n"
    await engine.namespaces.put("shop", "/folder/path/file.txt", b"old")
    assert outputs(await ran(engine, made, f"{upload}, conflict: SKIP"), "t1")["files"]["/folder/path/file.txt"] == uri
    assert await content(engine, uri) == "old"
    assert "has a file '/folder/path/file.txt' already" in await failed(engine, made, f"{upload}, conflict: ERROR")
    await ran(engine, made, upload)
    assert await content(engine, uri) == "new\n"


async def test_a_list_of_files_may_be_one_expression(engine: Engine) -> None:
    record = await ran(
        engine,
        f"{SHELL}, commands: ['echo 1 > a.csv; echo 2 > b.csv'], outputFiles: ['*.csv']",
        "type: core.namespace.UploadFiles, namespace: attic, filesMap: '{{ outputs.t0.outputFiles }}'",
    )
    assert sorted(outputs(record, "t1")["files"]) == ["/a.csv", "/b.csv"]
    assert sorted(await engine.namespaces.list("attic")) == ["/a.csv", "/a/b/test1.txt", "/b.csv"]
    assert "files or filesMap is required" in await failed(engine, "type: core.namespace.UploadFiles")


async def test_downloads_copies(engine: Engine) -> None:
    record = await ran(engine, "type: core.namespace.DownloadFiles, files: ['**test1.txt'], destination: /copies")
    [(path, uri)] = outputs(record, "t0")["files"].items()
    assert path == "/copies/a/b/test1.txt"
    await engine.namespaces.put("shop", "/a/b/test1.txt", b"changed")
    assert await content(engine, uri) == "shop/a/b/test1.txt"
    assert await metrics(engine, record) == [("downloaded", 1)]


async def test_deletes_files_that_match(engine: Engine) -> None:
    record = await ran(engine, "type: core.namespace.DeleteFiles, files: '**test1*', namespace: shop")
    assert sorted(await engine.namespaces.list("shop")) == ["/a/b/test2.txt"]
    assert sorted(await engine.namespaces.list("attic")) == ["/a/b/test1.txt"]
    assert await metrics(engine, record) == [("deleted", 1)]


async def test_input_files_and_commands_take_uris_of_namespace_files(engine: Engine) -> None:
    record = await ran(
        engine,
        f"{SHELL}, inputFiles: {{x.txt: 'nsfile:///a/b/test2.txt'}}, "
        "commands: ['cat x.txt; echo', 'cat nsfile://attic/a/b/test1.txt']",
    )
    assert await messages(engine, record.execution.id, "t0") == ["shop/a/b/test2.txt", "attic/a/b/test1.txt"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("{}", ["a/b/test1.txt", "a/b/test2.txt", "x"]),
        ("{enabled: false}", ["x"]),
        ("{include: [test1.txt]}", ["a/b/test1.txt", "x"]),
        ("{exclude: ['a/**/test1*']}", ["a/b/test2.txt", "x"]),
        ("{namespaces: [shop, attic], folderPerNamespace: true, include: [test1.txt]}",
         ["attic/a/b/test1.txt", "shop/a/b/test1.txt", "x"]),
    ],
)  # fmt: skip
async def test_scripts_get_the_files_they_ask_for(engine: Engine, options: str, found: list[str]) -> None:
    record = await ran(
        engine,
        f"{SHELL}, namespaceFiles: {options}, inputFiles: {{x: ''}}, "
        "commands: [\"find . -type f | sed 's|^./||' | sort\"]",
    )
    assert await messages(engine, record.execution.id, "t0") == found


@pytest.mark.parametrize(
    ("exists", "shown"),
    [("OVERWRITE", "attic"), ("IGNORE", "shop"), ("WARN", "shop")],
)
async def test_later_namespaces_win_unless_told_otherwise(engine: Engine, exists: str, shown: str) -> None:
    options = f"{{namespaces: ['{{{{ flow.namespace }}}}', attic], ifExists: {exists}}}"
    record = await ran(engine, f"{SHELL}, namespaceFiles: {options}, commands: ['cat a/b/test1.txt']")
    said = await messages(engine, record.execution.id, "t0")
    assert said[-1] == f"{shown}/a/b/test1.txt"
    assert (len(said) == 2) == (exists == "WARN")
    failing = options.replace(exists, "FAIL")
    assert "is there already" in await failed(engine, f"{SHELL}, namespaceFiles: {failing}, commands: ['true']")


async def test_a_file_input_may_be_a_namespace_file(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: input
namespace: shop
inputs: [{id: file, type: FILE}]
tasks: [{id: t, type: core.debug.Return, format: "{{ inputs.file }} {{ read(inputs.file) }}"}]
""",
        {"file": "nsfile:///a/b/test1.txt"},
    )
    assert outputs(record, "t") == {"value": "nsfile:///a/b/test1.txt shop/a/b/test1.txt"}


class UploadMade(UploadFiles):
    """Uploads what lies in its working directory."""

    async def run(self, ctx: Context) -> Uploaded:
        for name in ("application-test.yml", "deep/application.txt", "other.txt"):
            target = ctx.folder.resolve(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(name)
        return await super().run(ctx)


@pytest.mark.parametrize(
    ("files", "paths"),
    [
        (["glob:**application**"], ["/folder/application-test.yml", "/folder/deep/application.txt"]),
        ("*.txt", ["/folder/other.txt"]),
    ],
)
async def test_uploads_files_of_the_working_directory(files: Any, paths: list[str]) -> None:
    ran = await run_task(UploadMade, {"files": files, "destination": "/folder/", "conflict": "SKIP"})
    assert ran.state == "SUCCESS", ran.messages
    assert ran.outputs["files"] == {path: f"kestra:///testing/_files{path}" for path in paths}


async def test_allowed_files_of_the_machine_are_read_like_others(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "x.txt").write_text("local")
    uri = f"file://{tmp_path}/open/x.txt"
    script = f"{SHELL}, inputFiles: {{x.txt: '{uri}'}}, commands: ['cat x.txt']"
    template = f"type: core.debug.Return, format: \"{{{{ read('{uri}') }}}}\""
    files = Files(allowed=(str(tmp_path / "open"),))
    async with open_engine(tmp_path / "data", Settings(files=files)) as engine:
        record = await ran(engine, script, template)
        assert await messages(engine, record.execution.id, "t0") == ["local"]
        assert outputs(record, "t1") == {"value": "local"}
        said = await failed(engine, f"{SHELL}, inputFiles: {{x: 'file:///etc/hosts'}}, commands: ['cat x']")
        assert said == (
            "inputFiles.x: The path file:///etc/hosts is not authorized: only files below the folders of the setting "
            "files.allowed can be read"
        )
    async with open_engine(tmp_path / "data", Settings(files=Files(files.allowed, in_templates=False))) as engine:
        await ran(engine, script)
        assert "only files of internal storage" in await failed(engine, template)


async def test_older_contents_are_read_by_their_number(engine: Engine) -> None:
    for text in ("two", "three"):
        await engine.namespaces.put("shop", "/a/b/test1.txt", text.encode())
    record = await ran(
        engine,
        "type: core.debug.Return, format: \"{{ read('a/b/test1.txt') }} {{ read('a/b/test1.txt', version=3) }} "
        "{{ read('nsfile:///a/b/test1.txt', version=2) }} {{ read('/a/b/test1.txt', version=1) }}\"",
    )
    assert runs_of(record, "t0")[0].outputs == {"value": "three three two shop/a/b/test1.txt"}
    assert list(await engine.namespaces.list("shop")) == ["/a/b/test1.txt", "/a/b/test2.txt"]
    for path, said in (("a/b/test1.txt", "revision '4' does not exist"), ("kestra:///x/y.txt", "has no versions")):
        task = f"type: core.debug.Return, format: \"{{{{ read('{path}', version=4) }}}}\""
        assert said in await failed(engine, task)


async def test_a_deleted_file_leaves_no_older_contents(engine: Engine) -> None:
    await engine.namespaces.put("shop", "a/b/test1.txt", b"two")
    await engine.namespaces.delete("shop", "/a")
    await engine.namespaces.put("shop", "a/b/test1.txt", b"anew")
    (only,) = await engine.namespaces.revisions.all(address_of("shop", "a/b/test1.txt"))
    assert only.number == 1


async def test_how_many_older_contents_are_kept_is_a_setting(tmp_path: Path) -> None:
    for keep, numbers in ((0, [1]), (2, [5, 4, 3])):
        settings = Settings(namespaces=Namespaces(file_revisions=keep))
        async with open_engine(tmp_path / str(keep), settings) as engine:
            for number in range(5):
                await engine.namespaces.put("shop", "file.txt", str(number).encode())
            found = await engine.namespaces.revisions.all(address_of("shop", "file.txt"))
            assert [it.number for it in found] == numbers
            assert [await content(engine, it.address) for it in found] == ["4", "3", "2"][: len(numbers)]


@pytest.mark.parametrize(
    ("properties", "size", "left"),
    [
        ("namespaces: [shop]", 6, [[4], [4]]),
        (
            "namespaces: [shop], filePattern: '**/test1.txt', behavior: {type: version, keepAmount: 3}",
            1,
            [[4, 3, 2], [4, 3, 2, 1]],
        ),
        ("behavior: {type: version, before: 2000-01-01}", 0, [[4, 3, 2, 1], [4, 3, 2, 1]]),
        ("namespacePattern: 'at*'", 0, [[4, 3, 2, 1], [4, 3, 2, 1]]),
        ("namespacePattern: 'sh*', behavior: {type: version, before: '2999-01-01T00:00:00Z'}", 6, [[4], [4]]),
    ],
)
async def test_older_contents_are_purged(engine: Engine, properties: str, size: int, left: list[list[int]]) -> None:
    paths = ("a/b/test1.txt", "a/b/test2.txt")
    for path in paths:
        for number in range(3):
            await engine.namespaces.put("shop", path, str(number).encode())
    record = await ran(engine, f"type: core.namespace.PurgeFiles, {properties}")
    assert runs_of(record, "t0")[0].outputs == {"size": size}
    found = [await engine.namespaces.revisions.all(address_of("shop", path)) for path in paths]
    assert [[it.number for it in revisions] for revisions in found] == left


async def test_purge_takes_names_or_a_pattern(engine: Engine) -> None:
    said = await failed(engine, "type: core.namespace.PurgeFiles, namespaces: [a], namespacePattern: b")
    assert "either namespaces or namespacePattern" in said
