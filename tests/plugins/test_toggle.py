"""The task that switches triggers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.plugin.testing import run_task
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import run
from triggers import Toggle

FLOW = """
id: flow
namespace: shop
tasks: [{id: toggle, type: core.trigger.Toggle, trigger: daily, enabled: ENABLED}]
triggers: [{id: daily, type: core.trigger.Schedule, cron: "0 6 * * *"}]
"""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path, Settings()) as opened:
        yield opened


async def test_it_switches_a_trigger_off_and_on(engine: Engine) -> None:
    for enabled in (False, False, True, True):
        record = await run(engine, FLOW.replace("ENABLED", str(enabled).lower()))
        assert record.execution.state is Status.SUCCESS
        assert (await engine.triggers.get("shop", "flow", "daily")).disabled is not enabled


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"trigger": "none"}, "Unable to find trigger none for the flow "),
        ({"trigger": "x", "flowId": "nowhere", "namespace": "shop"}, "Unable to find flow shop.nowhere."),
    ],
)
async def test_it_says_what_is_not_there(properties: dict[str, str], said: str) -> None:
    ran = await run_task(Toggle, properties)
    assert ran.state == "FAILED"
    assert ran.messages[0].startswith(said)
