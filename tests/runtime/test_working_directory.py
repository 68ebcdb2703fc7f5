"""WorkingDirectory through the real engine: one folder, one attempt, several tasks."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.errors import InvalidFlow
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.record import Record
from engine.state.status import Status
from support.running import end, messages, run, runs_of, start, states, until

SHELL = "type: io.kestra.plugin.scripts.shell.Commands, taskRunner: {type: core.runner.Process}"


def flow(*tasks: str, more: str = "", after: str = "") -> str:
    lines = "".join(f"      - {task}\n" for task in tasks)
    return f"""
id: folder
namespace: test
tasks:
  - id: dir
    type: io.kestra.plugin.core.flow.WorkingDirectory
    tasks:
{lines}{more}
{after}
"""


def shell(id: str, command: str, more: str = "") -> str:
    return f"{{id: {id}, {SHELL}, commands: ['{command}']{more}}}"


def attempts(record: Record, task: str) -> list[Status]:
    return [attempt.state for attempt in runs_of(record, task)[0].attempts]


def outputs(record: Record, path: str) -> dict[str, object]:
    return record.runs[path].outputs or {}


async def test_tasks_share_files_and_see_each_others_outputs(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            shell("write", "echo -n hello > a.txt"),
            "{id: say, type: core.debug.Return, format: 'it was {{ outputs.write.exitCode }}'}",
            shell("read", "cat a.txt > b.txt", ", outputFiles: ['*.txt']"),
            more='    outputFiles: ["b.*"]',
            after="  - {id: after, type: core.debug.Return, format: \"{{ read(outputs.dir.outputFiles['b.txt']) }}\"}",
        ),
    )
    assert states(record) == dict.fromkeys(["dir", "dir/write", "dir/say", "dir/read", "after"], "SUCCESS")
    assert outputs(record, "dir/say") == {"value": "it was 0"}
    assert set(outputs(record, "dir/read")["outputFiles"]) == {"a.txt", "b.txt"}  # type: ignore[call-overload]
    assert outputs(record, "after") == {"value": "hello"}
    assert [change.state for change in record.runs["dir/write"].history] == ["CREATED", "RUNNING", "SUCCESS"]
    assert attempts(record, "dir") == attempts(record, "write") == ["SUCCESS"]


async def test_the_first_failure_stops_the_rest(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "{id: soft, type: core.execution.Fail, allowFailure: true}",
            "{id: hard, type: core.execution.Fail, errorMessage: oh no}",
            "{id: never, type: core.debug.Return}",
            more="""
    errors: [{id: repair, type: core.debug.Return, format: "{{ tasks.hard.state }}"}]
    finally: [{id: clear, type: core.debug.Return}]
