"""Cases of the tasks about files of a namespace and of internal storage, and of tasks made of templates."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conformance.bench import Bench
from conformance.bindings.several_tasks import (
    PLUGINS,
    content,
    error_of,
    last_execution,
    namespace,
    outputs_of,
    own_task,
    problems,
    run_tasks,
)
from conformance.flow_runner import run_flow
from engine.files.addresses import namespace_folder

LINES = "".join(f"{number:>20}\n" for number in range(1000))


def _write(id: str, text: str, extension: str = ".yml") -> dict[str, Any]:
    return {"id": id, "type": f"{PLUGINS}.storage.Write", "content": text, "extension": extension}


def _upload(files: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"id": "upload", "type": f"{PLUGINS}.namespace.UploadFiles", "filesMap": dict(files), **more}


async def _namespace_files(bench: Bench) -> list[str]:
    """Delete or copy one of two files."""
    held = bench.case["start"]["task"]["setup"]["namespace_files"]
    writes = [_write(f"write{number}", text) for number, text in enumerate(held.values())]
    uploads = _upload({path: f"{{{{ outputs.write{number}.uri }}}}" for number, path in enumerate(held)})
    left = {
        "id": "left",
        "type": f"{PLUGINS}.namespace.DownloadFiles",
        "files": ["/a/b/*"],
        "namespace": namespace(bench),
    }
    tasks = [*writes, uploads | {"namespace": namespace(bench)}, own_task(bench, namespace=namespace(bench)), left]
    runs = await run_tasks(bench, tasks)
    expect = bench.case["expect"]
    if "outputs" not in expect:
        return problems(len(outputs_of(runs["left"])["files"]), expect["files_left_in /a/b/"])
    files = outputs_of(runs["task"])["files"]
    return problems([list(files), await content(bench, next(iter(files.values())))], [["/a/b/test1.txt"], "1"])


async def _uploaded_twice(bench: Bench) -> list[str]:
    expect = bench.case["expect"]
    own = {"namespace": namespace(bench)}
    tasks = [
        _write("first", "the first content"),
        _write("second", "the new content"),
        own_task(bench, filesMap={"/path/file.txt": "{{ outputs.first.uri }}"}, **own),
        own_task(bench, filesMap={"/path/file.txt": "{{ outputs.second.uri }}"}, **own) | {"id": "again"},
        {"id": "left", "type": f"{PLUGINS}.namespace.DownloadFiles", "files": ["/folder/**"], **own},
    ]
    runs = await run_tasks(bench, tasks)
    found = problems(len(outputs_of(runs["task"])["files"]), expect.get("files", 1))
    if "second_run" in expect:
        return found + problems(runs["again"].state.value, "FAILED")
    files = outputs_of(runs["left"])["files"]
    texts = [await content(bench, uri) for uri in files.values()]
    return found + problems(texts, [expect["content_after_second_run"]])


async def _joined(bench: Bench) -> list[str]:
    found = []
    for files in (["{{ outputs.one.uri }}"] * 2, '["{{ outputs.one.uri }}", "{{ outputs.one.uri }}"]'):
        runs = await run_tasks(bench, [_write("one", "text"), own_task(bench, files=files)])
        uri = str(outputs_of(runs["task"]).get("uri"))
        found += problems([uri[-4:], await content(bench, uri)], [".yml", "text\ntext\n"])
    return found


async def _deleted(bench: Bench) -> list[str]:
    own = own_task(bench, uri="{{ outputs.one.uri }}")
    tasks = [_write("one", "text"), own, own | {"id": "again"}, own | {"id": "strict", "errorOnMissing": True}]
    runs = await run_tasks(bench, tasks)
    expect = bench.case["expect"]
    found = problems([outputs_of(runs[id]) for id in ("task", "again")], [expect["first_run"], expect["second_run"]])
    return found + problems(runs["strict"].state.value, "FAILED")


async def _filtered(bench: Bench) -> list[str]:
    """Items are lines of a file."""
    items = "".join(json.dumps(item) + "\n" for item in bench.case["start"]["task"]["properties"]["from"])
    tasks = [_write("items", items, ".ion"), own_task(bench, **{"from": "{{ outputs.items.uri }}"})]
    runs = await run_tasks(bench, tasks)
    expect = bench.case["expect"]
    if "outputs" not in expect:
        return problems(runs["task"].state.value, "FAILED")
    outputs = outputs_of(runs["task"])
    wanted = dict(expect["outputs"])
    read = {"id": "read", "type": f"{PLUGINS}.debug.Return", "format": "{{ fromIon(read(inputs.uri), true) | toJson }}"}
    shown = (await run_tasks(bench, [read], {"uri": outputs["uri"]}))["read"]
    return problems({**outputs, "items": json.loads(outputs_of(shown).get("value") or "[]")}, wanted)


async def _local_files(bench: Bench) -> list[str]:
    inputs = {**bench.case["start"]["task"]["properties"]["inputs"]}
    inputs["test/sub/dir/2/execution.txt"] = "{{ vars.toto }}"
    inputs["test/sub/dir/3/application-test.yml"] = "{{ outputs.one.uri }}"
    runs = await run_tasks(bench, [_write("one", "stored"), own_task(bench, inputs=inputs)], variables={"toto": "tata"})
    uris = outputs_of(runs["task"]).get("uris", {})
    texts = {name: await content(bench, uri) for name, uri in uris.items()}
    return problems([texts, len(texts)], [dict(zip(inputs, ("Hello Input", "tata", "stored"), strict=True)), 3])


async def _purged(bench: Bench) -> list[str]:
    runs = await run_tasks(bench, [_write("one", "text"), own_task(bench)])
    return problems(len(outputs_of(runs["task"]).get("uris", ())), bench.case["expect"]["outputs"]["uris_size"])


async def _size(bench: Bench) -> list[str]:
    runs = await run_tasks(bench, [_write("one", "x" * 42), own_task(bench, uri="{{ outputs.one.uri }}")])
    return problems(outputs_of(runs["task"]), bench.case["expect"]["outputs"])


async def _split(bench: Bench) -> list[str]:
    runs = await run_tasks(bench, [_write("one", LINES), own_task(bench, **{"from": "{{ outputs.one.uri }}"})])
    uris = outputs_of(runs["task"]).get("uris", [])
    texts = [await content(bench, uri) for uri in uris]
    expect = bench.case["expect"]["outputs"]
    found = problems([len(uris), sum(text.count("\n") for text in texts)], [expect["uris_size"], 1000])
    found += problems(sorted("".join(texts).splitlines()), LINES.splitlines())
    return found + problems(all(uri.endswith(".yml") for uri in uris), True)


async def _templated(bench: Bench) -> list[str]:
    task = bench.case["start"]["task"]
    spec = task["properties"]["spec"].replace("{{ type }}", "{{ vars.type }}").replace(f"{PLUGINS}.flow.Pause", BLOCK)
    runs = await run_tasks(bench, [own_task(bench, spec=spec)], variables={"type": f"{PLUGINS}.debug.Return"})
    expect = bench.case["expect"]
    if "error_is" in expect:
        return problems(error_of(runs["task"]), expect["error_is"])
    return problems(outputs_of(runs["task"]), expect["outputs"])


BLOCK = f"{PLUGINS}.flow.Sequential"
"""Stands for the blocks: which one a template names does not matter."""


async def _asserted(bench: Bench) -> list[str]:
    expect = bench.case["expect"]
    metrics = expect["metrics"]
    conditions = ["{{ 1 < 2 }}"] * metrics["success"] + ["{{ 1 > 2 }}"] * metrics["failed"]
    run = (await run_tasks(bench, [own_task(bench, conditions=conditions)]))["task"]
    await bench.engine.logs.flushed()
    measured = await bench.engine.store.logs.metrics(last_execution(bench), task_run=run.id)
    found = problems({metric.name: metric.value for metric in measured}, metrics)
    if "error_is" in expect:
        lines = [line.message for line in await bench.lines(last_execution(bench))]
        found += problems(error_of(run), expect["error_is"])
        found += problems(sum("1 > 2" in line for line in lines), metrics["failed"])
    return found


async def _state_missing(bench: Bench) -> list[str]:
    properties = {"name": "nothing", "errorOnMissing": True}
    found = []
    for name in ("Delete", "Get"):
        runs = await run_tasks(bench, [{"id": "task", "type": f"{PLUGINS}.state.{name}", **properties}])
        found += problems(runs["task"].state.value, "FAILED")
    return found


async def _file_of_namespace(bench: Bench) -> list[str]:
    """An input that names a file which is there already."""
    await bench.engine.files.put(f"{namespace_folder('io.kestra.tests')}/file.txt", b"a file of the namespace")
    return await run_flow(bench)


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "inputs-new-file-nsfile": _file_of_namespace,
    "task-namespace-delete-files": _namespace_files,
    "task-namespace-download-files": _namespace_files,
    "task-namespace-upload-conflict-error": _uploaded_twice,
    "task-namespace-upload-conflict-overwrite": _uploaded_twice,
    "task-namespace-upload-conflict-skip": _uploaded_twice,
    "task-storage-concat": _joined,
    "task-storage-delete": _deleted,
    "task-storage-filter-error-fail": _filtered,
    "task-storage-filter-error-exclude": _filtered,
    "task-storage-filter-non-boolean-is-truthy": _filtered,
    "task-storage-local-files-recursive": _local_files,
    "task-storage-purge-current-execution": _purged,
    "task-storage-size": _size,
    "task-storage-split-partitions": _split,
    "task-storage-split-rows": _split,
    "task-templated": _templated,
    "task-templated-flowable": _templated,
    "assert-all-true": _asserted,
    "assert-two-of-five-false": _asserted,
    "task-state-error-on-missing": _state_missing,
}
