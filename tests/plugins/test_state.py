"""Tasks about states."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import run, runs_of


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings()) as opened:
        yield opened


async def test_data_is_merged_read_and_deleted(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: Keeps_State
namespace: shop
tasks:
  - {id: none, type: core.state.Get, name: till}
  - {id: one, type: core.state.Set, name: till, data: {n: 1, list: [a], map: {x: 1}}}
  - {id: two, type: core.state.Set, name: till, data: {n: "{{ 1 + 1 }}", list: [b], map: {y: 2}}}
  - {id: get, type: core.state.Get, name: till, errorOnMissing: true}
  - {id: gone, type: core.state.Delete, name: till}
  - {id: again, type: core.state.Delete, name: till}
""",
    )
    outputs = {task: runs_of(record, task)[0].outputs for task in ("none", "one", "two", "get", "gone", "again")}
    key = "keeps-state_states_tasks-states_till"
    assert outputs == {
        "none": {"count": 0, "data": {}},
        "one": {"count": 3, "key": key},
        "two": {"count": 3, "key": key},
        "get": {"count": 3, "data": {"n": "2", "list": ["a", "b"], "map": {"x": 1, "y": 2}}},
        "gone": {"deleted": True},
        "again": {"deleted": False},
    }


async def test_each_loop_value_and_each_flow_has_its_own_unless_shared(engine: Engine) -> None:
    await run(
        engine,
        """
id: loop
namespace: shop
tasks:
  - id: each
    type: core.flow.ForEach
    values: [a, b]
    tasks:
      - {id: own, type: core.state.Set, data: {"{{ taskrun.value }}": 1}}
      - {id: one, type: core.state.Set, name: flow, taskrunValue: false, data: {"{{ taskrun.value }}": 1}}
  - {id: shared, type: core.state.Set, namespace: true, name: all, data: {x: 1}}
""",
    )
    keys = [entry.key for entry in await engine.keys.list("shop")]
    assert len(keys) == 4
    assert sum(key.startswith("loop_states_tasks-states_default_") for key in keys) == 2
    assert {"loop_states_tasks-states_flow", "states_tasks-states_all"} < set(keys)
    record = await run(
        engine,
        """
id: other
namespace: shop
tasks:
  - {id: shared, type: core.state.Get, namespace: true, name: all}
  - {id: none, type: core.state.Get, name: flow}
""",
    )
    assert runs_of(record, "shared")[0].outputs == {"count": 1, "data": {"x": 1}}
    assert runs_of(record, "none")[0].outputs == {"count": 0, "data": {}}


@pytest.mark.parametrize("type", ["Get", "Delete"])
async def test_a_missing_state_fails_where_that_is_wanted(engine: Engine, type: str) -> None:
    task = f"{{id: t, type: core.state.{type}, name: till, errorOnMissing: true}}"
    record = await run(engine, f"id: missing\nnamespace: shop\ntasks: [{task}]\n")
    assert record.execution.state is Status.FAILED
    assert "There is no state 'till'" in (runs_of(record, "t")[0].attempts[-1].error or "")
