"""Tests of flows: each case is an execution, with stand-ins for tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.definition.flow_test import load_suite
from engine.runtime.engine import Engine
from engine.runtime.flow_testing.flow_tests import CaseResult, Job, Outcome, run_case
from engine.settings import Settings
from engine.state.execution import ExecutionKind
from engine.store.rows import ExecutionFilter
from support.running import end

CLAIM = "{value: '{{ tasks.api.state }}', equalTo: STATE}"
HEAD = "id: t\nnamespace: test\nflowId: f\ntestCases:\n  - id: one\n"


async def result_of(folder: Path, flow: str, case: str, *others: str, timeout: float = 20) -> CaseResult:
    """How a case went; `case` is what follows its id."""
    file = folder / "f.test.yaml"
    loaded = load_suite(HEAD + case, str(file))
    sources = {f"{number}.yaml": text for number, text in enumerate((flow, *others))}
    root = folder / "root"
    root.mkdir()
    result = await run_case(Job(file, loaded, 0, sources), Settings(), root, timeout)
    assert [path.name for path in root.iterdir()] == ["environments"]
    return result


def problems(result: CaseResult) -> list[str]:
    return [
        f"{one.operator} {one.expected!r} {one.actual!r} {one.problem}" for one in result.asserted if not one.passed
    ]


async def test_a_mocked_task_is_not_run_and_gives_outputs_and_state(tmp_path: Path) -> None:
    flow = """
id: f
namespace: test
inputs: [{id: n, type: INT}]
tasks:
  - {id: api, type: core.execution.Fail, retry: {type: constant, interval: PT1H}}
  - {id: warns, type: core.debug.Return, format: real}
  - {id: sum, type: core.debug.Return, format: "{{ outputs.api.rows | length }} {{ outputs.api.own }}"}
outputs:
  - {id: total, type: STRING, value: "{{ outputs.sum.value }}"}
"""
    case = """
    fixtures:
      inputs: {n: 5}
      tasks:
        - {id: api, outputs: {rows: [1, 2], own: "{{ inputs.n + 1 }}"}}
        - {id: warns, state: WARNING}
    expectedState: WARNING
    assertions:
      - {value: "{{ outputs.sum.value }}", equalTo: 2 6}
      - {value: "{{ outputs.api.own }}", equalTo: 6}
      - {value: "{{ outputs.api.rows }}", equalTo: [1, 2]}
      - {value: "{{ outputs.warns.value }}", isNull: true}
      - {value: "{{ tasks.warns.state }} {{ execution.state }}", equalTo: WARNING WARNING}
      - {value: "{{ execution.outputs.total }}", equalTo: 2 6}
      - {value: "{{ task.id }}", taskId: sum, equalTo: sum}
"""
    result = await result_of(tmp_path, flow, case)
    assert (result.outcome, problems(result)) == (Outcome.PASSED, [])


async def test_a_mocked_failure_is_final_and_its_outputs_are_there(tmp_path: Path) -> None:
    flow = """
id: f
namespace: test
tasks:
  - {id: api, type: core.log.Log, message: hi, retry: {type: constant, interval: PT1H}}
errors:
  - {id: tell, type: core.debug.Return, format: "{{ outputs.api.code }}"}
"""
    case = """
    fixtures:
      tasks: [{id: api, state: FAILED, outputs: {code: 503}}]
    expectedState: FAILED
    assertions: [{value: "{{ outputs.tell.value }}", equalTo: 503}]
"""
    assert (await result_of(tmp_path, flow, case)).outcome is Outcome.PASSED


@pytest.mark.parametrize("state", ["KILLED", "CANCELLED", "SKIPPED"])
async def test_a_mock_may_end_in_any_state(state: str, tmp_path: Path) -> None:
    flow = "id: f\nnamespace: test\ntasks: [{id: api, type: core.log.Log, message: hi}]\n"
    case = (
        f"    fixtures: {{tasks: [{{id: api, state: {state}}}]}}\n    assertions: [{CLAIM.replace('STATE', state)}]\n"
    )
    assert (await result_of(tmp_path, flow, case)).outcome is Outcome.PASSED


async def test_a_mock_may_stand_for_one_value_of_a_loop(tmp_path: Path) -> None:
    flow = """
