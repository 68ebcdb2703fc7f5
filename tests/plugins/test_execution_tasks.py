"""Exit, Kill, Resume, Labels, SetVariables, UnsetVariables, Assert, Count, PurgeExecutions."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidFlow
from engine.plugin.testing import run_task
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from plugins.core.execution import Assert, Count, Kill, Labels, PurgeExecutions, SetVariables, UnsetVariables
from support.running import end, messages, run, start, states, until

LATER = "2999-01-01T00:00:00Z"
EARLIER = "2001-01-01T00:00:00+01:00[Europe/Paris]"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings()) as opened:
        yield opened


def flow(*tasks: str, id: str = "flow", namespace: str = "shop", more: str = "") -> str:
    return "\n".join([f"id: {id}", f"namespace: {namespace}", more, "tasks:", *(f"  - {task}" for task in tasks)])


@pytest.mark.parametrize(
    ("written", "state", "of_task"),
    [
        ("", "SUCCESS", "SUCCESS"),
        (", state: WARNING", "WARNING", "SUCCESS"),
        (", state: FAILED", "FAILED", "SUCCESS"),
        (", state: CANCELED", "CANCELLED", "SUCCESS"),
        (", state: \"{{ 'KIL' ~ 'LED' }}\"", "KILLED", "KILLED"),
    ],
)
async def test_exit_ends_the_execution_in_its_state(engine: Engine, written: str, state: str, of_task: str) -> None:
    record = await run(
        engine, flow(f"{{id: leave, type: core.execution.Exit{written}}}", "{id: after, type: core.debug.Return}")
    )
    assert record.execution.state.value == state
    assert states(record) == {"leave": of_task}


async def test_exit_stops_what_runs_beside_it(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "id: both\n    type: core.flow.Parallel\n    tasks:"
            "\n      - {id: long, type: core.flow.Sleep, duration: PT1H}"
            "\n      - {id: leave, type: core.execution.Exit, state: WARNING}"
        ),
    )
    assert record.execution.state is Status.WARNING
    assert states(record) == {"both": "WARNING", "both/long": "KILLED", "both/leave": "SUCCESS"}


async def test_kill_stops_its_own_execution(engine: Engine) -> None:
    record = await run(engine, flow("{id: stop, type: core.execution.Kill}", "{id: after, type: core.debug.Return}"))
    assert (record.execution.state, states(record)) == (Status.KILLED, {"stop": "KILLED"})


async def test_kill_stops_another_execution(engine: Engine) -> None:
    other = await start(engine, flow("{id: long, type: core.flow.Sleep, duration: PT1H}", id="other"))
    await until(engine, other.id, "long", Status.RUNNING)
    source = flow(f"{{id: stop, type: core.execution.Kill, executionId: {other.id}}}")
    assert (await run(engine, source)).execution.state is Status.SUCCESS
    assert (await end(engine, other.id)).execution.state is Status.KILLED
    again = await run(engine, source)
    assert again.execution.state is Status.FAILED
    assert "has ended already" in str(again.runs["stop"].attempts[-1].error)


async def test_kill_may_spare_the_execution_that_it_runs_in(engine: Engine) -> None:
    stop = '{id: stop, type: core.execution.Kill, executionId: "{{ trigger.executionId }}", propagateKill: false}'
    await engine.control.save_flow(flow(stop, "{id: after, type: core.debug.Return}", id="child"))
    parent = await run(engine, flow("{id: calls, type: core.flow.Subflow, namespace: shop, flowId: child}"))
    assert parent.execution.state is Status.KILLED
    (child,) = await engine.store.executions.list(ExecutionFilter(flow="child"))
    assert (await end(engine, child.id)).execution.state is Status.SUCCESS


async def test_kill_of_its_own_execution_may_spare_what_that_started(engine: Engine) -> None:
    await engine.control.save_flow(flow("{id: pause, type: core.flow.Pause}", id="child"))
    parent = await start(
        engine,
        flow(
            """id: both
    type: core.flow.Parallel
    tasks:
      - {id: calls, type: core.flow.Subflow, namespace: shop, flowId: child}
      - id: then
        type: core.flow.Sequential
        tasks: [{id: wait, type: core.flow.Pause}, {id: stop, type: core.execution.Kill, propagateKill: false}]"""
        ),
    )
    await until(engine, parent.id, "both/calls", Status.PAUSED)
    await engine.control.resume(parent.id)
    assert (await end(engine, parent.id)).execution.state is Status.KILLED
    (child,) = await engine.store.executions.list(ExecutionFilter(flow="child"))
    assert child.state is Status.PAUSED


async def test_kill_of_an_unknown_execution_fails() -> None:
    ran = await run_task(Kill, {"executionId": "nowhere"})
    assert ran.state == "FAILED"
    assert "execution 'nowhere' does not exist" in ran.messages[0]


async def test_labels_are_merged_into_those_of_the_execution(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "{id: map, type: core.execution.Labels, labels: {\"{{ 'k' ~ 1 }}\": '{{ flow.id }}', s: {name: x}, n: 3}}",
            "{id: list, type: core.execution.Labels, labels: [{key: k2, value: a}, {key: k2, value: b}]}",
            """{id: text, type: core.execution.Labels, labels: '{"k3": true, "team": "new"}'}""",
            "{id: see, type: core.debug.Return, format: '{{ labels.team }} {{ labels.k1 }}'}",
            more="labels: {team: old}",
        ),
    )
    labels = {label.key: label.value for label in record.execution.labels if not label.key.startswith("system.")}
    assert labels == {"team": "new", "k1": "flow", "s": '{"name":"x"}', "n": "3", "k2": "b", "k3": "true"}
    assert record.runs["see"].outputs == {"value": "new flow"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"system.x": "1"}, "System labels can only be set by Kestra itself, offending label: system.x=1"),
        ("no json", "labels: a text must be JSON of a map, or of a list of `key` and `value`"),
        ("3", "labels: must be a map, or a list of `key` and `value`"),
        ([{"name": "x"}], "labels: must be a map, or a list of `key` and `value`"),
        ({"k": None}, "labels: a label has a key and a value, but this one is 'k' with None"),
    ],
)
async def test_labels_that_can_not_be_fail(labels: Any, message: str) -> None:
    ran = await run_task(Labels, {"labels": labels})
    assert (ran.state, ran.messages) == ("FAILED", [message])


async def test_variables_are_merged_and_removed(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "{id: set, type: core.execution.SetVariables, variables: {who: '{{ flow.id }}', deep: {b: 2}, list: [2]}}",
            "{id: first, type: core.debug.Return, format: '{{ vars | toJson }}'}",
            "{id: unset, type: core.execution.UnsetVariables, variables: [who, deep.a, list, none]}",
            "{id: second, type: core.debug.Return, format: \"{{ vars.deep }} {{ vars.who ?? 'nobody' }}\"}",
            more="variables: {deep: {a: 1}, list: [1], kept: true}",
        ),
    )
    assert record.execution.state is Status.SUCCESS
    first = (record.runs["first"].outputs or {})["value"]
    assert first == '{"deep":{"a":1,"b":2},"list":[2],"kept":true,"who":"flow"}'
    assert record.execution.variables == {"deep": {"b": 2}, "kept": True}
    assert record.runs["second"].outputs == {"value": '{"b":2} nobody'}


async def test_a_secret_variable_is_stored_encrypted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", base64.b64encode(b"very-hidden").decode())
    record = await run(
        engine,
        flow(
            "{id: set, type: core.execution.SetVariables, variables: {token: \"{{ secret('TOKEN') }}\"}}",
            "{id: label, type: core.execution.Labels, labels: {token: \"{{ secret('TOKEN') }}\"}}",
            "{id: see, type: core.debug.Return, format: '{{ vars.token | length }}'}",
        ),
    )
    assert "very-hidden" not in str(record.execution)
    assert record.runs["see"].outputs == {"value": "11"}


async def test_set_variables_may_refuse_to_overwrite() -> None:
    properties = {"variables": {"a": 1, "b": 2, "c": 3}, "overwrite": False}
    ran = await run_task(SetVariables, properties, variables={"a": 0, "c": 0})
    assert ran.state == "FAILED"
    assert ran.messages == ["`overwrite` is set to false and the following variables already exist: a, c"]
    assert (await run_task(SetVariables, properties)).state == "SUCCESS"


async def test_unset_variables_needs_the_maps_on_the_way() -> None:
    properties = {"variables": ["a.b.c"]}
    ran = await run_task(UnsetVariables, properties, variables={"a": {"b": 1}})
    assert ran.messages == ["variables: cannot remove 'a.b.c', as 'a.b' is not a map"]
    ran = await run_task(UnsetVariables, {**properties, "ignoreMissing": True}, variables={"a": {"b": 1}})
    assert ran.state == "SUCCESS"


async def test_assert_counts_what_holds() -> None:
    conditions = ["{{ vars.n == 3 }}", "{{ vars.n > 3 }}", True, "{{ 0 }}", "text"]
    ran = await run_task(Assert, {"conditions": conditions, "errorMessage": "n is {{ vars.n }}"}, variables={"n": 3})
    assert ran.state == "FAILED"
    assert ran.messages == [
        "Assertion failed: {{ vars.n > 3 }}",
        "Assertion failed: {{ 0 }}",
        "2 assertions failed!\nn is 3",
    ]
    assert {metric.name: metric.value for metric in ran.metrics} == {"success": 3, "failed": 2}


async def test_assert_passes_and_says_one_in_the_singular() -> None:
    ran = await run_task(Assert, {"conditions": ["{{ true }}"]})
    assert (ran.state, ran.messages) == ("SUCCESS", [])
    assert (await run_task(Assert, {"conditions": ["false"]})).messages[-1] == "1 assertion failed!"
    listed = await run_task(Assert, {"conditions": "{{ vars.list }}"}, variables={"list": ["true", "false"]})
    assert listed.messages[-1] == "1 assertion failed!"
    assert (await run_task(Assert, {"conditions": "{{ 3 }}"})).messages == ["conditions: must be a list of expressions"]


async def test_count_counts_flow_by_flow(engine: Engine) -> None:
    await engine.control.save_flow(flow("{id: a, type: core.debug.Return}", id="never"))
    for _ in range(2):
        await run(engine, flow("{id: a, type: core.debug.Return}", id="good"))
    await run(engine, flow("{id: a, type: core.execution.Fail}", id="bad"))

    async def counted(properties: str) -> dict[str, Any]:
        record = await run(
            engine,
            flow(f"{{id: count, type: core.execution.Count, {properties}}}", namespace="watch"),
        )
        return record.runs["count"].outputs or {}

    named = "flows: [{namespace: shop, flowId: good}, {namespace: shop, flowId: never}]"
    assert await counted(f"{named}, startDate: '{EARLIER}', expression: '{{{{ count >= 1 }}}}'") == {
        "results": [{"namespace": "shop", "flowId": "good", "count": 2}],
        "total": 2,
    }
    all_of = await counted(f"namespaces: [shop], startDate: '{EARLIER}', expression: 'true'")
    assert {found["flowId"]: found["count"] for found in all_of["results"]} == {"bad": 1, "good": 2, "never": 0}
    assert all_of["total"] == 3
    failed = f"namespaces: [shop], states: [FAILED], startDate: '{EARLIER}', expression: '{{{{ count > 0 }}}}'"
    assert [found["flowId"] for found in (await counted(failed))["results"]] == ["bad"]
    late = f"namespaces: [shop], startDate: '{LATER}', expression: '{{{{ count == 0 }}}}'"
    assert len((await counted(late))["results"]) == 3


async def test_count_wants_flows_and_moments_with_a_zone() -> None:
    given = {"startDate": EARLIER, "expression": "true"}
    assert (await run_task(Count, given)).messages == ["You must provide a list of flows or namespaces"]
    with pytest.raises(InvalidFlow, match="startDate"):
        await run_task(Count, {**given, "startDate": "2024-01-01T00:00:00", "namespaces": ["a"]})


async def test_old_executions_are_purged_with_all_that_is_theirs(engine: Engine) -> None:
    write = "{id: a, type: core.storage.Write, content: x}"
    measure = "{id: b, type: core.debug.Return, format: x}"
    old = [await run(engine, flow(write, measure, namespace=name)) for name in ("shop", "shop.sub")]
    other = await run(engine, flow(write, namespace="shopping"))
    running = await start(engine, flow("{id: long, type: core.flow.Sleep, duration: PT1H}", id="long"))
    await until(engine, running.id, "long", Status.RUNNING)
    purge = flow(
        f"{{id: purge, type: core.execution.PurgeExecutions, namespace: shop, endDate: '{LATER}'}}", namespace="watch"
    )
    record = await run(engine, purge)
    assert record.runs["purge"].outputs == {
        "executionsCount": 2,
        "logsCount": 2,
        "storagesCount": 2,
        "metricsCount": 4,
    }
    left = {found.id for found in await engine.store.executions.list(ExecutionFilter())}
    assert left == {other.execution.id, running.id, record.execution.id}
    for gone in old:
        assert await messages(engine, gone.execution.id) == []
        assert await engine.store.logs.metrics(gone.execution.id) == []
    assert [info for info in await engine.files.list("kestra:///shop") if "/executions/" in info.address] == []
    assert len(await engine.files.list("kestra:///shopping")) == 1
    await engine.control.kill(running.id)


async def test_a_purge_may_keep_the_executions(engine: Engine) -> None:
    measure = "{id: b, type: core.debug.Return, format: x}"
    kept = [await run(engine, flow(measure)) for _ in range(3)]
    part = "namespace: shop, flowId: flow, purgeExecution: false, purgeMetric: false, states: [SUCCESS, RUNNING]"
    purge = flow(
        f"{{id: purge, type: core.execution.PurgeExecutions, endDate: '{LATER}', {part}}}",
        namespace="watch",
    )
    outputs = (await run(engine, purge)).runs["purge"].outputs
    assert outputs == {"executionsCount": 0, "logsCount": 3, "storagesCount": 0, "metricsCount": 0}
    await engine.logs.flushed()
    for record in kept:
        assert (await engine.store.executions.head(record.execution.id))[0].state is Status.SUCCESS
        assert len(await engine.store.logs.metrics(record.execution.id)) == 2


async def test_a_purge_of_states_that_are_no_end_removes_nothing() -> None:
    ran = await run_task(PurgeExecutions, {"endDate": LATER, "states": ["RUNNING"]})
    assert ran.outputs["executionsCount"] == 0
    assert ran.state == "SUCCESS"
    ran = await run_task(PurgeExecutions, {"endDate": LATER, "flowId": "x"})
    assert ran.messages == ["flowId: needs the namespace of the flow beside it"]


PAUSED = flow(
    "{id: pause, type: core.flow.Pause, onResume: [{id: reason, type: STRING}]}",
    '{id: after, type: core.debug.Return, format: "{{ outputs.pause.onResume.reason }}"}',
    id="paused",
)


@pytest.mark.parametrize("of_flow", ["", ", namespace: shop, flowId: paused"])
async def test_resume_lets_another_execution_go_on(engine: Engine, of_flow: str) -> None:
    waiting = await start(engine, PAUSED)
    await until(engine, waiting.id, "pause", Status.PAUSED)
    resume = (
        f"{{id: resume, type: core.execution.Resume, executionId: {waiting.id}, inputs: {{reason: fine}}{of_flow}}}"
    )
    assert (await run(engine, flow(resume))).execution.state is Status.SUCCESS
    assert (await end(engine, waiting.id)).runs["after"].outputs == {"value": "fine"}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ("inputs: {other: x}", "reason"),
        ("namespace: shop", "must be set together"),
        ("namespace: shop, flowId: other, inputs: {reason: x}", "no execution"),
    ],
)
async def test_resume_says_why_it_could_not(engine: Engine, properties: str, said: str) -> None:
    waiting = await start(engine, PAUSED)
    await until(engine, waiting.id, "pause", Status.PAUSED)
    resume = f"{{id: resume, type: core.execution.Resume, executionId: {waiting.id}, {properties}}}"
    record = await run(engine, flow(resume))
    assert record.execution.state is Status.FAILED
    assert said in str(record.runs["resume"].attempts[-1].error)
    await engine.control.kill(waiting.id)


async def test_resume_goes_on_in_its_own_execution(engine: Engine) -> None:
    record = await run(
        engine,
        flow(
            "id: both\n    type: core.flow.Parallel\n    tasks:"
            "\n      - {id: pause, type: core.flow.Pause}"
            "\n      - {id: resume, type: core.execution.Resume, retry: {type: constant, interval: PT0.05S}}"
        ),
    )
    assert states(record) == {"both": "SUCCESS", "both/pause": "SUCCESS", "both/resume": "SUCCESS"}