""",
        ),
    )
    assert states(record) == {
        "dir": "FAILED",
        "dir/soft": "WARNING",
        "dir/hard": "FAILED",
        "dir/repair": "SUCCESS",
        "dir/clear": "SUCCESS",
    }
    assert outputs(record, "dir/repair") == {"value": "FAILED"}
    assert "oh no" in await messages(engine, record.execution.id, "hard")
    assert await messages(engine, record.execution.id, "dir") == ["The task 'hard' failed"]


async def test_each_task_has_its_own_run_if_timeout_and_retry(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "{id: skipped, type: core.debug.Return, runIf: '{{ 1 == 2 }}'}",
            "{id: odd, type: core.debug.Return, runIf: '{{ nothing.there }}', allowFailure: true}",
            shell(
                "again",
                "test -f mark || { touch mark; exit 3; }",
                ", retry: {type: constant, interval: PT0.01S, maxAttempts: 3, warningOnRetry: true}",
            ),
            shell("slow", "sleep 60", ", timeout: PT0.2S, allowFailure: true"),
            "{id: last, type: core.debug.Return}",
        ),
    )
    assert states(record) == {
        "dir": "WARNING",
        "dir/skipped": "SKIPPED",
        "dir/odd": "WARNING",
        "dir/again": "WARNING",
        "dir/slow": "WARNING",
        "dir/last": "SUCCESS",
    }
    assert attempts(record, "again") == ["FAILED", "SUCCESS"]
    assert [change.state for change in record.runs["dir/again"].history] == [
        "CREATED",
        "RUNNING",
        "RETRYING",
        "CREATED",
        "RUNNING",
        "WARNING",
    ]
    assert attempts(record, "slow") == ["FAILED"]
    said = await messages(engine, record.execution.id, "odd", "ERROR")
    assert said[0].startswith("Unable to evaluate the runIf condition for task odd: ")


async def test_the_block_hands_its_retry_to_its_tasks(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            shell("again", "test -f mark || { touch mark; exit 3; }"),
            more="    retry: {type: constant, interval: PT0.01S, maxAttempts: 2}",
        ),
    )
    assert (attempts(record, "dir"), attempts(record, "again")) == (["SUCCESS"], ["FAILED", "SUCCESS"])


async def test_kill_stops_the_task_that_runs(engine: Engine, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    execution = await start(
        engine, flow("{id: fine, type: core.debug.Return}", shell("sleep", f"touch {mark}; sleep 60"))
    )
    await until(engine, execution.id, "dir/sleep", Status.RUNNING)
    while not mark.exists():
        await anyio.sleep(0.01)
    await engine.control.kill(execution.id)
    record = await end(engine, execution.id)
    assert states(record) == {"dir": "KILLED", "dir/fine": "SUCCESS", "dir/sleep": "KILLED"}
    assert not any((tmp_path / "data" / "work").glob("*/*"))


async def test_the_timeout_of_the_block_stops_the_task_that_runs(engine: Engine) -> None:
    record = await run(engine, flow(shell("sleep", "sleep 60"), more="    timeout: PT0.3S"))
    assert states(record) == {"dir": "FAILED", "dir/sleep": "KILLED"}


async def test_a_restart_begins_anew(engine: Engine, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = flow(
        "{id: first, type: core.debug.Return}",
        shell("second", f"test -f {mark} || {{ touch {mark}; exit 1; }}"),
        more="    errors: [{id: repair, type: core.debug.Return}]",
    )
    failed = await run(engine, source)
    assert failed.execution.state is Status.FAILED
    await engine.control.restart(failed.execution.id)
    record = await end(engine, failed.execution.id)
    assert states(record) == {"dir": "SUCCESS", "dir/first": "SUCCESS", "dir/second": "SUCCESS"}
    assert attempts(record, "dir") == ["FAILED", "SUCCESS"]
    assert record.runs["dir/first"].id != failed.runs["dir/first"].id
    again = await engine.control.replay(record.execution.id, "second")
    assert states(await end(engine, again.id)) == states(record)


async def test_what_a_dead_process_left_begins_anew(tmp_path: Path) -> None:
    source = flow("{id: first, type: core.debug.Return}", "{id: wait, type: core.flow.Sleep, duration: PT0.4S}")
    async with open_engine(tmp_path / "data", Settings()) as engine:
        execution = await start(engine, source)
        await until(engine, execution.id, "dir/wait", Status.RUNNING)
        before = (await engine.store.executions.load(execution.id)).record.runs
    async with open_engine(tmp_path / "data", Settings(), recovers=True) as engine:
        await engine.nodes.recover()
        record = await end(engine, execution.id)
    assert states(record) == {"dir": "SUCCESS", "dir/first": "SUCCESS", "dir/wait": "SUCCESS"}
    assert attempts(record, "dir") == ["KILLED", "SUCCESS"]
    assert record.runs["dir/first"].id != before["dir/first"].id


async def test_in_a_loop_each_value_has_a_folder(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: folder
namespace: test
tasks:
  - id: each
    type: core.flow.ForEach
    values: [a, b]
    concurrencyLimit: 0
    tasks:
      - id: dir
        type: core.flow.WorkingDirectory
        inputFiles: {"name.txt": "{{ taskrun.value }}"}
        tasks:
          - {id: files, type: core.storage.LocalFiles, outputs: ["*.txt"]}
          - id: show
            type: core.debug.Return
            format: "{{ taskrun.value }} {{ read(outputs.files[taskrun.value].uris['name.txt']) }}"
  - {id: after, type: core.debug.Return, format: "{{ outputs.show.a.value }}, {{ outputs.show.b.value }}"}
""",
    )
    assert outputs(record, "after") == {"value": "a a, b b"}


async def test_tasks_may_change_their_execution(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "{id: mark, type: core.execution.Labels, labels: {k: v}}",
            "{id: set, type: core.execution.SetVariables, variables: {n: 3}}",
            "{id: show, type: core.debug.Return, format: '{{ labels.k }} {{ vars.n }}'}",
            "{id: exit, type: core.execution.Exit, state: WARNING}",
            "{id: never, type: core.debug.Return}",
        ),
    )
    assert record.execution.state is Status.WARNING
    assert outputs(record, "dir/show") == {"value": "v 3"}
    assert "dir/never" not in record.runs
    assert record.runs["dir/exit"].state is Status.SUCCESS