id: f
namespace: test
tasks:
  - id: each
    type: core.flow.ForEach
    values: [a, b, c]
    tasks:
      - id: block
        type: core.flow.Sequential
        tasks: [{id: one, type: core.debug.Return, format: "real {{ parent.taskrun.value }}"}]
"""
    case = """
    fixtures:
      tasks:
        - {id: one, value: b, outputs: {value: mocked}}
        - {id: one, value: c, state: FAILED}
    assertions:
      - {value: "{{ outputs.one.a.value }}, {{ outputs.one.b.value }}", equalTo: "real a, mocked"}
      - {value: "{{ tasks.one.c.state }}", equalTo: FAILED}
"""
    result = await result_of(tmp_path, flow, case)
    assert (result.outcome, problems(result)) == (Outcome.PASSED, [])


async def test_a_mocked_block_runs_nothing_that_is_inside(tmp_path: Path) -> None:
    flow = """
id: f
namespace: test
tasks:
  - {id: wait, type: core.flow.Pause}
  - id: each
    type: core.flow.ForEach
    values: "{{ nowhere }}"
    tasks: [{id: no, type: core.execution.Fail}]
  - {id: after, type: core.debug.Return, format: "{{ outputs.wait.onResume.who }}"}
"""
    case = """
    fixtures:
      tasks:
        - {id: wait, outputs: {onResume: {who: me}}}
        - {id: each}
    expectedState: SUCCESS
    assertions:
      - {value: "{{ outputs.after.value }}", equalTo: me}
      - {value: "{{ tasks.no }}", isNull: true}
"""
    result = await result_of(tmp_path, flow, case)
    assert (result.outcome, problems(result)) == (Outcome.PASSED, [])


async def test_files_keys_secrets_namespace_files_and_a_trigger_are_given(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n")
    flow = """
id: f
namespace: test
inputs: [{id: a, type: FILE}, {id: b, type: FILE}]
tasks:
  - {id: get, type: core.http.Download, uri: "http://nowhere.invalid"}
  - {id: read, type: core.debug.Return, format: "{{ read(outputs.get.uri) }} {{ read(inputs.a) }} {{ read(inputs.b) }}"}
  - {id: more, type: core.debug.Return, format: "{{ kv('k') }} {{ read('n/m.txt') }} {{ trigger.date }}"}
  - {id: hides, type: core.debug.Return, format: "{{ secret('S') }}"}
"""
    case = """
    fixtures:
      files: {a.txt: inline, b.txt: "file:rows.csv"}
      inputs: {a: "{{ files['a.txt'] }}", b: rows.csv}
      tasks: [{id: get, outputs: {uri: "{{ files['b.txt'] }}"}}]
      kv: {k: 7}
      secrets: {S: very-secret}
      namespaceFiles: {n/m.txt: mine}
      trigger: {id: daily, type: io.kestra.plugin.core.trigger.Schedule, variables: {date: today}}
    assertions:
      - {value: "{{ outputs.read.value }}", equalTo: "a,b\\n inline a,b\\n"}
      - {value: "{{ outputs.more.value }}", equalTo: 7 mine today}
      - {value: "{{ outputs.hides.value }}", equalTo: very-secret}
"""
    result = await result_of(tmp_path, flow, case)
    assert [one.passed for one in result.asserted] == [True, True, False]
    assert "very-secret" not in str(result.asserted[2].actual)


async def test_log_lines_can_be_looked_at(tmp_path: Path) -> None:
    flow = "id: f\nnamespace: test\ntasks: [{id: say, type: core.log.Log, message: hello, level: WARN}]\n"
    case = """
    assertions:
      - {value: "{{ logs | jq('.[].message') }}", contains: hello}
      - {value: "{{ logs[0].level }} {{ logs[0].taskId }}", equalTo: WARN say}
