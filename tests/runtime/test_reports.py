"""`ctx.report`: parts of a task's work that show as task runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.plugin import Context, Status, Task, TaskError
from engine.plugin.index import Index, installed
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from support.running import end, run, runs_of, states


class Parts(Task):
    """Reports what it is told to."""

    parts: list[str]
    state: Status = Status.SUCCESS
    fails: bool = False

    async def run(self, ctx: Context) -> None:
        for part in self.parts:
            await ctx.report(part, Status.RUNNING)
            await ctx.report(part, self.state, outputs={"n": part}, error=f"{part}!" if self.fails else None)
        await ctx.report("open", Status.RUNNING, task="left", value="v")
        if self.fails:
            raise TaskError("parts failed")


class OneMore(Index):
    def find(self, type: str) -> type[Task]:  # type: ignore[override]
        return Parts if type == "testing.Parts" else installed().find(type)  # type: ignore[return-value]

    def canonical(self, type: str) -> str:
        return type if type == "testing.Parts" else installed().canonical(type)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings(), index=OneMore({})) as opened:
        yield opened


def flow(properties: str) -> str:
    return f"""
id: f
namespace: test
tasks:
  - {{id: dynamic, type: testing.Parts, {properties}}}
  - {{id: after, type: core.debug.Return, format: "{{{{ outputs.a.n }}}} {{{{ tasks.b.state }}}}"}}
"""


async def test_parts_are_task_runs_with_outputs(engine: Engine) -> None:
    record = await run(engine, flow("parts: [a, b]"))
    assert states(record) == dict.fromkeys(["dynamic", "dynamic/a", "dynamic/b", "dynamic/open", "after"], "SUCCESS")
    assert record.runs["after"].outputs == {"value": "a SUCCESS"}
    left = runs_of(record, "left")[0]
    assert (left.path, left.value, left.reported) == ("dynamic/open", "v", True)
    assert [change.state for change in record.runs["dynamic/a"].history] == ["CREATED", "RUNNING", "SUCCESS"]
    assert len({run.id for run in record.runs.values()}) == 5


async def test_parts_of_a_failed_task_and_its_restart(engine: Engine) -> None:
    record = await run(engine, flow("parts: [a], state: FAILED, fails: true"))
    assert states(record) == {"dynamic": "FAILED", "dynamic/a": "FAILED", "dynamic/open": "KILLED"}
    assert record.runs["dynamic/a"].attempts[0].error == "a!"
    await engine.control.restart(record.execution.id)
    again = await end(engine, record.execution.id)
    assert states(again) == states(record)
    assert len(again.runs["dynamic"].attempts) == 2
    assert again.runs["dynamic/a"].id != record.runs["dynamic/a"].id


async def test_each_value_of_a_loop_has_its_parts(engine: Engine) -> None:
    each = "{id: dynamic, type: testing.Parts, parts: ['{{ taskrun.value }}x']}"
    record = await run(
        engine,
        "id: f\nnamespace: test\ntasks:\n"
        f"  - {{id: each, type: core.flow.ForEach, values: [1, 2], tasks: [{each}]}}\n"
        "  - {id: after, type: core.debug.Return, format: \"{{ outputs['1x']['1'].n }}\"}\n",
    )
    assert {"each#0/dynamic/1x", "each#1/dynamic/2x"} <= record.runs.keys()
    assert record.runs["after"].outputs == {"value": "1x"}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("after", "The part 'after' can't show as 'after', for that is a task of the flow: choose another"),
        ("a/b", "'a/b' can't name a part: it must have 1 to 256 characters and no '/' or '#'"),
    ],
)
async def test_a_part_needs_a_name_of_its_own(engine: Engine, part: str, text: str) -> None:
    record = await run(engine, flow(f"parts: [{part}]"))
    assert record.runs["dynamic"].attempts[0].error == text


async def test_a_part_that_ended_stays_ended(engine: Engine) -> None:
    record = await run(engine, flow("parts: [a, a]"))
    assert record.runs["dynamic"].attempts[0].error == "The part 'a' was reported as ended, SUCCESS"
