"""Schedules: an execution for each date, once, whatever happens to the flow, the process or the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.clock import to_millis
from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.status import Status
from support.hosting import Bench, moment
from support.hosting import bench as opened

BEGIN = "2026-05-04T11:59:30Z"
TASK = '{id: say, type: core.debug.Return, format: "{{ trigger.date ?? null }}"}'


def flow(*lines: str, task: str = TASK, more: str = "", cron: str = "* * * * *") -> str:
    """A flow with a schedule; `lines` are more of its properties."""
    own = "".join(f"    {line}\n" for line in lines)
    return f"""
id: flow
namespace: test
{more}
tasks: [{task}]
triggers:
  - id: tick
    type: core.trigger.Schedule
    cron: "{cron}"
    timezone: UTC
{own}
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, BEGIN) as made:
        yield made


def labels(execution: Execution) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels}


async def test_it_starts_an_execution_for_each_date(bench: Bench) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    assert await bench.started() == []
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-04T12:01:00Z")
    await bench.go("2026-05-04T12:02:10Z")
    state = await bench.next("2026-05-04T12:03:00Z")
    assert await bench.dates() == ["12:00:00", "12:01:00", "12:02:00"]
    assert (state.date, state.failures) == (to_millis(moment("2026-05-04T12:02:00Z")), 0)
    first = await bench.end((await bench.started())[0].id)
    assert first.state is Status.SUCCESS
    assert first.trigger is not None
    assert (first.trigger.id, first.trigger.type) == ("tick", "io.kestra.plugin.core.trigger.Schedule")
    assert "system.catchup" not in labels(first)


async def test_cr_05_an_execution_sees_its_date_and_those_around_it_in_the_zone(bench: Bench) -> None:
    await bench.save(
        flow("inputs: {when: '{{ trigger.date }}'}", more="inputs: [{id: when, type: STRING}]")
        .replace("timezone: UTC", "timezone: Europe/Paris")
        .replace("* * * * *", "0 14 * * *")
    )
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-05T12:00:00Z")
    (execution,) = await bench.started()
    assert execution.trigger is not None
    assert execution.trigger.variables == {
        "date": "2026-05-04T14:00:00+02:00",
        "next": "2026-05-05T14:00:00+02:00",
        "previous": "2026-05-03T14:00:00+02:00",
    }
    assert execution.inputs == {"when": "2026-05-04T14:00:00+02:00"}


async def test_labels_are_rendered_and_one_that_can_not_be_is_left_out(bench: Bench) -> None:
    await bench.save(
        flow(
            "labels: {day: '{{ trigger.date | date(\"yyyy-MM-dd\") }}', bad: '{{ nothing.there }}'}",
            more="labels: {of: flow}",
        )
    )
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-04T12:01:00Z")
    (execution,) = await bench.started()
    found = labels(execution)
    assert found.pop("system.correlationId") == execution.id
    assert found == {"of": "flow", "day": "2026-05-04"}


async def test_tr_02_the_execution_of_a_date_has_an_id_that_follows_from_it(bench: Bench, tmp_path: Path) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-04T12:01:00Z")
    async with opened(tmp_path / "other", BEGIN) as other:
        await other.save(flow())
        await other.next("2026-05-04T12:00:00Z")
        await other.go("2026-05-04T12:00:00Z")
        await other.next("2026-05-04T12:01:00Z")
        assert [it.id for it in await other.started()] == [it.id for it in await bench.started()]