async def test_files_of_namespaces_come_in_and_go_out(engine: Engine) -> None:
    for path in ("sql/a.sql", "sql/b.sql", "c.txt"):
        await engine.namespaces.put("test", path, b"of test")
    await engine.namespaces.put("other", "sql/a.sql", b"of other")
    record = await run(
        engine,
        flow(
            "{id: files, type: core.storage.LocalFiles, outputs: ['**']}",
            "{id: up, type: core.namespace.UploadFiles, files: ['sql/**'], destination: /kept/}",
            more="""
    namespaceFiles: {enabled: "{{ true }}", include: ["**.sql"], exclude: ["b.sql"], namespaces: [test, other]}
""",
        ),
    )
    assert record.execution.state is Status.SUCCESS
    uris: dict[str, str] = outputs(record, "dir/files")["uris"]  # type: ignore[assignment]
    assert uris.keys() == {"sql/a.sql"}
    assert await content(engine, uris["sql/a.sql"]) == b"of other"
    assert outputs(record, "dir/up")["files"] == {"/kept/sql/a.sql": "kestra:///test/_files/kept/sql/a.sql"}


async def content(engine: Engine, uri: str) -> bytes:
    return b"".join([chunk async for chunk in engine.files.read(uri)])


CACHED = flow(
    "{id: found, type: core.storage.LocalFiles, outputs: ['**']}",
    shell("make", "mkdir -p deps/bin && echo -n {{ vars.text }} > deps/bin/tool && chmod 755 deps/bin/tool"),
    more="    cache: {patterns: ['deps/**'], ttl: PT1H}",
    after="variables: {text: one}",
)


async def test_the_cache_brings_files_to_the_next_run(engine: Engine) -> None:
    first = await run(engine, CACHED)
    assert outputs(first, "dir/found") == {"uris": {}}
    kept = "kestra:///test/folder/dir/cache/cache.zip"
    stored = await engine.files.stat(kept)
    second = await run(engine, CACHED)
    assert set(outputs(second, "dir/found")["uris"]) == {"deps/bin/tool"}  # type: ignore[call-overload]
    assert (await engine.files.stat(kept)).modified == stored.modified
    await run(engine, CACHED.replace("text: one", "text: two"))
    assert (await engine.files.stat(kept)).attributes != stored.attributes


async def test_a_cache_that_is_too_old_is_forgotten(engine: Engine) -> None:
    await run(engine, CACHED)
    await anyio.sleep(0.01)
    record = await run(engine, CACHED.replace("PT1H", "PT0.001S"))
    assert outputs(record, "dir/found") == {"uris": {}}


async def test_what_cannot_be_prepared_fails_the_block(engine: Engine) -> None:
    tasks = ("{id: never, type: core.debug.Return}",)
    record = await run(engine, flow(*tasks, more='    inputFiles: {"../out": x}'))
    assert states(record) == {"dir": "FAILED"}
    record = await run(engine, flow(*tasks, more="    cache: {patterns: [x], ttl: \"{{ 'soon' }}\"}"))
    error = "cache.ttl: must be a duration like PT30S, PT1H30M or P1D, but is 'soon'"
    assert record.runs["dir"].attempts[0].error == error


async def test_a_secret_output_reaches_the_next_task(engine: Engine) -> None:
    await engine.secrets.set("PASSWORD", "correct horse")
    record = await run(
        engine,
        flow(
            "{id: hold, type: core.debug.Return, format: \"{{ secret('PASSWORD') }}\"}",
            "{id: use, type: core.debug.Return, format: '{{ outputs.hold.value | length }}'}",
        ),
    )
    assert "correct horse" not in repr(record.runs["dir/hold"])
    assert outputs(record, "dir/use") == {"value": "13"}


ONLY_RUNNABLE = "tasks[0].tasks[0]: dir: Only runnable tasks are allowed as children of a WorkingDirectory task"
NO_GROUP = (
    "tasks[0].tasks[0].workerGroup: dir: Cannot set a Worker Group in any WorkingDirectory sub-tasks, it is only "
    "supported at the WorkingDirectory level"
)
BARE = "{{id: folder, namespace: test, tasks: [{{id: dir, type: core.flow.WorkingDirectory{}}}]}}"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (flow("{id: no, type: core.flow.Sequential, tasks: [{id: x, type: core.debug.Return}]}"), ONLY_RUNNABLE),
        (flow("{id: no, type: core.flow.Subflow, namespace: test, flowId: x}"), ONLY_RUNNABLE),
        (flow("{id: x, type: core.debug.Return, workerGroup: {key: gpu}}"), NO_GROUP),
        (BARE.format(""), "tasks[0]: The 'tasks' property cannot be empty"),
        (BARE.format(", tasks: []"), "tasks[0].tasks: The 'tasks' property cannot be empty"),
    ],
)
async def test_what_no_working_directory_can_be(engine: Engine, source: str, text: str) -> None:
    with pytest.raises(InvalidFlow) as refused:
        await engine.control.save_flow(source)
    assert text in str(refused.value)