"""
    result = await result_of(tmp_path, flow, case)
    assert (result.outcome, problems(result)) == (Outcome.PASSED, [])


async def test_what_does_not_hold_is_told_with_both_values(tmp_path: Path) -> None:
    flow = "id: f\nnamespace: test\ntasks: [{id: no, type: core.execution.Fail, errorMessage: broken}]\n"
    case = """
    expectedState: SUCCESS
    assertions:
      - {value: "{{ state }}", equalTo: SUCCESS, errorMessage: why}
      - {value: "{{ outputs.no.where }}", equalTo: 1, isNull: true}
      - {value: "{{ state }}", greaterThan: 1}
      - {value: "{{ 1 / 0 }}", isNull: true}
"""
    result = await result_of(tmp_path, flow, case)
    assert result.outcome is Outcome.FAILED
    assert result.error == "the execution ended FAILED, not SUCCESS"
    assert [(one.line, one.operator, one.passed) for one in result.asserted] == [
        (9, "equalTo", False),
        (10, "equalTo", False),
        (10, "isNull", True),
        (11, "greaterThan", False),
        (12, "isNull", False),
    ]
    assert (result.asserted[0].expected, result.asserted[0].actual) == ("SUCCESS", "FAILED")
    assert result.asserted[0].description == "why"
    assert "where" in result.asserted[1].problem
    assert "is no number" in result.asserted[3].problem
    assert any("broken" in line for line in result.lines)


async def test_an_execution_that_waits_for_ever_is_given_up(tmp_path: Path) -> None:
    flow = "id: f\nnamespace: test\ntasks: [{id: wait, type: core.flow.Pause}]\n"
    result = await result_of(tmp_path, flow, "    assertions: [{value: '1', equalTo: 1}]\n", timeout=0.3)
    assert result.outcome is Outcome.FAILED
    assert "did not end within 0.3 s: " in result.error
    assert "PAUSED" in result.error


async def test_a_case_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    flow = "id: f\nnamespace: test\ninputs: [{id: n, type: INT}]\ntasks: [{id: a, type: core.log.Log, message: hi}]\n"
    case = "    fixtures: {inputs: {n: many}}\n    assertions: [{value: '1', equalTo: 1}]\n"
    result = await result_of(tmp_path, flow, case)
    assert result.outcome is Outcome.ERROR
    assert "n" in result.error


async def test_a_disabled_case_is_not_run(tmp_path: Path) -> None:
    flow = "id: f\nnamespace: test\ntasks: [{id: a, type: core.log.Log, message: hi}]\n"
    file = tmp_path / "f.test.yaml"
    loaded = load_suite(f"{HEAD}    disabled: true\n    assertions: [{{value: 1, equalTo: 2}}]\n", str(file))
    result = await run_case(Job(file, loaded, 0, {"f.yaml": flow}), Settings(), tmp_path, 5)
    assert result.outcome is Outcome.SKIPPED


async def test_subflows_run_with_the_tested_flow(tmp_path: Path) -> None:
    flow = """
id: f
namespace: test
tasks:
  - {id: call, type: core.flow.Subflow, namespace: test, flowId: child}
"""
    child = """
id: child
namespace: test
tasks: [{id: call, type: core.debug.Return, format: real}]
outputs: [{id: o, type: STRING, value: "{{ outputs.call.value }}"}]
"""
    case = "    assertions: [{value: '{{ outputs.call.outputs.o }}', equalTo: real}]\n"
    result = await result_of(tmp_path, flow, case, child)
    assert (result.outcome, problems(result)) == (Outcome.PASSED, [])


async def test_test_executions_and_what_they_start_are_not_listed(engine: Engine) -> None:
    await engine.control.save_flow("id: child\nnamespace: test\ntasks: [{id: a, type: core.log.Log, message: hi}]\n")
    await engine.control.save_flow(
        "id: f\nnamespace: test\ntasks: [{id: call, type: core.flow.Subflow, namespace: test, flowId: child}]\n"
    )
    execution = await engine.control.create("test", "f", kind=ExecutionKind.TEST)
    await end(engine, execution.id)
    assert not await engine.store.executions.list(ExecutionFilter())
    hidden = await engine.store.executions.list(ExecutionFilter(kinds=(ExecutionKind.TEST,)))
    assert {one.flow for one in hidden} == {"f", "child"}
