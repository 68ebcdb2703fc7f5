"""EachSequential and EachParallel through the real engine."""

from __future__ import annotations

import pytest

from engine.runtime.engine import Engine
from engine.state.status import Status
from support.running import run, runs_of


@pytest.mark.parametrize(
    "block", ["io.kestra.plugin.core.flow.EachSequential", "io.kestra.core.tasks.flows.EachParallel"]
)
async def test_the_old_loops_run_their_tasks_for_each_value(engine: Engine, block: str) -> None:
    record = await run(
        engine,
        f"""
id: old
namespace: test
tasks:
  - id: each
    type: {block}
    value: '{{{{ ["a", "b"] }}}}'
    tasks:
      - {{id: one, type: core.debug.Return, format: "1 {{{{ taskrun.value }}}}"}}
      - {{id: two, type: core.debug.Return, format: "2 {{{{ taskrun.value }}}}"}}
  - {{id: last, type: core.debug.Return, format: "{{{{ outputs.one.b.value }}}}, {{{{ outputs.two.a.value }}}}"}}
""",
    )
    assert record.execution.state is Status.SUCCESS
    assert len(record.runs) == 6
    assert runs_of(record, "last")[0].outputs == {"value": "1 b, 2 a"}
