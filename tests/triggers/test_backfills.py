"""Backfills: schedules make up for dates of the past, each once, while they go on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.clock import to_millis
from engine.errors import Refused
from engine.state.execution import Execution
from engine.state.status import Status
from engine.state.trigger import TriggerState
from support.hosting import SECONDS, Bench, moment
from support.hosting import bench as opened

BEGIN = "2026-05-04T11:59:30Z"
FLOW = """
id: flow
namespace: test
inputs: [{id: n, type: INT, defaults: 1}]
tasks: [{id: say, type: core.debug.Return, format: x}]
triggers:
  - {id: tick, type: core.trigger.Schedule, cron: "0 * * * *", timezone: UTC, labels: {of: trigger}}
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, BEGIN) as made:
        yield made


async def create(bench: Bench, start: str, end: str | None = None, n: int = 7, mode: str = "ALL") -> TriggerState:
    return await bench.engine.backfills.create(
        "test",
        "flow",
        "tick",
        start=to_millis(moment(start)),
        end=None if end is None else to_millis(moment(end)),
        inputs={"n": n},
        labels={"kind": "backfill"},
        mode=mode,
    )


async def over(bench: Bench) -> TriggerState:
    """Let time pass, a second at a time, until no backfill is left and nothing runs."""
    with anyio.fail_after(SECONDS):
        while True:
            state = await bench.state()
            if state.backfill is None and state.execution is None:
                return state
            bench.clock.advance(1)
            await anyio.sleep(0.01)


def labels(execution: Execution) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels if not label.key.startswith("system.")}


async def test_cr_17_every_date_between_start_and_end_is_started_once(bench: Bench) -> None:
    await bench.save(FLOW)
    await bench.next("2026-05-04T12:00:00Z")
    await create(bench, "2026-05-04T07:00:00Z", "2026-05-04T09:59:00Z")
    state = await over(bench)
    assert state.next == to_millis(moment("2026-05-04T12:00:00Z"))
    assert await bench.dates() == ["07:00:00", "08:00:00", "09:00:00"]
    for execution in await bench.started():
        assert execution.inputs == {"n": 7}
        assert labels(execution) == {"of": "trigger", "kind": "backfill"}


async def test_cr_17_the_same_dates_may_be_made_up_for_again(bench: Bench) -> None:
    await bench.save(FLOW)
    await bench.next("2026-05-04T12:00:00Z")
    for n in (1, 2):
        await create(bench, "2026-05-04T10:00:00Z", n=n)
        await over(bench)
    assert await bench.dates() == ["10:00:00", "10:00:00", "11:00:00", "11:00:00"]


async def test_cr_17_live_dates_go_on_and_it_can_be_paused(bench: Bench) -> None:
    await bench.save(FLOW)
    await bench.next("2026-05-04T12:00:00Z")
    await bench.engine.triggers.set_disabled("test", "flow", "tick", True)
    await create(bench, "2026-05-04T10:00:00Z")
    await bench.engine.backfills.pause("test", "flow", "tick")
    await bench.engine.triggers.set_disabled("test", "flow", "tick", False)
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-04T13:00:00Z")
    assert await bench.dates() == ["12:00:00"]
    await bench.engine.backfills.pause("test", "flow", "tick", False)
    await over(bench)
    assert await bench.dates() == ["10:00:00", "11:00:00", "12:00:00"]


async def test_cr_17_it_survives_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, BEGIN) as before:
        await before.save(FLOW)
        await before.next("2026-05-04T12:00:00Z")
        await create(before, "2026-05-04T08:00:00Z")
        await before.until(lambda state: state.backfill is None or state.backfill.current > state.backfill.start)
    async with opened(tmp_path, "2026-05-04T11:59:45Z") as bench:
        await over(bench)
        assert await bench.dates() == ["08:00:00", "09:00:00", "10:00:00", "11:00:00"]


async def test_a_backfill_without_dates_is_over_at_once(bench: Bench) -> None:
    await bench.save(FLOW)
    await bench.next("2026-05-04T12:00:00Z")
    await create(bench, "2026-05-04T10:10:00Z", "2026-05-04T10:20:00Z")
    await over(bench)
    assert await bench.started() == []


async def test_cr_17_missing_dates_alone_and_nothing_where_none_is(bench: Bench) -> None:
    await bench.save(FLOW)
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T13:00:10Z")
    await bench.next("2026-05-04T14:00:00Z")
    assert await bench.dates() == ["12:00:00", "13:00:00"]
    for _ in range(2):
        await create(bench, "2026-05-04T11:00:00Z", "2026-05-04T13:00:00Z", mode="MISSING")
        await over(bench)
        assert await bench.dates() == ["11:00:00", "12:00:00", "13:00:00"]


async def test_cr_17_failed_dates_alone(bench: Bench) -> None:
    failing = re.sub(r"tasks: .*", "tasks: [{id: fail, type: core.execution.Fail}]", FLOW)
    await bench.save(failing)
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:10Z")
    await bench.next("2026-05-04T13:00:00Z")
    await bench.save(FLOW)
    await create(bench, "2026-05-04T11:00:00Z", "2026-05-04T12:00:00Z", mode="FAILED")
    await over(bench)
    assert await bench.dates() == ["12:00:00", "12:00:00"]
    assert [it.state for it in await bench.started()] == [Status.FAILED, Status.SUCCESS]


async def test_cr_17_another_mode_is_refused(bench: Bench) -> None:
    await bench.save(FLOW)
    with pytest.raises(Refused, match="one of ALL, MISSING, FAILED, not 'SOME'"):
        await create(bench, "2026-05-04T11:00:00Z", mode="SOME")
