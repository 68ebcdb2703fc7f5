"""From a flow to its plan."""

from __future__ import annotations

import pytest

from engine.definition.compile import compile_flow
from engine.definition.load import load_flow
from engine.definition.retry import RetryFields
from engine.executor.plan import Backoff, FlowOutput, Kind, Node, Plan
from engine.ids import NodeId
from engine.plugin import installed
from support.definition_plugins import INDEX


def plan(text: str) -> Plan:
    return compile_flow(load_flow(f"id: f\nnamespace: n\n{text}", index=INDEX).flow, 7)


def peer_plan(text: str) -> Plan:
    return compile_flow(load_flow(f"id: f\nnamespace: n\n{text}", index=installed()).flow, 7)


def node(compiled: Plan, id: str) -> Node:
    return compiled.nodes[NodeId(id)]


def test_a_flow_becomes_a_plan() -> None:
    compiled = plan(
        """\
variables: {a: 1}
tasks:
- {id: one, type: core.log.Log, message: hi, runIf: "{{ x }}", allowFailure: true, logLevel: WARN, timeout: pt5s}
- {id: two, type: core.http.Request, uri: u, allowWarning: true, onLost: FAIL}
errors: [{id: bad, type: core.log.Log, message: bad}]
finally: [{id: end, type: core.log.Log, message: end}]
outputs: [{id: o, type: STRING, value: "{{ x }}", required: false}]
"""
    )
    assert (compiled.namespace, compiled.flow, compiled.revision) == ("n", "f", 7)
    assert compiled.variables == {"a": 1}
    assert compiled.outputs == (FlowOutput("o", "STRING", "{{ x }}", required=False),)
    assert compiled.root.kind is Kind.SEQUENTIAL
    assert {name: [below.id for below in nodes] for name, nodes in compiled.root.branches.items()} == {
        "tasks": ["one", "two"],
        "errors": ["bad"],
        "finally": ["end"],
        "afterExecution": [],
    }
    one, two = node(compiled, "one"), node(compiled, "two")
    assert one.type == "io.kestra.plugin.core.log.Log"
    assert one.kind is Kind.TASK
    assert one.properties == {"message": "hi"}
    assert (one.run_if, one.allow_failure, one.log_level, one.timeout) == ("{{ x }}", True, "WARN", "PT5S")
    assert (two.allow_failure, two.allow_warning, two.fail_when_lost) == (False, True, True)


def test_when_of_dialect_2_is_the_condition() -> None:
    assert node(plan("tasks: [{id: a, type: core.log.Log, message: m, when: x}]"), "a").run_if == "x"


def test_disabled_tasks_are_left_out() -> None:
    compiled = plan(
        """\
tasks:
- {id: a, type: core.log.Log, message: m, disabled: true}
- {id: b, type: core.flow.Sequential, tasks: [{id: c, type: core.log.Log, message: m, disabled: true}]}
"""
    )
    assert set(compiled.nodes) == {"", "b"}
    assert node(compiled, "b").branches == {"tasks": ()}


def test_blocks_say_their_shape_and_hold_their_branches() -> None:
    compiled = plan(
        """\
tasks:
- id: if
  type: core.flow.If
  condition: "{{ c }}"
  then: [{id: yes, type: core.log.Log, message: m}]
  else: [{id: no, type: core.log.Log, message: m}]
  finally: [{id: end, type: core.log.Log, message: m}]
"""
    )
    block = node(compiled, "if")
    assert (block.kind, block.ask, block.properties) == (Kind.IF, "{{ c }}", {})
    assert list(block.branches) == ["then", "else", "finally"]
    assert compiled.parents[NodeId("no")] == "if"