async def test_cr_18_later_dates_wait_for_the_execution_of_the_one_before(bench: Bench) -> None:
    await bench.save(flow(task="{id: wait, type: core.flow.Pause}"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:03:30Z")
    await bench.until(lambda state: state.execution is not None)
    (first,) = await bench.started()
    await bench.engine.control.kill(first.id)
    await bench.until(lambda state: state.execution not in (None, first.id))
    assert await bench.dates() == ["12:00:00", "12:01:00"]
    assert all("system.catchup" not in labels(it) for it in await bench.started())


async def test_cr_18_with_allow_concurrent_dates_do_not_wait(bench: Bench) -> None:
    await bench.save(flow("allowConcurrent: true", task="{id: wait, type: core.flow.Pause}"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:02:30Z")
    await bench.next("2026-05-04T12:03:00Z")
    assert await bench.dates() == ["12:00:00", "12:01:00", "12:02:00"]


async def test_tr_09_off_and_on_any_number_of_times_leaves_out_what_was_missed_and_nothing_more(bench: Bench) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    for _ in range(3):
        await bench.engine.triggers.set_disabled("test", "flow", "tick", True)
        await bench.go("2026-05-04T12:01:30Z")
        await bench.engine.triggers.set_disabled("test", "flow", "tick", False)
    await bench.next("2026-05-04T12:02:00Z")
    await bench.go("2026-05-04T12:02:00Z")
    await bench.next("2026-05-04T12:03:00Z")
    assert await bench.dates() == ["12:02:00"]


@pytest.mark.parametrize(
    ("recover", "expected"), [("ALL", ["12:00:00", "12:01:00", "12:02:00"]), ("LAST", ["12:02:00"]), ("NONE", [])]
)
async def test_cr_13_enabling_may_make_up_for_what_was_missed(bench: Bench, recover: str, expected: list[str]) -> None:
    await bench.save(flow("recoverMissedSchedules: NONE"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.engine.triggers.set_disabled("test", "flow", "tick", True)
    await bench.go("2026-05-04T12:02:30Z")
    await bench.engine.triggers.set_disabled("test", "flow", "tick", False, recover)
    with anyio.fail_after(30):
        while (await bench.state()).next != to_millis(moment("2026-05-04T12:03:00Z")):
            # Missed dates are started at a pace.
            bench.clock.advance(1)
            await anyio.sleep(0.01)
    assert await bench.dates() == expected
    assert all(labels(it)["system.catchup"] == "true" for it in await bench.started())
    await bench.engine.logs.flushed()
    looks = await bench.engine.store.logs.evaluations("test", "flow", "tick", 10)
    left_out = [it.detail for it in looks if it.outcome == "SKIPPED"]
    missed = "dates that were missed are left out: those before 2026-05-04T12:02:00Z"
    assert left_out == ([missed] if recover == "LAST" else [])


@pytest.mark.parametrize(
    ("recover", "expected"), [("ALL", ["12:00:00", "13:00:00"]), ("LAST", ["13:00:00"]), ("NONE", [])]
)
async def test_cr_13_a_new_start_makes_up_for_dates_that_were_missed(
    tmp_path: Path, recover: str, expected: list[str]
) -> None:
    source = flow(f"recoverMissedSchedules: {recover}", cron="0 * * * *")
    async with opened(tmp_path, BEGIN) as before:
        await before.save(source)
        await before.next("2026-05-04T12:00:00Z")
    async with opened(tmp_path, "2026-05-04T13:30:00Z") as bench:
        with anyio.fail_after(30):
            while (await bench.state()).next != to_millis(moment("2026-05-04T14:00:00Z")):
                bench.clock.advance(1)
                await anyio.sleep(0.01)
        assert await bench.dates() == expected


async def test_cr_16_a_new_trigger_recovers_nothing_from_before_it_was_there(bench: Bench) -> None:
    await bench.save(flow("recoverMissedSchedules: ALL", cron="0 * * * *"))
    await bench.next("2026-05-04T12:00:00Z")
    assert await bench.started() == []


async def test_cr_10_a_clock_set_back_repeats_nothing_and_one_set_forward_has_missed_what_lies_between(
    bench: Bench,
) -> None:
    await bench.save(flow("recoverMissedSchedules: LAST"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:30Z")
    await bench.next("2026-05-04T12:01:00Z")
    bench.clock.advance(-3600)
    await anyio.wait_all_tasks_blocked()
    assert (await bench.state()).next == to_millis(moment("2026-05-04T12:01:00Z"))
    bench.clock.advance(2 * 3600)
    await bench.next("2026-05-04T13:01:00Z")
    assert await bench.dates() == ["12:00:00", "13:00:00"]


async def test_tr_08_an_edit_of_anything_else_fires_and_forgets_nothing(bench: Bench) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:10Z")
    before = await bench.next("2026-05-04T12:01:00Z")
    await bench.save(flow(more="description: another text"))
    assert await bench.state() == before
    await bench.go("2026-05-04T12:01:00Z")
    await bench.next("2026-05-04T12:02:00Z")
    assert await bench.dates() == ["12:00:00", "12:01:00"]
    assert [it.revision for it in await bench.started()] == [1, 2]


async def test_cr_11_an_edit_of_the_schedule_counts_from_now(bench: Bench) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    await bench.save(flow(cron="*/5 * * * *"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-04T12:05:00Z")
    await bench.save(flow(cron="* * * * *"))
    await bench.next("2026-05-04T12:01:00Z")
    assert await bench.dates() == ["12:00:00"]


async def test_a_flow_that_is_deleted_starts_nothing_more(bench: Bench) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    await bench.engine.control.delete_flow("test", "flow")
    await bench.go("2026-05-04T12:01:00Z")
    assert await bench.started() == []


async def test_a_flow_that_is_disabled_starts_nothing_until_it_no_longer_is(bench: Bench) -> None:
    await bench.save(flow(more="disabled: true"))
    await bench.go("2026-05-04T12:01:30Z")
    assert (await bench.state()).next is None
    await bench.save(flow())
    await bench.next("2026-05-04T12:02:00Z")
    await bench.go("2026-05-04T12:02:00Z")
    await bench.next("2026-05-04T12:03:00Z")
    assert await bench.dates() == ["12:02:00"]


async def test_stop_after_switches_it_off(bench: Bench) -> None:
    await bench.save(flow("stopAfter: [FAILED]", task="{id: no, type: core.execution.Fail}"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.until(lambda state: state.disabled)
    await bench.go("2026-05-04T12:02:00Z")
    assert await bench.dates() == ["12:00:00"]


async def test_cr_21_conditions_move_the_next_date(bench: Bench) -> None:
    condition = "{type: core.condition.DayWeek, dayOfWeek: WEDNESDAY}"
    await bench.save(flow(f"conditions: [{condition}]", cron="0 12 * * *"))
    await bench.next("2026-05-06T12:00:00Z")
    bench.clock.advance(2 * 86_400)
    await bench.next("2026-05-06T12:00:00Z")
    await bench.go("2026-05-06T12:00:00Z")
    await bench.next("2026-05-13T12:00:00Z")
    (execution,) = await bench.started()
    assert execution.trigger is not None
    assert execution.trigger.variables["next"] == "2026-05-13T12:00:00Z"
    assert execution.trigger.variables["previous"] == "2026-04-29T12:00:00Z"


async def test_when_decides_in_dialect_2(bench: Bench) -> None:
    await bench.save(flow('when: \'{{ trigger.date | date("mm") == "02" }}\''))
    await bench.next("2026-05-04T12:02:00Z")
    await bench.go("2026-05-04T12:02:00Z")
    await bench.next("2026-05-04T13:02:00Z")
    assert await bench.dates() == ["12:02:00"]


@pytest.mark.parametrize("failing", [False, True])
async def test_tr_10_a_condition_that_can_not_be_told_is_an_error_with_its_text(bench: Bench, failing: bool) -> None:
    await bench.save(flow("when: '{{ nothing.there }}'", f"failOnTriggerError: {str(failing).lower()}"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    state = await bench.next("2026-05-04T12:01:00Z")
    assert state.failures == 1
    assert state.error is not None
    assert "2026-05-04T12:00:00Z: when: " in state.error
    assert "nothing" in state.error
    assert [it.state for it in await bench.started()] == [Status.FAILED] * failing


async def test_tr_05_inputs_that_do_not_fit_are_an_error_and_the_next_date_has_its_turn(bench: Bench) -> None:
    await bench.save(flow("inputs: {n: '{{ trigger.date }}'}", more="inputs: [{id: n, type: INT}]"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:01:00Z")
    state = await bench.next("2026-05-04T12:02:00Z")
    assert state.failures == 2
    assert await bench.started() == []
    await bench.save(flow("inputs: {n: 3}", more="inputs: [{id: n, type: INT}]"))
    await bench.next("2026-05-04T12:02:00Z")
    await bench.go("2026-05-04T12:02:00Z")
    assert (await bench.next("2026-05-04T12:03:00Z")).failures == 0
    assert [it.inputs for it in await bench.started()] == [{"n": 3}]


async def test_dates_one_by_one(bench: Bench) -> None:
    await bench.save(
        """
id: flow
namespace: test
tasks: [{id: say, type: core.log.Log, message: x}]
triggers:
  - {id: tick, type: core.trigger.ScheduleOnDates, dates: ["2026-05-04T12:00:00Z", "2026-05-04T14:01:00+02:00"]}
"""
    )
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:03:00Z")
    await bench.until(lambda state: state.next is None)
    assert [it.scheduled for it in await bench.started()] == [
        to_millis(moment("2026-05-04T12:00:00Z")),
        to_millis(moment("2026-05-04T12:01:00Z")),
    ]


async def test_tr_01_an_execution_that_is_there_already_is_not_started_again(bench: Bench) -> None:
    await bench.save(flow())
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:10Z")
    await bench.next("2026-05-04T12:01:00Z")
    bench.clock.advance(-60)
    await bench.save(flow("labels: {other: one}"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:10Z")
    await bench.next("2026-05-04T12:01:00Z")
    assert await bench.dates() == ["12:00:00"]


async def test_two_hosts_on_one_folder_start_each_date_once(tmp_path: Path) -> None:
    async with opened(tmp_path, BEGIN) as one, opened(tmp_path, BEGIN) as other:
        await one.save(flow("allowConcurrent: true"))
        await one.next("2026-05-04T12:00:00Z")
        await other.next("2026-05-04T12:00:00Z")
        for second in ("12:00:00", "12:01:00", "12:02:00"):
            await one.go(f"2026-05-04T{second}Z")
            await other.go(f"2026-05-04T{second}Z")
        await one.next("2026-05-04T12:03:00Z")
        assert await one.dates() == ["12:00:00", "12:01:00", "12:02:00"]
        for execution in await one.started():
            assert (await one.end(ExecutionId(execution.id))).state is Status.SUCCESS


async def test_tr_07_what_came_of_each_date_is_kept(bench: Bench) -> None:
    await bench.save(flow('when: \'{{ trigger.date | date("mm") != "01" }}\'', cron="0-2 12 * * *"))
    await bench.next("2026-05-04T12:00:00Z")
    await bench.go("2026-05-04T12:00:00Z")
    await bench.next("2026-05-04T12:02:00Z")
    await bench.save(flow("inputs: {n: x}", more="inputs: [{id: n, type: INT}]", cron="0-2 12 * * *"))
    await bench.next("2026-05-04T12:01:00Z")
    await bench.go("2026-05-04T12:01:00Z")
    await bench.next("2026-05-04T12:02:00Z")
    await bench.engine.logs.flushed()
    error, fired = await bench.engine.store.logs.evaluations("test", "flow", "tick", 10)
    (execution,) = await bench.started()
    assert (fired.outcome, fired.execution, fired.detail) == ("FIRED", execution.id, None)
    assert fired.date == to_millis(moment("2026-05-04T12:00:00Z"))
    assert (error.outcome, error.date) == ("ERROR", to_millis(moment("2026-05-04T12:01:00Z")))
    assert "n" in str(error.detail)


async def test_tr_05_broken_triggers_cost_the_others_nothing(bench: Bench) -> None:
    broken = (
        flow("when: '{{ nothing.there }}'"),
        flow("inputs: {n: x}", more="inputs: [{id: n, type: INT}]"),
        flow("conditions: [{type: core.condition.ExecutionFlow, namespace: a, flowId: b}]"),
    )
    for number, source in enumerate(broken):
        await bench.save(source.replace("id: flow", f"id: broken{number}"))
    for number in range(20):
        await bench.save(flow().replace("id: flow", f"id: good{number}"))
    for number in range(20):
        await bench.next("2026-05-04T12:00:00Z", flow=f"good{number}")
    await bench.go("2026-05-04T12:00:00Z")
    for number in range(20):
        await bench.next("2026-05-04T12:01:00Z", flow=f"good{number}")
        assert await bench.dates(f"good{number}") == ["12:00:00"]
    for number in range(3):
        assert (await bench.next("2026-05-04T12:01:00Z", flow=f"broken{number}")).failures == 1
        assert await bench.started(f"broken{number}") == []
