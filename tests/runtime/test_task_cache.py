"""taskCache through the real engine: when a task runs, and when the outputs of an earlier run do."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.runtime.engine import Engine
from engine.runtime.upkeep.retention import UNUSED
from engine.state.status import Status
from support.running import messages, run

SHELL = "type: io.kestra.plugin.scripts.shell.Commands, taskRunner: {type: core.runner.Process}"


def flow(task: str, cache: str = "{enabled: true}", more: str = "") -> str:
    return f"""
id: cached
namespace: test
inputs: [{{id: text, type: STRING, defaults: a}}]
tasks:
  - {{id: task, {task}, taskCache: {cache}}}
{more}
"""


def counting(place: Path, command: str = "true", more: str = "") -> str:
    return f"{SHELL}, commands: ['echo x >> {place}', '{command}']{more}"


def count(place: Path) -> int:
    return len(place.read_text().splitlines())


async def test_an_equal_run_gives_its_outputs_and_says_so(engine: Engine, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    tell = 'echo "::{\\"outputs\\":{\\"n\\":\\"{{ inputs.text }}\\"}}::"'
    source = flow(f"{SHELL}, commands: ['echo x >> {place}', '{tell}']".replace("'echo \"", "'echo \""))
    first = await run(engine, source)
    second = await run(engine, source)
    assert second.runs["task"].outputs == first.runs["task"].outputs
    assert (second.runs["task"].outputs or {})["vars"] == {"n": "a"}
    assert second.runs["task"].state is Status.SUCCESS
    assert count(place) == 1
    said = await messages(engine, second.execution.id, "task")
    assert said == ["taskCache: the outputs of an equal earlier run are used"]
    third = await run(engine, source, {"text": "b"})
    assert (third.runs["task"].outputs or {})["vars"] == {"n": "b"}
    assert count(place) == 2


async def test_it_lasts_as_long_as_it_may(engine: Engine, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    source = flow(counting(place), "{enabled: true, ttl: \"{{ 'PT0.05S' }}\"}")
    await run(engine, source)
    await anyio.sleep(0.06)
    await run(engine, source)
    assert count(place) == 2
    await run(engine, flow(counting(place), "{enabled: false}"))
    assert count(place) == 3


async def test_a_failure_is_not_kept(engine: Engine, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    for _ in range(2):
        record = await run(engine, flow(counting(place, "exit 1")))
        assert record.execution.state is Status.FAILED
    assert count(place) == 2


async def test_files_count_by_their_content(engine: Engine, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    source = f"""
id: cached
namespace: test
inputs: [{{id: text, type: STRING}}]
tasks:
  - {{id: file, type: core.storage.Write, content: "{{{{ inputs.text }}}}", extension: .txt}}
  - id: task
    {SHELL.replace(", taskRunner", chr(10) + "    taskRunner")}
    inputFiles: {{in.txt: "{{{{ outputs.file.uri }}}}"}}
    namespaceFiles: {{enabled: true}}
    outputFiles: [out.txt]
    commands: ["echo x >> {place}", "cp in.txt {{{{ outputFiles['out.txt'] }}}}"]
    taskCache: {{enabled: true}}
"""
    records = [await run(engine, source, {"text": text}) for text in ("one", "two", "one")]
    assert count(place) == 2
    kept = [(record.runs["task"].outputs or {})["outputFiles"]["out.txt"] for record in records]
    assert kept[0] == kept[2]
    await engine.namespaces.put("test", "more.txt", b"more")
    await run(engine, source, {"text": "one"})
    assert count(place) == 3
    uri = kept[1]
    await engine.files.delete(uri)
    await engine.namespaces.delete("test", "more.txt")
    again = await run(engine, source, {"text": "two"})
    assert count(place) == 4
    assert (again.runs["task"].outputs or {})["outputFiles"]["out.txt"] != uri


async def test_what_cannot_be_known_before_runs(engine: Engine) -> None:
    task = "type: core.storage.DeduplicateItems, from: '{{ outputs.file.uri }}', expr: '{{ key }}'"
    source = f"""
id: cached
namespace: test
tasks:
  - {{id: file, type: core.storage.Write, content: '{{"key": 1}}', extension: .ion}}
  - {{id: task, {task}, taskCache: {{enabled: true}}}}
"""
    for _ in range(2):
        record = await run(engine, source)
        assert record.execution.state is Status.SUCCESS
        said = await messages(engine, record.execution.id, "task")
        assert said[0].startswith("taskCache: the task runs, for what it depends on can't be known before")


async def test_a_wrong_lifetime_fails_the_task(engine: Engine) -> None:
    record = await run(engine, flow("type: core.debug.Return", '{enabled: true, ttl: "{{ inputs.text }}"}'))
    assert (record.runs["task"].attempts[0].error or "").startswith("taskCache.ttl: ")


async def test_each_task_of_a_folder_has_its_own(engine: Engine, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    task = f"{{id: in, {counting(place)}, taskCache: {{enabled: true}}}}"
    source = f"id: f\nnamespace: test\ntasks: [{{id: d, type: core.flow.WorkingDirectory, tasks: [{task}]}}]"
    for _ in range(2):
        assert (await run(engine, source)).execution.state is Status.SUCCESS
    assert count(place) == 1


@pytest.mark.parametrize(("at", "left"), [(0, True), (6, False)])
async def test_what_has_expired_is_purged(engine: Engine, at: int, left: bool) -> None:
    cached = engine.store.cached
    await cached.put("key", "{}", at=0, expires=5)
    await cached.purge(at, at - UNUSED)
    assert (await cached.get("key", 1) is not None) is left


async def test_what_nobody_uses_is_purged(engine: Engine) -> None:
    # The engine itself purges what is old by its clock.
    cached, now = engine.store.cached, engine.clock.now()
    for key in ("used", "not"):
        await cached.put(key, "{}", at=now, expires=None)
    assert await cached.get("used", now + UNUSED) == "{}"
    assert await cached.purge(now + UNUSED + 1, now + 1) == 1
    assert await cached.get("not", now + UNUSED) is None
