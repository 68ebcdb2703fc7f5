"""Loops whose iterations are executions: what they see and give, restart, kill, pause, delete."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.runtime.keeping.log_lines import log_lines
from engine.state.execution import Execution, ExecutionKind
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import SECONDS, end, messages, run, runs_of, start, until

LOOP = """
id: loops
namespace: test
inputs: [{id: mark, type: STRING, defaults: m}, {id: file, type: FILE, required: false}]
variables: {v: 7}
labels: {of: loops}
tasks:
  - {id: before, type: core.debug.Return, format: b}
  - id: loop
    type: core.flow.Loop
MORE
  - {id: after, type: core.debug.Return, format: "{{ outputs.loop }}"}
"""


def loop(*lines: str) -> str:
    return LOOP.replace("MORE", "".join(f"    {line}\n" for line in lines).rstrip())


async def iterations(engine: Engine, id: ExecutionId) -> list[Execution]:
    where = ExecutionFilter(kinds=(ExecutionKind.LOOP,), caller=id, limit=1000)
    found = await engine.store.executions.list(where)
    return sorted(found, key=lambda it: it.item.index if it.item else 0)


async def test_they_see_what_the_flow_sees_and_give_outputs(engine: Engine) -> None:
    seen = "{{ item.index }} {{ item.key }} {{ item.value }} {{ inputs.mark }} {{ vars.v }} {{ outputs.before.value }}"
    source = loop(
        "values: {a: 1, b: [2]}",
        'outputs: [{id: it, type: STRING, value: "{{ outputs.body.value }}"}]',
        f'tasks: [{{id: body, type: core.debug.Return, format: "{seen} {{{{ labels.of }}}}"}}]',
    )
    record = await run(engine, source)
    assert record.execution.state is Status.SUCCESS
    outputs = runs_of(record, "loop")[0].outputs or {}
    assert [it["outputs"]["it"] for it in outputs["outputs"]] == ["0 a 1 m 7 b loops", "1 b [2] m 7 b loops"]
    assert outputs["outputs"][1]["item"] == {"value": "[2]", "index": 1, "key": "b"}
    assert (outputs["iterationCount"], outputs["runningIterations"], outputs["terminatedIterations"]) == (2, 0, 2)
    assert [it.kind for it in await engine.store.executions.list(ExecutionFilter())] == [ExecutionKind.NORMAL]


async def test_the_lines_of_a_file_come_in_order_and_their_outputs_go_to_a_file(engine: Engine, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(f'{{"n": {n}}}\n' for n in range(700)) + "\nplain\n")
    source = loop(
        'values: "{{ inputs.file }}"',
        "concurrencyLimit: 40",
        'outputs: [{id: it, type: STRING, value: "{{ item.index }} {{ item.value }}"}]',
        "tasks: [{id: body, type: core.debug.Return, format: x}]",
    )
    record = await run(engine, source, {"file": str(lines)})
    outputs = runs_of(record, "loop")[0].outputs or {}
    assert outputs["iterationCount"] == outputs["terminatedIterations"] == 701
    content = b"".join([chunk async for chunk in engine.files.read(outputs["uri"])]).decode().splitlines()
    assert len(content) == 701
    assert '"it":"699 {\\"n\\": 699}"' in content[699]
    assert '"it":"700 plain"' in content[700]


async def test_loops_inside_of_loops_see_both_items(engine: Engine) -> None:
    seen = "{{ item.parent.value }}{{ item.value }}{{ item.parents[0].index }}"
    source = loop(
        "values: [a, b]",
        'outputs: [{id: all, type: JSON, value: "{{ outputs.inner.outputs }}"}]',
        "tasks:",
        "  - id: inner",
        "    type: core.flow.Loop",
        "    values: [x, y]",
        "    concurrencyLimit: 0",
        '    outputs: [{id: it, type: STRING, value: "{{ outputs.body.value }}"}]',
        f'    tasks: [{{id: body, type: core.debug.Return, format: "{seen}"}}]',
    )
    record = await run(engine, source)
    assert record.execution.state is Status.SUCCESS
    outer = (runs_of(record, "loop")[0].outputs or {})["outputs"]
    assert [[it["outputs"]["it"] for it in one["outputs"]["all"]] for one in outer] == [["ax0", "ay0"], ["bx1", "by1"]]


async def test_a_restart_runs_those_again_that_failed(engine: Engine) -> None:
    source = loop(
        "values: [a, b, c]",
        "concurrencyLimit: 0",
        "tasks:",
        "  - id: body",
        "    type: core.log.Log",
        "    message: \"{{ item.value == 'b' ? 1 / taskrun.attemptsCount : item.value }}\"",
    )
    record = await run(engine, source)
    assert record.execution.state is Status.FAILED
    before = await iterations(engine, record.execution.id)
    assert [it.state for it in before] == ["SUCCESS", "FAILED", "SUCCESS"]
    await engine.control.restart(record.execution.id)
    record = await end(engine, record.execution.id)
    assert record.execution.state is Status.SUCCESS
    after = await iterations(engine, record.execution.id)
    assert [(it.id, it.state) for it in after] == [(it.id, "SUCCESS") for it in before]
    assert (runs_of(record, "loop")[0].outputs or {})["terminatedIterations"] == 3
    lines = await messages(engine, record.execution.id)
    assert sorted(line for line in lines if line in "a1c") == ["1", "a", "c"]


async def test_a_kill_ends_what_runs_and_starts_nothing_more(engine: Engine) -> None:
    source = loop(
        "values: [1, 2, 3]", "concurrencyLimit: 2", "tasks: [{id: body, type: core.flow.Sleep, duration: PT300S}]"
    )
    execution = await start(engine, source)
    await until(engine, execution.id, "loop", Status.RUNNING)
    await engine.control.kill(execution.id)
    record = await end(engine, execution.id)
    assert record.execution.state is record.runs["loop"].state is Status.KILLED
    assert [it.state for it in await iterations(engine, execution.id)] == ["KILLED", "KILLED"]


async def test_a_pause_in_an_iteration_pauses_the_execution(engine: Engine) -> None:
    execution = await start(engine, loop("values: [1, 2]", "tasks: [{id: stop, type: core.flow.Pause}]"))
    for number in range(2):
        with anyio.fail_after(SECONDS):
            while len(found := await iterations(engine, execution.id)) <= number:
                await anyio.sleep(0.01)
            while (await engine.store.executions.head(execution.id))[0].state is not Status.PAUSED:
                await anyio.sleep(0.01)
        await engine.control.resume(found[number].id)
        await end(engine, found[number].id)
    record = await end(engine, execution.id)
    assert record.execution.state is Status.SUCCESS
    assert [change.state for change in record.runs["loop"].history].count(Status.PAUSED) == 2


async def test_a_deletion_takes_iterations_along(engine: Engine) -> None:
    record = await run(engine, loop("values: [1, 2]", "tasks: [{id: body, type: core.debug.Return, format: x}]"))
    children = await iterations(engine, record.execution.id)
    assert len(children) == 2
    await engine.store.executions.delete(record.execution.id)
    for child in children:
        with pytest.raises(NotFound):
            await engine.store.executions.head(child.id)


async def test_an_iteration_has_the_log_lines_of_its_own_and_of_loops_in_it(engine: Engine) -> None:
    say = '{id: say, type: core.log.Log, message: "{{ item.parent.value }}{{ item.value }}"}'
    inner = f"{{id: inner, type: core.flow.Loop, values: [1, 2], tasks: [{say}]}}"
    record = await run(engine, loop("values: [a, b]", f"tasks: [{inner}]"))
    await engine.logs.flushed()
    first, second = await iterations(engine, record.execution.id)

    async def lines(id: ExecutionId) -> set[str]:
        return {line.message async for line in log_lines(engine.store, id, task="say")}

    assert await lines(first.id) == {"a1", "a2"}
    assert await lines(second.id) == {"b1", "b2"}
    (deep, _) = await iterations(engine, first.id)
    assert await lines(deep.id) == {"a1"}
    assert await lines(record.execution.id) == {"a1", "a2", "b1", "b2"}
