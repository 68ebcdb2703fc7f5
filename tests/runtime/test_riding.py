"""The end of an iteration and its loop's count of it are one transaction; where they can't be, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Conflict
from engine.runtime.engine import Engine, open_engine
from engine.settings import Loops, Settings
from engine.state.execution import ExecutionKind
from engine.state.status import Status
from engine.store.rows import ExecutionFilter, Write
from support.running import run, runs_of

LOOP = """
id: rides
namespace: test
tasks:
  - id: loop
    type: core.flow.Loop
    values: "{{ range(1, 30) }}"
    concurrencyLimit: 4
    outputs: [{id: it, type: STRING, value: "{{ outputs.body.value }}"}]
    tasks: [{id: body, type: core.debug.Return, format: "{{ item.value }}"}]
"""


class Commits:
    """Passes steps on to the store and remembers those that were written; may refuse some of them once."""

    def __init__(self, engine: Engine, refused: int = 0) -> None:
        self._commit = engine.store.executions.commit
        self._left = refused
        self.written: list[Write] = []

    async def __call__(self, write: Write) -> None:
        if self._left and any(_ends(child) for child in write.children):
            self._left -= 1
            raise Conflict("refused")
        await self._commit(write)
        self.written.append(write)

    def ends(self) -> list[Write]:
        return [write for write in self.written if _ends(write)]

    def riding(self) -> list[Write]:
        return [child for write in self.written for child in write.children if _ends(child)]


def _ends(write: Write) -> bool:
    return write.execution.kind is ExecutionKind.LOOP and write.execution.finished


async def _run(engine: Engine, commits: Commits, monkeypatch: pytest.MonkeyPatch, source: str = LOOP) -> Status:
    monkeypatch.setattr(engine.store.executions, "commit", commits)
    record = await run(engine, source)
    outputs = runs_of(record, "loop")[0].outputs or {}
    assert outputs["terminatedIterations"] == 30
    assert [it["outputs"]["it"] for it in outputs["outputs"]] == [str(number) for number in range(1, 31)]
    where = ExecutionFilter(kinds=(ExecutionKind.LOOP,), caller=record.execution.id, limit=100)
    children = await engine.store.executions.list(where)
    assert [child.state for child in children] == [Status.SUCCESS] * 30
    return record.execution.state


async def test_ends_are_written_with_the_step_that_counts_them(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits(engine)
    assert await _run(engine, commits, monkeypatch) is Status.SUCCESS
    assert len(commits.riding()) == 30
    assert not commits.ends()
    assert not any(child.timers for child in commits.riding()), "nothing is left to be told"


async def test_ends_are_written_alone_where_the_step_that_counts_them_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(engine, refused=3)
    assert await _run(engine, commits, monkeypatch) is Status.SUCCESS
    alone = commits.ends()
    assert len(alone) >= 3
    assert len(alone) + len(commits.riding()) == 30, "each end is written once"
    assert all([timer.kind for timer in write.timers] == ["tell"] for write in alone)


async def test_the_last_iteration_of_an_inner_loop_ends_the_outer_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
id: nested
namespace: test
tasks:
  - id: outer
    type: core.flow.Loop
    values: [1, 2, 3]
    tasks:
      - id: inner
        type: core.flow.Loop
        values: [a, b]
        tasks: [{id: body, type: core.debug.Return, format: x}]
"""
    commits = Commits(engine)
    monkeypatch.setattr(engine.store.executions, "commit", commits)
    record = await run(engine, source)
    assert record.execution.state is Status.SUCCESS
    assert (runs_of(record, "outer")[0].outputs or {})["terminatedIterations"] == 3
    ended = [write.execution.id for write in (*commits.ends(), *commits.riding())]
    assert len(ended) == len(set(ended)) == 9


async def test_a_loop_without_limit_begins_as_many_as_the_settings_allow(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Settings(loops=Loops(at_once=7))) as engine:
        commits = Commits(engine)
        engine.store.executions.commit = commits  # type: ignore[method-assign]
        record = await run(engine, LOOP.replace("concurrencyLimit: 4", "concurrencyLimit: 0"))
    assert record.execution.state is Status.SUCCESS
    steps = [run for write in commits.written for run in write.changed if run.node == "loop" and run.outputs]
    live = [(run.outputs or {})["runningIterations"] for run in steps]
    assert max(live) == 7
    assert live[-1] == 0


async def test_paused_iterations_leave_room_for_others(tmp_path: Path) -> None:
    body = "tasks: [{id: body, type: core.flow.Pause, pauseDuration: PT0.2S}]"
    source = (
        f"id: p\nnamespace: test\ntasks: [{{id: loop, type: core.flow.Loop, values: [1, 2, 3, 4, 5], "
        f"concurrencyLimit: 0, {body}}}]"
    )
    async with open_engine(tmp_path, Settings(loops=Loops(at_once=1))) as engine:
        commits = Commits(engine)
        engine.store.executions.commit = commits  # type: ignore[method-assign]
        record = await run(engine, source)
    assert record.execution.state is Status.SUCCESS
    steps = [run for write in commits.written for run in write.changed if run.node == "loop" and run.outputs]
    assert max((run.outputs or {})["runningIterations"] for run in steps) > 1
