"""logToFile through the real engine: where the lines of a task go."""

from __future__ import annotations

import anyio

from engine.runtime.engine import Engine
from engine.state.status import Status
from support.running import end, messages, run, start, until


async def text(engine: Engine, uri: str | None) -> str:
    assert uri is not None
    return b"".join([chunk async for chunk in engine.files.read(uri)]).decode()


async def test_lines_go_to_a_file_of_the_attempt(engine: Engine) -> None:
    seen: list[str] = []
    engine.logs.listeners.append(lambda line: seen.append(line.message))
    await engine.secrets.set("PASSWORD", "correct horse")
    record = await run(
        engine,
        """
id: f
namespace: test
tasks:
  - {id: other, type: core.log.Log, message: as usual}
  - id: task
    type: core.log.Log
    message: ["one {{ secret('PASSWORD') }}", "two"]
    level: WARN
    logToFile: true
""",
    )
    assert await messages(engine, record.execution.id) == ["as usual"]
    assert seen == ["as usual", "one ******", "two"]
    run_of_task = record.runs["task"]
    file = run_of_task.attempts[0].log_file
    assert file is not None
    assert file.endswith(f"/tasks/task/{run_of_task.id}/logs/attempt-1.log")
    lines = (await text(engine, file)).splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["WARN one ******", "WARN two"]
    assert record.runs["other"].attempts[0].log_file is None


async def test_each_attempt_has_its_file_with_its_error(engine: Engine) -> None:
    retry = "retry: {type: constant, interval: PT0.01S, maxAttempts: 2}"
    task = f"{{id: task, type: core.execution.Fail, errorMessage: no, logToFile: true, {retry}}}"
    record = await run(engine, f"id: f\nnamespace: test\ntasks: [{task}]")
    files = [attempt.log_file for attempt in record.runs["task"].attempts]
    assert len(set(files)) == 2
    assert ["ERROR no" in await text(engine, file) for file in files] == [True, True]


async def test_a_killed_attempt_leaves_its_file(engine: Engine) -> None:
    task = "{id: task, type: core.flow.Sleep, duration: PT60S, logToFile: true}"
    execution = await start(engine, f"id: f\nnamespace: test\ntasks: [{task}]")
    await until(engine, execution.id, "task", Status.RUNNING)
    await engine.control.kill(execution.id)
    record = await end(engine, execution.id)
    with anyio.fail_after(5):
        assert "INFO Waiting" in await text(engine, record.runs["task"].attempts[0].log_file)


async def test_a_task_of_a_folder_has_its_own_file(engine: Engine) -> None:
    task = "{id: say, type: core.log.Log, message: hello, logToFile: true}"
    record = await run(
        engine, f"id: f\nnamespace: test\ntasks: [{{id: d, type: core.flow.WorkingDirectory, tasks: [{task}]}}]"
    )
    assert "INFO hello" in await text(engine, record.runs["d/say"].attempts[0].log_file)
