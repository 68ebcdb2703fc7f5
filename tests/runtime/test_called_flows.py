"""Flows that templates run: `subflow()`."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.errors import InvalidInputs
from engine.runtime.engine import Engine, open_engine
from engine.settings import Expressions, Settings
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import run, start

REGIONS = """
id: regions
namespace: test
inputs:
  - {id: country, type: STRING, defaults: fr}
tasks:
  - {id: say, type: core.log.Log, message: looked up}
outputs:
  - {id: all, type: JSON, value: "{{ [inputs.country ~ '-1', inputs.country ~ '-2'] }}"}
  - {id: hidden, type: SECRET, value: "{{ secret('S') }}"}
"""

ASKS = """
id: asks
namespace: test
inputs:
  - id: region
    type: SELECT
    expression: "{{ subflow('test', 'regions', inputs={'country': 'de'}).outputs.all }}"
    defaults: "{{ subflow('test', 'regions', inputs={'country': 'de'}).outputs.all[1] }}"
tasks:
  - {id: say, type: core.log.Log, message: "{{ inputs.region }}"}
"""

ENDLESS = """
id: endless
namespace: test
tasks:
  - {id: wait, type: core.flow.Pause}
"""


@pytest.fixture
async def regions(engine: Engine) -> Engine:
    await engine.secrets.set("S", "tell nobody")
    await engine.control.save_flow(REGIONS)
    return engine


async def ran(engine: Engine, flow: str) -> list[Execution]:
    return list(await engine.store.executions.list(ExecutionFilter(flow=flow)))


async def test_choices_and_default_of_an_input_come_from_one_execution_of_another_flow(regions: Engine) -> None:
    record = await run(regions, ASKS)
    assert record.execution.inputs == {"region": "de-2"}
    (called,) = await ran(regions, "regions")
    whole = (await regions.store.executions.load(called.id)).record.execution
    assert whole.caller is not None
    assert whole.caller.execution == record.execution.id
    correlation = "system.correlationId"
    assert [label.value for label in whole.labels if label.key == correlation] == [
        label.value for label in record.execution.labels if label.key == correlation
    ]


async def test_a_value_that_is_not_among_the_choices_is_refused(regions: Engine) -> None:
    with pytest.raises(InvalidInputs, match="de-1"):
        await start(regions, ASKS, {"region": "us-1"})
    assert await ran(regions, "asks") == []


async def test_the_outputs_of_a_flow_may_come_from_another(regions: Engine) -> None:
    record = await run(
        regions,
        """
id: ends
namespace: test
tasks:
  - {id: say, type: core.log.Log, message: hi}
outputs:
  - id: got
    type: SECRET
    value: "{{ subflow('test', 'regions').outputs.all | last }} {{ subflow('test', 'regions').outputs.hidden }}"
""",
    )
    assert record.execution.state is Status.SUCCESS
    assert len(await ran(regions, "regions")) == 1
    assert record.execution.outputs is not None
    sealed = record.execution.outputs["got"]
    assert regions.vault.open(sealed["value"], False) == "fr-2 tell nobody"


async def test_an_execution_that_takes_too_long_is_killed(engine: Engine) -> None:
    await engine.control.save_flow(ENDLESS)
    with pytest.raises(InvalidInputs, match=r"did not end within 0\.05 s"):
        await start(
            engine,
            ASKS.replace("'regions', inputs={'country': 'de'}", "'endless', timeout='PT0.05S'").replace(
                ".outputs.all[1]", ".state"
            ),
        )
    for execution in await ran(engine, "endless"):
        with anyio.fail_after(5):
            assert (await engine.control.wait(execution.id)).state is Status.KILLED


async def test_labels_that_only_the_engine_gives_are_refused(regions: Engine) -> None:
    with pytest.raises(InvalidInputs, match=r"system\.app"):
        await start(regions, ASKS.replace("inputs={'country': 'de'}", "labels={'system.app': 'x'}"))


async def test_how_deep_calls_go_is_a_setting(tmp_path: Path) -> None:
    refused = ""
    async with open_engine(tmp_path, Settings(expressions=Expressions(subflow_depth=0))) as engine:
        await engine.control.save_flow(ENDLESS)
        try:
            await start(engine, ASKS.replace("'regions'", "'endless'"))
        except InvalidInputs as error:
            refused = str(error)
        assert await ran(engine, "endless") == []
    assert "depth of 0 (expressions.subflow_depth)" in refused
