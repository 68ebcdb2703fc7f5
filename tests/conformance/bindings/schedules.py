"""Cases about schedules, each evaluated as the host of triggers does."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from conformance.bench import Bench
from conformance.flow_cases import sources
from conformance.flow_matching import difference
from engine.clock import local_zone, to_datetime, to_millis
from engine.ids import random_id
from engine.state.execution import Execution
from engine.state.trigger import TriggerState
from engine.store.rows import ExecutionFilter, StoredFlow
from triggers.schedule import ScheduleOnDates
from triggers.scheduler import Scheduler

TYPE = "io.kestra.plugin.core.trigger.Schedule"
TASKS = [{"id": "say", "type": "core.debug.Return", "format": "x"}]

Moment = Callable[[datetime], datetime]


async def saved(bench: Bench) -> StoredFlow:
    """The flow of a case that has only a trigger and what is around it."""
    trigger = bench.case["start"]["trigger"]
    around = trigger.get("context", {}).get("flow", {})
    own = {"id": "schedule", "type": trigger["type"], **trigger["properties"]}
    flow = {"tasks": TASKS, **around, "id": f"schedule-{random_id()}", "triggers": [own]}
    return await bench.engine.control.save_flow(json.dumps(flow))


async def evaluated(bench: Bench, flow: StoredFlow, next: datetime | None, id: str = "schedule") -> TriggerState:
    """The state after an evaluation, where `next` was the first date that was not decided on."""
    state = await bench.engine.store.triggers.get(flow.namespace, flow.id, id)
    if next is not None:
        state = replace(state, next=to_millis(next), version=state.version + 1)
        await bench.engine.store.triggers.save(state)
    since = next or to_datetime(bench.since)
    scheduler = Scheduler(bench.engine.firing, bench.engine.store.triggers, bench.engine.clock)
    return (await scheduler.evaluate(state, since))[0]


async def executions(bench: Bench, flow: StoredFlow) -> list[Execution]:
    found = list(await bench.engine.store.executions.list(ExecutionFilter(flow=flow.id)))
    bench.started += [execution.id for execution in found]
    return found


def _first_of_last_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1)


def _at(text: str) -> Moment:
    return lambda _now: datetime.fromisoformat(text.partition("[")[0])


def started(next: Moment) -> Callable[[Bench], Awaitable[list[str]]]:
    """A case in which an execution is expected for a date."""

    async def run(bench: Bench) -> list[str]:
        flow = await saved(bench)
        date = next(to_datetime(bench.since).astimezone(local_zone()))
        await evaluated(bench, flow, date)
        found = await executions(bench, flow)
        if len(found) != 1:
            return [f"started {len(found)} executions"]
        return list(_problems(found[0], bench.case["expect"]["execution"], date))

    return run


def _problems(execution: Execution, expect: Mapping[str, Any], date: datetime) -> list[str]:
    assert execution.trigger is not None
    problems = []
    labels = {label.key: label.value for label in execution.labels}
    values = {**dict.fromkeys(expect.get("inputs", {})), **execution.inputs}
    for name, found, wanted in (
        ("labels", labels, expect.get("labels_contain", {})),
        ("inputs", values, expect.get("inputs", {})),
    ):
        if problem := difference({key: found.get(key) for key in wanted}, dict(wanted), {}):
            problems.append(f"{name} {problem}")
    for name, wanted in expect.get("schedule_vars", {}).items():
        shown = execution.trigger.variables.get(name)
        if wanted == "<key absent>":
            problems += [f"{name} is {shown}"] if shown is not None else []
        elif shown is None or not _is(shown, name, str(wanted), date):
            problems.append(f"{name} is {shown}, not {wanted}")
    return problems


def _is(shown: str, name: str, wanted: str, date: datetime) -> bool:
    """Whether a date is what a sentence says."""
    at = datetime.fromisoformat(shown)
    if wanted[:4].isdecimal():
        return at == datetime.fromisoformat(wanted) and shown == wanted
    if wanted == "evaluated date at minute 30, plus 1 month":
        return at == _month(date.replace(minute=30), 1)
    if wanted.startswith("the evaluated date"):
        return at == date and shown[-6:] in (wanted[-6:], shown[-6:])
    base = _month(date.replace(minute=30), 1) if wanted.startswith("that") else date
    sign = 1 if name == "next" else -1
    if "month" in wanted:
        # By what clocks show: they may have been set in between.
        return at.replace(tzinfo=None) == _month(base, sign).replace(tzinfo=None)
    return at == base + sign * timedelta(**{"minutes" if "minute" in wanted else "seconds": 1})


def _month(date: datetime, sign: int) -> datetime:
    month = date.month - 1 + sign
    return date.replace(year=date.year + month // 12, month=month % 12 + 1)


async def _not_due(bench: Bench) -> list[str]:
    flow = await saved(bench)
    await evaluated(bench, flow, None)
    return ["an execution was started"] if await executions(bench, flow) else []


async def _next_is_tomorrow(bench: Bench) -> list[str]:
    state = await evaluated(bench, await saved(bench), None)
    assert state.next is not None
    tomorrow = to_datetime(bench.since).astimezone(local_zone()) + timedelta(days=1)
    next = to_datetime(state.next).astimezone(local_zone())
    return [] if next.date() == tomorrow.date() else [f"the next date is {next}"]


async def _late(bench: Bench) -> list[str]:
    flow = await saved(bench)
    now = to_datetime(bench.engine.clock.now())
    state = await evaluated(bench, flow, (now - timedelta(minutes=15)).replace(second=0, microsecond=0))
    wanted = to_millis((now - timedelta(minutes=4)).replace(second=0, microsecond=0))
    await executions(bench, flow)
    return [] if state.date == wanted else [f"the date is {state.date}, not {wanted}"]


async def _previous(bench: Bench) -> list[str]:
    now = to_datetime(bench.since)
    dates = [(now + timedelta(minutes=minutes)).isoformat() for minutes in (-2, -1, 1)]
    before = ScheduleOnDates(dates=dates).calendar(local_zone()).before(now)
    return [] if before == now - timedelta(minutes=1) else [f"the previous date is {before}"]


async def _recover_all(bench: Bench) -> list[str]:
    now = to_datetime(bench.since)
    begin = (now - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    flow = await _own(bench)
    state = await evaluated(bench, flow, begin + timedelta(hours=1), "recoverALLMissing")
    problems = [] if await executions(bench, flow) else ["nothing was started"]
    wanted = {"date": to_millis(begin + timedelta(hours=1)), "next": to_millis(begin + timedelta(hours=2))}
    problem = difference({"date": state.date, "next": state.next}, wanted, {})
    return problems + ([problem] if problem else [])


async def _stop_after(bench: Bench) -> list[str]:
    flow = await _own(bench)
    now = to_datetime(bench.since).replace(second=0, microsecond=0)
    await evaluated(bench, flow, now, "stopAfter")
    (execution,) = await executions(bench, flow)
    await bench.engine.control.wait(execution.id)
    state = await bench.engine.store.triggers.get(flow.namespace, flow.id, "stopAfter")
    problem = difference(dict(execution.inputs), bench.case["expect"]["executions"]["inputs"], {})
    return ([problem] if problem else []) + ([] if state.disabled else ["the trigger is not disabled"])


async def _on_dates(bench: Bench) -> list[str]:
    """Two dates that have passed, one after the other."""
    now = to_datetime(bench.since)
    seconds = {"<now-2s>": -2, "<now-1s>": -1, "<now+1s>": 1, "<now+2s>": 2}
    names = {name: (now + timedelta(seconds=it)).isoformat() for name, it in seconds.items()}
    flow = await _own(bench, names)
    (trigger,) = await bench.engine.store.triggers.list(flow.namespace, flow.id)
    first = now + timedelta(seconds=-2 if "recover" in trigger.id else -1)
    state = await evaluated(bench, flow, first, trigger.id)
    found = await executions(bench, flow)
    for execution in found:
        await bench.engine.control.wait(execution.id)
    problems = [] if found else ["nothing was started"]
    if "stored_trigger" in bench.case["expect"]:
        wanted = {"date": to_millis(first), "next": to_millis(first + timedelta(seconds=1))}
        problem = difference({"date": state.date, "next": state.next}, wanted, {})
        return problems + ([problem] if problem else [])
    inputs = bench.case["expect"]["executions"]["inputs"]
    return problems + [it for it in (difference(dict(one.inputs), inputs, {}) for one in found) if it]


async def _condition_fails(bench: Bench) -> list[str]:
    """A condition on an execution, where there is none."""
    condition = {"type": "core.condition.ExecutionFlow", "namespace": "a.b", "flowId": "c"}
    own = {"id": "schedule", "type": TYPE, "cron": "* * * * *", "conditions": [condition]}
    flow = {"id": f"schedule-{random_id()}", "namespace": "io.kestra.tests", "tasks": TASKS, "triggers": [own]}
    stored = await bench.engine.control.save_flow(json.dumps(flow))
    await evaluated(bench, stored, to_datetime(bench.since).replace(second=0, microsecond=0))
    await bench.engine.logs.flushed()
    (found,) = await bench.engine.store.logs.evaluations(stored.namespace, stored.id, "schedule", 10)
    said = "ExecutionFlow" in str(found.detail)
    return [] if found.outcome == "ERROR" and said else [f"what is kept of it is {found}"]


async def _own(bench: Bench, names: Mapping[str, str] | None = None) -> StoredFlow:
    """The flow of a case under an id of its own."""
    text = sources(bench.case)[0].replace("id: random", f"id: schedule-{random_id()}")
    for name, value in (names or {}).items():
        text = text.replace(name, value)
    return await bench.engine.control.save_flow(text)


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "schedule-cron-not-due": _not_due,
    "schedule-monthly": started(_first_of_last_month),
    "schedule-monthly-with-input": started(_first_of_last_month),
    "schedule-trigger-labels": started(_first_of_last_month),
    "schedule-every-minute": started(lambda now: now.replace(second=0, microsecond=0)),
    "schedule-every-second": started(lambda now: (now - timedelta(seconds=1)).replace(microsecond=0)),
    "schedule-next-date-without-context": _next_is_tomorrow,
    "schedule-date-not-on-cron": started(lambda now: _first_of_last_month(now).replace(minute=45)),
    "schedule-conditions-day-week-in-month": started(_at("2021-08-02T12:00:00+02:00")),
    "schedule-impossible-next": started(_at("2021-08-02T12:00:00+02:00")),
    "schedule-late-maximum-delay": _late,
    "schedule-timezone": started(_at("2022-04-01T09:12:00-04:00[America/New_York]")),
    "schedule-on-dates-previous": _previous,
    "scheduler-recover-missed-all": _recover_all,
    "condition-error-is-logged": _condition_fails,
    "scheduler-stop-after-success": _stop_after,
    "scheduler-on-dates-run": _on_dates,
    "scheduler-on-dates-recover-all": _on_dates,
}
