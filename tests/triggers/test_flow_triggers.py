"""Flow triggers: executions that follow others, each once, and what they wait for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.clock import to_millis
from engine.errors import Unavailable
from engine.state.execution import Execution, ExecutionKind
from engine.state.status import Status
from engine.state.trigger import TriggerState
from support.hosting import SECONDS, Bench, moment
from support.hosting import bench as opened

DAY = 86_400_000
BEGIN = "2026-05-04T11:59:30Z"
UP = """
id: {id}
namespace: test
labels: {{team: red}}
inputs: [{{id: name, type: STRING, defaults: world}}, {{id: fails, type: BOOL, defaults: false}}]
tasks:
  - {{id: say, type: core.debug.Return, format: "hello {{{{ inputs.name }}}}"}}
  - {{id: fail, type: core.execution.Fail, runIf: "{{{{ inputs.fails }}}}"}}
outputs: [{{id: said, type: STRING, value: "{{{{ outputs.say.value }}}}"}}]
"""


SAY = '{id: say, type: core.debug.Return, format: "{{ trigger.executionId }}"}'
PAUSE = "{id: pause, type: core.flow.Pause}"


def down(*lines: str, more: str = "", id: str = "flow", top: str = "", task: str = SAY) -> str:
    """A flow with a Flow trigger; `lines` are its properties, `top` is the first line, `more` belongs to the flow."""
    own = "".join(f"    {line}\n" for line in lines)
    return f"""{top}