def test_retries_are_handed_down_to_what_does_the_work() -> None:
    compiled = plan(
        """\
retry: {type: constant, interval: PT1S}
tasks:
- {id: flows, type: core.log.Log, message: m}
- id: block
  type: core.flow.Sequential
  retry: {type: exponential, interval: PT1S, maxInterval: PT1M, maxAttempt: 3, delayFactor: 1.5}
  tasks:
  - {id: blocks, type: core.log.Log, message: m}
  - {id: own, type: core.log.Log, message: m, retry: {type: random, minInterval: PT1S, maxInterval: PT2S}}
"""
    )
    found = {id: node(compiled, id).retry for id in ("flows", "block", "blocks", "own")}
    assert found["block"] is None
    assert found["flows"] is not None
    assert found["flows"].type is Backoff.CONSTANT
    blocks = found["blocks"]
    assert blocks is not None
    assert (blocks.type, blocks.interval, blocks.max_interval, blocks.max_attempts, blocks.factor) == (
        Backoff.EXPONENTIAL, 1000, 60_000, 3, 1.5,
    )  # fmt: skip
    assert found["own"] is not None
    assert (found["own"].min_interval, found["own"].max_interval) == (1000, 2000)


def test_a_new_execution_is_had_by_the_loop_and_not_by_its_tasks() -> None:
    anew = "retry: {type: constant, interval: PT1S, behavior: CREATE_NEW_EXECUTION}"
    compiled = peer_plan(
        f"""\
{anew}
tasks:
- id: loop
  type: core.flow.Loop
  values: [1]
  tasks:
  - {{id: task, type: core.log.Log, message: m}}
  - id: inner
    type: core.flow.Sequential
    tasks:
    - {{id: deep, type: core.log.Log, message: m, {anew}}}
    - {{id: again, type: core.log.Log, message: m, retry: {{type: constant, interval: PT1S}}}}
  errors: [{{id: bad, type: core.log.Log, message: m}}]
"""
    )
    retries = {id: node(compiled, id).retry for id in ("loop", "task", "deep", "again", "bad")}
    anew_at = {id for id, retry in retries.items() if retry is not None and retry.new_execution}
    assert anew_at == {"loop", "bad"}
    assert retries["task"] is None
    assert retries["deep"] is None
    assert retries["again"] is not None


@pytest.mark.parametrize(("flows", "own", "retried"), [(True, False, False), (False, True, True), (True, True, True)])
def test_a_retry_on_a_for_each_item_is_for_its_batches_too(flows: bool, own: bool, retried: bool) -> None:
    retry = "retry: {type: constant, interval: PT1S}"
    text = "{id: all, type: core.flow.ForEachItem, items: x, namespace: n, flowId: g"
    compiled = peer_plan(f"{retry if flows else ''}\ntasks:\n- {text}{f', {retry}' if own else ''}}}")
    assert (node(compiled, "all_items").retry is not None) is retried
    assert node(compiled, "all_split").retry is not None


def test_a_retry_may_ask_for_a_new_execution() -> None:
    fields = {"type": "constant", "interval": "PT1S", "behavior": "CREATE_NEW_EXECUTION", "maxDuration": "PT1M"}
    retry = RetryFields.model_validate({**fields, "warningOnRetry": True}).compiled()
    assert (retry.new_execution, retry.max_duration, retry.warning_on_retry) == (True, 60_000, True)


def test_what_waits_for_a_disabled_task_waits_for_what_that_waits_for() -> None:
    steps = "\n".join(
        f"  - task: {{id: {id}, type: core.log.Log, message: m, disabled: {disabled}}}\n    dependsOn: [{waits}]"
        for id, waits, disabled in (("a", "", "false"), ("b", "a", "true"), ("c", "b", "true"), ("d", "c, a", "false"))
    )
    block = node(plan(f"tasks:\n- id: dag\n  type: core.flow.Dag\n  concurrent: 2\n  tasks:\n{steps}"), "dag")
    assert block.depends_on == {"a": (), "d": ("a",)}
    assert block.concurrent == 2


@pytest.mark.parametrize("depth", [5, 40])
def test_blocks_nest(depth: int) -> None:
    text = "{id: leaf, type: core.log.Log, message: m}"
    for level in range(depth):
        text = f"{{id: b{level}, type: core.flow.Sequential, tasks: [{text}]}}"
    assert len(plan(f"tasks: [{text}]").nodes) == depth + 2