id: {id}
namespace: test
{more}
tasks: [{task}]
triggers:
  - id: after
    type: core.trigger.Flow
{own}
"""


AFTER_UP = "preconditions: {id: up, flows: [{namespace: test, flowId: up, states: [SUCCESS]}]}"
BOTH = "preconditions: {id: both, flows: [{namespace: test, flowId: up}, {namespace: test, flowId: other}]}"


OF_UP = "{type: core.condition.ExecutionFlow, namespace: test, flowId: up}"
OF_OTHER = "{type: core.condition.ExecutionFlow, namespace: test, flowId: other}"
MULTIPLE = f"type: core.condition.MultipleCondition, id: m, window: P1D, conditions: {{a: {OF_UP}, b: {OF_OTHER}}}"
EITHER = "dependsOn: [{flowId: up}, {flowId: other}]"


def condition(type: str, *properties: str) -> str:
    return f"conditions: [{{{', '.join((f'type: core.condition.{type}', *properties))}}}]"


def waits(properties: str) -> str:
    return f"preconditions: {{id: x, {properties}}}"


def where(*filters: str) -> str:
    operand = "OR" if len(filters) > 1 else "AND"
    each = ", ".join(f"{{{one}}}" for one in filters)
    return waits(f"where: [{{id: w, operand: {operand}, filters: [{each}]}}]")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, BEGIN) as made:
        await made.save(UP.format(id="up"))
        await made.save(UP.format(id="other"))
        yield made


async def run(
    bench: Bench, flow: str = "up", inputs: Mapping[str, Any] | None = None, kind: ExecutionKind = ExecutionKind.NORMAL
) -> Execution:
    """An execution of an upstream flow, ended."""
    made = await bench.engine.control.create("test", flow, inputs=inputs or {}, kind=kind)
    return await bench.end(made.id)


async def decided(bench: Bench, flow: str = "flow") -> TriggerState:
    """The state of a trigger once it has decided on all that it was told."""
    with anyio.fail_after(SECONDS):
        while await bench.engine.store.state_changes.of("test", flow, "after", 1):
            await anyio.sleep(0.005)
    return await bench.state("after", flow)


async def followers(bench: Bench, flow: str = "flow") -> list[Execution]:
    """The executions that followed, ended, once the trigger has decided on everything."""
    await decided(bench, flow)
    return [await bench.end(one.id) for one in await bench.started(flow)]


async def followed(bench: Bench, flow: str = "flow") -> list[str]:
    """The executions that were followed."""
    found = await followers(bench, flow)
    return [str(one.trigger.variables["executionId"]) for one in found if one.trigger is not None]


def labels(execution: Execution) -> dict[str, str]:
    return {label.key: label.value for label in execution.labels}


async def test_it_starts_an_execution_after_another(bench: Bench) -> None:
    await bench.save(down(AFTER_UP))
    up = await run(bench)
    (one,) = await followers(bench)
    assert one.state is Status.SUCCESS
    assert one.trigger is not None
    assert (one.trigger.id, one.trigger.type) == ("after", "io.kestra.plugin.core.trigger.Flow")
    assert one.trigger.variables == {
        "executionId": up.id,
        "namespace": "test",
        "flowId": "up",
        "flowRevision": 1,
        "state": "SUCCESS",
        "outputs": {"said": "hello world"},
        "executionLabels": {"system.correlationId": up.id, "team": "red"},
        "startDate": "2026-05-04T11:59:30.000Z",
        "endDate": "2026-05-04T11:59:30.000Z",
        "lastTaskId": "fail",
    }
    assert labels(one) == {"system.correlationId": up.id}
    state = await bench.state("after")
    assert (state.fired, state.evaluated, state.failures) == (bench.clock.now(), bench.clock.now(), 0)


async def test_what_does_not_come_to_one_of_the_states_is_not_followed(bench: Bench) -> None:
    await bench.save(down(AFTER_UP))
    await bench.save(down("states: [FAILED]", f"conditions: [{OF_UP}]", id="alarm"))
    failed = await run(bench, inputs={"fails": True})
    fine = await run(bench)
    assert await followed(bench) == [fine.id]
    assert await followed(bench, "alarm") == [failed.id]
    (alarm,) = await followers(bench, "alarm")
    assert alarm.trigger is not None
    assert alarm.trigger.variables["firstFailedTaskId"] == "fail"


async def test_inputs_and_labels_see_the_execution_and_its_outputs(bench: Bench) -> None:
    await bench.save(
        down(
            AFTER_UP,
            'inputs: {a: "{{ trigger.outputs.said }}", b: "{{ outputs.say.value }} {{ flow.id }} {{ trigger.state }}"}',
            'labels: {from: "{{ trigger.flowId }} {{ labels.team }}", none: "{{ nothing.there }}"}',
            more="inputs: [{id: a, type: STRING}, {id: b, type: STRING}]",
        )
    )
    await run(bench)
    (one,) = await followers(bench)
    assert one.inputs == {"a": "hello world", "b": "hello world flow SUCCESS"}
    assert labels(one)["from"] == "up red"
    assert "none" not in labels(one)


@pytest.mark.parametrize(
    ("line", "follows"),
    [
        (condition("ExecutionLabels", "labels: {team: red}"), True),
        (condition("ExecutionLabels", "labels: {team: blue}"), False),
        (condition("ExecutionNamespace", "namespace: te, comparison: PREFIX"), True),
        (condition("ExecutionNamespace", "namespace: te"), False),
        (condition("ExecutionOutputs", "expression: \"{{ trigger.outputs.said == 'hello world' }}\""), True),
        (condition("HasRetryAttempt"), False),
        (condition("Not", f"conditions: [{OF_UP}]"), False),
        (condition("Or", f"conditions: [{OF_UP}]"), True),
        (waits("flows: [{namespace: test, labels: {team: red}}]"), True),
        (waits("flows: [{namespace: test, labels: {team: blue}}]"), False),
        (where("field: FLOW_ID, type: IN, values: [up, down]"), True),
        (where("field: FLOW_ID, type: NOT_IN, values: [up, down]"), False),
        (where("field: FLOW_ID, type: REGEX, value: u."), True),
        (where("field: FLOW_ID, type: REGEX, value: u"), False),
        (where("field: STATE, type: NOT_EQUAL_TO, value: FAILED"), True),
        (where("field: EXPRESSION, type: IS_TRUE, value: \"{{ labels.team == 'red' }}\""), True),
        (where('field: EXPRESSION, type: IS_TRUE, value: "{{ labels.team }}"'), False),
        (where("field: FLOW_ID, type: EQUAL_TO, value: z", "field: NAMESPACE, type: ENDS_WITH, value: st"), True),
        ("dependsOn: [{namespace: test, flowId: up}]", True),
        ("dependsOn: [{flowId: up, when: \"{{ outputs.said == 'hello world' and state == 'SUCCESS' }}\"}]", True),
        ('dependsOn: [{flowId: up, when: "{{ hasRetryAttempt or labels.team == flowId }}"}]', False),
        ("when: \"{{ trigger.outputs.said == 'hello world' }}\"", True),
        ("when: \"{{ trigger.outputs.said == 'x' }}\"", False),
    ],
)
async def test_what_it_is_told_of_is_not_all_that_it_follows(bench: Bench, line: str, follows: bool) -> None:
    await bench.save(down(line))
    up = await run(bench)
    assert await followed(bench) == [up.id] * follows


async def test_an_execution_never_follows_one_of_its_own_flow(bench: Bench) -> None:
    await bench.save(down("conditions: [{type: core.condition.ExecutionNamespace, namespace: test}]"))
    up = await run(bench)
    assert await followed(bench) == [up.id]


async def test_tests_are_not_followed_and_who_is_off_follows_nothing(bench: Bench) -> None:
    await bench.save(down(AFTER_UP))
    await bench.save(down(AFTER_UP, "disabled: true", id="off"))
    await bench.save(down(AFTER_UP, more="disabled: true", id="away"))
    await run(bench, kind=ExecutionKind.TEST)
    await bench.engine.triggers.set_disabled("test", "flow", "after", True)
    await run(bench)
    assert [await followed(bench, flow) for flow in ("flow", "off", "away")] == [[], [], []]
    await bench.engine.triggers.set_disabled("test", "flow", "after", False)
    up = await run(bench)
    assert await followed(bench) == [up.id]


async def test_all_that_is_waited_for_must_happen(bench: Bench) -> None:
    await bench.save(down(BOTH))
    await run(bench)
    again = await run(bench, inputs={"name": "you"})
    assert await followers(bench) == []
    (window,) = (await bench.state("after")).windows
    assert [met.execution for met in window.met.values()] == [again.id]
    other = await run(bench, "other", {"name": "me"})
    (one,) = await followers(bench)
    assert one.trigger is not None
    assert one.trigger.variables["executionId"] == other.id
    outputs = {"said": "hello me", "up": {"said": "hello you"}, "other": {"said": "hello me"}}
    assert one.trigger.variables["outputs"] == outputs
    assert (await bench.state("after")).windows == ()


async def test_tr_07_it_is_noted_what_came_of_each(bench: Bench) -> None:
    await bench.save(down(BOTH, "conditions: [{type: core.condition.ExecutionLabels, labels: {team: red}}]"))
    await run(bench)
    await run(bench, "other")
    (one,) = await followers(bench)
    await bench.engine.logs.flushed()
    found = await bench.engine.store.logs.evaluations("test", "flow", "after", 10)
    assert sorted((it.outcome, it.execution) for it in found) == [("FIRED", one.id), ("SKIPPED", None)]


async def test_a_window_ends(bench: Bench) -> None:
    await bench.save(down(BOTH.replace("both,", "both, timeWindow: {window: PT1H},")))
    await run(bench)
    await decided(bench)
    await bench.jump("2026-05-04T12:00:00Z")
    other = await run(bench, "other")
    assert await followers(bench) == []
    (window,) = (await bench.state("after")).windows
    assert [met.execution for met in window.met.values()] == [other.id]
    await run(bench)
    assert len(await followers(bench)) == 1


async def test_progress_of_a_window_belongs_to_what_is_waited_for_and_survives_edits(bench: Bench) -> None:
    """TR-08: state belongs to the trigger and survives an edit, and a delete with a later return."""
    await bench.save(down("dependsOn: [{flowId: up}, {flowId: other}]"))
    await run(bench)
    await decided(bench)
    await bench.save(down("dependsOn: [{flowId: other}, {flowId: up}]"))
    await bench.engine.control.delete_flow("test", "flow")
    await bench.save(down("description: as before", "dependsOn: [{flowId: other}, {flowId: up}]"))
    other = await run(bench, "other")
    assert await followed(bench) == [other.id]


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ((EITHER, "mode: ANY"), 3),
        ((EITHER, "mode: AT_LEAST", "minSatisfied: 2"), 1),
        ((EITHER, "window: {}"), 2),
        ((EITHER, "window: {fireOnce: true}"), 1),
        ((EITHER, "window: {lookback: PT1H}"), 2),
        ((BOTH.replace("both,", "both, resetOnSuccess: false,"),), 2),
        ((f"conditions: [{{{MULTIPLE}}}]",), 1),
    ],
)
async def test_how_often_it_fires(bench: Bench, lines: tuple[str, ...], count: int) -> None:
    await bench.save(down(*lines))
    for flow in ("up", "other", "up"):
        await run(bench, flow)
    assert len(await followers(bench)) == count


async def test_a_window_that_closes_too_early_makes_a_failed_execution(bench: Bench) -> None:
    window = 'window: {from: "12:00:00", to: "13:00:00", fireOnce: true}'
    await bench.save(down(EITHER, window, "onMiss: {behavior: FAIL, labels: {missed: window}}"))
    closes = to_millis(moment("2026-05-04T13:00:00Z"))
    await bench.until(lambda state: state.next == closes, "after")
    await bench.jump("2026-05-04T12:30:00Z")
    await run(bench)
    await run(bench, "other")
    await run(bench)
    assert len(await followers(bench)) == 1
    await bench.jump("2026-05-04T13:00:00Z")
    await bench.until(lambda state: state.next == closes + DAY, "after")
    assert len(await bench.started()) == 1
    await bench.jump("2026-05-05T12:30:00Z")
    await run(bench)
    await decided(bench)
    await bench.jump("2026-05-05T13:00:00Z")
    state = await bench.until(lambda state: state.next == closes + 2 * DAY, "after")
    assert state.windows == ()
    failed = next(one for one in await followers(bench) if one.state is Status.FAILED)
    assert failed.error == "Only 1 of 2 had happened when the window closed at 2026-05-05T13:00:00.000Z"
    assert labels(failed)["missed"] == "window"
    await bench.jump("2026-05-06T13:00:00Z")
    await bench.until(lambda state: state.next == closes + 3 * DAY, "after")
    assert [one.state for one in await followers(bench)].count(Status.FAILED) == 2


async def test_each_state_on_the_way_is_followed(bench: Bench) -> None:
    await bench.save(
        "id: waits\nnamespace: test\ntasks: [{id: pause, type: core.flow.Pause}, {id: t, type: core.debug.Return}]"
    )
    await bench.save(down("states: [RUNNING, PAUSED, SUCCESS]", "dependsOn: [{flowId: waits}]"))
    made = await bench.engine.control.create("test", "waits")
    with anyio.fail_after(SECONDS):
        while (await bench.engine.store.executions.head(made.id))[0].state is not Status.PAUSED:
            await anyio.sleep(0.005)
    await bench.engine.control.resume(made.id)
    await bench.end(made.id)
    states = [str(one.trigger.variables["state"]) for one in await followers(bench) if one.trigger]
    assert sorted(states) == ["PAUSED", "RUNNING", "RUNNING", "SUCCESS"]


@pytest.mark.parametrize("broken", ['"{{ nothing.there }}"', "\"{{ 'a' | nope }}\""])
async def test_tr_10_a_condition_that_cannot_be_told_is_an_error(bench: Bench, broken: str) -> None:
    await bench.save(down(AFTER_UP, f"when: {broken}", top="# dialect: 2"))
    await bench.save(down(AFTER_UP, f"when: {broken}", "failOnTriggerError: true", top="# dialect: 2", id="strict"))
    up = await run(bench)
    assert await followers(bench) == []
    state = await bench.state("after")
    assert state.failures == 1
    assert state.error is not None
    assert state.error.startswith(f"execution {up.id} SUCCESS: ")
    assert "when" in state.error
    (one,) = await followers(bench, "strict")
    assert one.state is Status.FAILED
    assert one.error is not None
    assert "when" in one.error


@pytest.mark.parametrize(("top", "count"), [("# dialect: 1", 0), ("# dialect: 2", 1)])
async def test_inputs_that_cannot_be_rendered_fail_an_execution_in_dialect_2(
    bench: Bench, top: str, count: int
) -> None:
    line = "dependsOn: [{flowId: up}]" if count else AFTER_UP
    await bench.save(down(line, 'inputs: {a: "{{ nothing.there }}"}', more="inputs: [{id: a, type: STRING}]", top=top))
    await run(bench)
    found = await followers(bench)
    assert [one.state for one in found] == [Status.FAILED] * count
    assert "nothing" in str((await bench.state("after")).error)
    await run(bench, "other")
    assert (await bench.state("after")).failures == 1


@pytest.mark.parametrize(("line", "state"), [(AFTER_UP, Status.SUCCESS), ("dependsOn: [{flowId: up}]", Status.FAILED)])
async def test_who_gives_no_inputs_starts_it_without_them_in_dialect_1(bench: Bench, line: str, state: Status) -> None:
    await bench.save(down(line, more="inputs: [{id: a, type: STRING}, {id: b, type: INT, defaults: 3}]"))
    await run(bench)
    (one,) = await followers(bench)
    assert one.state is state
    assert one.inputs == ({"b": 3} if state is Status.SUCCESS else {})


async def test_tr_05_one_that_cannot_decide_holds_up_nobody_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.core.condition import ExecutionLabels

    begun = anyio.Event()

    async def hang(self: ExecutionLabels, seen: object) -> bool:
        begun.set()
        await anyio.sleep_forever()
        return True

    monkeypatch.setattr(ExecutionLabels, "holds", hang)
    await bench.save(down("conditions: [{type: core.condition.ExecutionLabels, labels: {a: b}}]", id="hangs"))
    await bench.save(down(AFTER_UP))
    up = await run(bench)
    with anyio.fail_after(SECONDS):
        await begun.wait()
    second = await run(bench)
    assert sorted(await followed(bench)) == sorted([up.id, second.id])
    assert len(await bench.engine.store.state_changes.of("test", "hangs", "after", 10)) >= 2


async def test_what_fails_is_tried_again_and_then_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.core.condition import ExecutionLabels

    broken = True

    async def fail(self: ExecutionLabels, seen: object) -> bool:
        if broken:
            raise RuntimeError("no luck")
        return True

    monkeypatch.setattr(ExecutionLabels, "holds", fail)
    await bench.save(down("conditions: [{type: core.condition.ExecutionLabels, labels: {a: b}}]"))
    await run(bench)
    state = await bench.until(lambda state: state.failures == 1, "after")
    assert state.error == "RuntimeError: no luck"
    for failures in range(2, 11):
        await bench.go_on(2 ** (failures - 2))
        await bench.until(lambda state, wanted=failures: state.failures == wanted, "after")  # type: ignore[misc]
    await bench.go_on(900)
    state = await decided(bench)
    assert "given up after 10 tries: RuntimeError: no luck" in str(state.error)
    broken = False
    up = await run(bench)
    assert await followed(bench) == [up.id]
    assert (await bench.state("after")).failures == 0


async def test_a_store_that_is_away_is_not_the_fault_of_an_execution(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triggers.follower import TRIES, Follower

    decision = Follower._decision
    away = True
    asked = 0

    async def fail(self: Follower, *arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if away:
            raise Unavailable("the disk is full")
        return await decision(self, *arguments)

    monkeypatch.setattr(Follower, "_decision", fail)
    await bench.save(down(AFTER_UP))
    up = await run(bench)
    with anyio.fail_after(SECONDS):
        while asked <= TRIES + 1:
            await bench.go_on(900)
    away = False
    await bench.go_on(900)
    assert await followed(bench) == [up.id]


async def test_tr_11_a_limit_counts_for_what_follows_too(bench: Bench) -> None:
    await bench.save(down(AFTER_UP, more="concurrency: {limit: 1, behavior: CANCEL}", task=PAUSE))
    for _ in range(3):
        await run(bench)
    await decided(bench)
    states = [one.state for one in await bench.started()]
    assert len(states) == 3
    assert states.count(Status.CANCELLED) == 2


async def test_tr_02_of_one_state_change_there_is_one_execution(bench: Bench, tmp_path: Path) -> None:
    """TR-01, TR-02: hosts of two processes at the same triggers."""
    await bench.save(down(AFTER_UP))
    async with opened(tmp_path, BEGIN):
        ups = [(await run(bench)).id for _ in range(20)]
        found = await followed(bench)
    assert sorted(found) == sorted(ups)


async def test_what_happens_while_no_host_runs_is_followed_later(tmp_path: Path) -> None:
    async with opened(tmp_path, BEGIN) as bench:
        await bench.save(UP.format(id="up"))
        await bench.save(down(AFTER_UP))
    async with opened(tmp_path, BEGIN, hosted=False) as bench:
        up = await run(bench)
        assert await bench.started() == []
    async with opened(tmp_path, BEGIN) as bench:
        assert await followed(bench) == [up.id]


async def test_a_large_output_and_a_secret_one_come_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "aHVzaCBodXNo")
    await bench.save(
        "id: gives\nnamespace: test\n"
        "tasks: [{id: t, type: core.debug.Return, format: \"{{ secret('KEY') }}\"}]\n"
        'outputs: [{id: hidden, type: STRING, value: "{{ outputs.t.value }}"}]'
    )
    await bench.save(
        down(
            "dependsOn: [{flowId: gives}]",
            'inputs: {a: "{{ trigger.outputs.hidden | length }}"}',
            more="inputs: [{id: a, type: STRING}]\n"
            'outputs: [{id: o, type: INT, value: "{{ trigger.outputs.hidden | length }}"}]',
        )
    )
    await run(bench, "gives")
    (one,) = await followers(bench)
    assert one.inputs == {"a": "9"}
    assert one.outputs == {"o": 9}
    assert one.trigger is not None
    assert "hush" not in str(one.trigger.variables)
