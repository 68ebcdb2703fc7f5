"""What each block opens and how it ends, one example at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from engine.executor.plan import FlowOutput, Kind, Node, Plan, make_plan
from engine.state.command import Ended, RunTask
from engine.state.event import Lost, Patch, Started, TaskEnded, TaskStarted
from engine.state.execution import Label
from engine.state.status import Status
from executor.world import START, Outcome, World, node, plan_of

OK, KO, WARNING = Status.SUCCESS, Status.FAILED, Status.WARNING


def block(kind: Kind, *tasks: Node, id: str = "block", **fields: Any) -> Node:
    branches = {"tasks": tasks, **fields.pop("branches", {})}
    return node(id, kind=kind, branches=branches, ask="x", **fields)


def order_of(world: World) -> list[str]:
    return [run.path for run in sorted(world.record.runs.values(), key=lambda run: run.order)]


def test_tasks_of_a_flow_follow_each_other() -> None:
    world = World(plan_of(node("a"), node("b"))).start()
    assert world.states == {"a": Status.CREATED}
    world.run()
    assert world.history() == [Status.CREATED, Status.RUNNING, OK]
    assert world.history("b") == [Status.CREATED, Status.RUNNING, OK]
    assert [attempt.number for attempt in world.task_run("b").attempts] == [1]


def test_an_empty_flow_is_a_success() -> None:
    assert World(plan_of()).start().state is OK


def test_a_failure_ends_the_sequence_and_the_errors_and_finally_branches_follow() -> None:
    plan = plan_of(node("a"), node("b"), errors=[node("e1"), node("e2")], finally_=[node("f")])
    world = World(plan, {"a": KO}).start().run()
    assert order_of(world) == ["a", "e1", "e2", "f"]
    assert world.state is KO


@pytest.mark.parametrize("main", [OK, KO, WARNING])
def test_neither_errors_nor_finally_change_the_state(main: Status) -> None:
    plan = plan_of(node("a"), errors=[node("e1"), node("e2")], finally_=[node("f1"), node("f2")])
    world = World(plan, {"a": main, "e1": KO, "f1": KO}).start().run()
    assert world.state is main
    assert order_of(world) == (["a", "e1", "f1"] if main is KO else ["a", "f1"])


def test_each_failed_block_runs_its_errors_from_the_inside_out() -> None:
    inner = block(Kind.SEQUENTIAL, node("a"), id="inner", branches={"errors": (node("e1"),)})
    outer = block(Kind.SEQUENTIAL, inner, id="outer", branches={"errors": (node("e2"),)})
    world = World(plan_of(outer, errors=[node("e3")]), {"a": KO}).start().run()
    assert order_of(world) == ["outer", "outer/inner", "outer/inner/a", "outer/inner/e1", "outer/e2", "e3"]


def test_parallel_opens_all_children_or_as_many_as_it_may() -> None:
    children = (node("a"), node("b"), node("c"))
    assert set(World(plan_of(block(Kind.PARALLEL, *children))).start().tasks) == {
        ("block/a", 1),
        ("block/b", 1),
        ("block/c", 1),
    }
    world = World(plan_of(block(Kind.PARALLEL, *children, concurrent=2))).start()
    assert set(world.tasks) == {("block/a", 1), ("block/b", 1)}
    world.end("block/b")
    assert ("block/c", 1) in world.tasks


def test_a_failure_in_parallel_waits_for_what_runs_and_opens_nothing() -> None:
    children = (node("a"), node("b"), node("c"))
    world = World(plan_of(block(Kind.PARALLEL, *children, concurrent=2, branches={"errors": (node("e"),)}))).start()
    world.end("block/a", KO)
    assert set(world.states) == {"block", "block/a", "block/b"}
    world.end("block/b")
    assert set(world.states) == {"block", "block/a", "block/b", "block/e"}
    assert world.run().state is KO


@pytest.mark.parametrize(("answer", "holds"), [("true", True), ("1", True), ("no", True), ("0", False), ("", False)])
def test_if_takes_the_branch_of_its_condition(answer: str, holds: bool) -> None:
    choice = node("if", kind=Kind.IF, ask="x", branches={"then": (node("yes"),), "else": (node("no"),)})
    world = World(plan_of(choice), answers={"if": answer}).start().run()
    assert order_of(world) == ["if", "if/yes" if holds else "if/no"]
    assert world.task_run("if").outputs == {"evaluationResult": holds}


def test_if_without_the_branch_is_a_success() -> None:
    choice = node("if", kind=Kind.IF, ask="x", branches={"then": (node("yes"),)})
    world = World(plan_of(choice), answers={"if": "false"}).start().run()
    assert world.states == {"if": OK}


@pytest.mark.parametrize(
    ("value", "path", "defaults"), [("A", "switch/a", False), ("Z", "switch/d", True), (1, "switch/one", False)]
)
def test_switch_takes_the_case_of_its_value(value: Any, path: str, defaults: bool) -> None:
    branches = {"case:A": (node("a"),), "case:1": (node("one"),), "defaults": (node("d"),)}
    world = World(plan_of(node("switch", kind=Kind.SWITCH, ask="x", branches=branches)), answers={"switch": value})
    world.start().run()
    assert order_of(world) == ["switch", path]
    assert world.task_run("switch").outputs == {"value": str(value), "defaults": defaults}


def test_switch_without_a_matching_case_fails() -> None:
    switch = node("switch", kind=Kind.SWITCH, ask="x", branches={"case:A": (node("a"),)})
    world = World(plan_of(switch, node("after")), answers={"switch": "B"}).start().run()
    assert world.states == {"switch": KO}
    assert world.task_run("switch").error == "No case of 'switch' matches the value 'B' and it has no defaults"


def test_a_question_that_cannot_be_answered_fails_its_block() -> None:
    choice = node("if", kind=Kind.IF, ask="x", branches={"then": (node("yes"),), "errors": (node("e"),)})
    world = World(plan_of(choice), answers={"if": ValueError("Unable to find `x`")}).start().run()
    assert world.states == {"if": KO, "if/e": OK}
    assert world.task_run("if").error == "Unable to find `x`"


def dag(concurrent: int = 0) -> World:
    depends_on = {"c": ("a", "b"), "d": ("c",), "e": ("gone",)}
    tasks = (node("d"), node("c"), node("b"), node("a"), node("e"))
    return World(plan_of(block(Kind.DAG, *tasks, depends_on=depends_on, concurrent=concurrent))).start()


def test_a_dag_opens_what_waits_for_nothing_more() -> None:
    world = dag()
    assert {path for path, _attempt in world.tasks} == {"block/a", "block/b", "block/e"}
    world.end("block/a")
    assert "block/c" not in world.states
    world.end("block/b", WARNING)
    assert "block/c" in world.states
    world.end("block/c")
    world.run()
    assert world.state is WARNING
    assert len(world.states) == 6


def test_a_failure_stops_a_dag() -> None:
    world = dag(concurrent=1)
    world.end("block/b", KO)
    assert world.states == {"block": KO, "block/b": KO}


def test_allow_failure_makes_its_failure_a_warning_and_keeps_that_of_the_child() -> None:
    inner = block(Kind.ALLOW_FAILURE, node("a"), branches={"errors": (node("e"),), "finally": (node("f"),)})
    world = World(plan_of(inner, node("after")), {"a": KO}).start().run()
    assert world.states == {"block": WARNING, "block/a": KO, "block/e": OK, "block/f": OK, "after": OK}
    assert world.state is WARNING


@pytest.mark.parametrize(
    ("failure", "warning", "ended", "expected"),
    [
        (True, False, KO, WARNING),
        (True, True, KO, OK),
        (False, True, KO, KO),
        (False, True, WARNING, OK),
        (False, False, WARNING, WARNING),
    ],
)
def test_allowed_ends(failure: bool, warning: bool, ended: Status, expected: Status) -> None:
    world = World(plan_of(node("a", allow_failure=failure, allow_warning=warning)), {"a": ended}).start().run()
    assert world.states == {"a": expected}
    assert world.state is expected
    assert world.task_run("a").attempts[-1].state is ended


@pytest.mark.parametrize("kind", [Kind.TASK, Kind.SEQUENTIAL, Kind.FOREACH])
def test_what_run_if_refuses_is_skipped_with_all_its_children(kind: Kind) -> None:
    refused = block(kind, node("child"), run_if="x") if kind is not Kind.TASK else node("block", run_if="x")
    world = World(plan_of(refused, node("after")), answers={"block": "false"}).start().run()
    assert world.states == {"block": Status.SKIPPED, "after": OK}
    assert world.state is OK
    assert world.task_run("block").attempts == ()


def test_a_run_if_that_cannot_be_rendered_fails() -> None:
    world = World(plan_of(node("a", run_if="x"), node("b")), answers={"a": ValueError("boom")}).start().run()
    assert world.states == {"a": KO}
    assert world.task_run("a").error == "Unable to evaluate the runIf condition for task a: boom"


def test_a_block_asks_run_if_before_its_own_question() -> None:
    loop = block(Kind.FOREACH, node("t"), run_if="x")
    answers = {"run_if": "yes", "values": ["1"]}
    world = World(plan_of(loop), answers=lambda _path, ask: answers[ask]).start()
    assert list(world.asks) == [("block", "run_if")]
    assert world.history("block") == [Status.CREATED]
    world.run()
    assert world.states == {"block": OK, "block#0/t": OK}


def with_outputs(tasks: Sequence[Node]) -> Plan:
    declared = (FlowOutput("o", "STRING", "{{ x }}"),)
    return make_plan(namespace="n", flow="f", revision=1, root=plan_of(*tasks).root, outputs=declared)


def test_outputs_are_rendered_at_the_end() -> None:
    world = World(with_outputs([node("a")]), answers={"": {"o": "x"}}).start().run()
    assert world.state is OK
    assert world.record.execution.outputs == {"o": "x"}


def test_outputs_that_cannot_be_rendered_fail_the_execution() -> None:
    world = World(with_outputs([node("a")]), answers={"": ValueError("boom")}).start().run()
    assert world.state is KO
    assert world.record.execution.outputs is None
    assert world.record.execution.error == "Failed to render output values: boom"


def test_an_execution_that_is_refused_runs_nothing() -> None:
    world = World(plan_of(node("a")))
    world.send(Started(at=START, admission="refused", state=KO))
    assert world.state is KO
    assert world.sent == [Ended(KO)]
    assert world.states == {}


def test_a_queued_execution_starts_when_it_is_admitted() -> None:
    world = World(plan_of(node("a")))
    world.send(Started(at=START, admission="queued"))
    assert world.history() == [Status.CREATED, Status.QUEUED]
    world.send(Started(at=START))
    assert world.run().state is OK


def test_a_lost_attempt_is_run_again_and_its_late_report_counts_for_nothing() -> None:
    world = World(plan_of(node("a"))).start()
    world.send(TaskStarted(at=START, path="a", attempt=1))
    world.send(Lost(at=START, path="a", attempt=1))
    assert world.sent[-1] == RunTask("a", 2)
    world.send(TaskEnded(at=START, path="a", attempt=1, state=KO))
    assert world.states == {"a": Status.CREATED}
    world.end("a")
    assert world.state is OK
    assert [attempt.state for attempt in world.task_run("a").attempts] == [Status.KILLED, OK]


def test_a_lost_attempt_may_fail_its_task() -> None:
    world = World(plan_of(node("a", fail_when_lost=True))).start()
    world.send(Lost(at=START, path="a", attempt=1))
    assert world.states == {"a": KO}
    assert world.state is KO


def test_a_task_may_change_labels_and_variables_of_its_execution() -> None:
    patches = iter(
        [
            Patch(labels=(Label("a", "1"), Label("b", "2")), variables={"x": {"y": 1}, "list": [1]}),
            Patch(labels=(Label("a", "3"),), variables={"x": {"z": 2}, "list": [2]}),
        ]
    )
    world = World(plan_of(node("a"), node("b")), lambda _path, _attempt: Outcome(patch=next(patches))).start().run()
    assert world.record.execution.labels == (Label("a", "3"), Label("b", "2"))
    assert world.record.execution.variables == {"x": {"y": 1, "z": 2}, "list": [2]}


def test_a_task_may_forget_variables_of_its_flow_and_its_execution() -> None:
    patches = iter(
        [
            Patch(variables={"flow": {"b": 3}, "made": 1}),
            Patch(variables={"made": 2}, removed=("flow.a", "made", "flow.none.deeper", "none")),
        ]
    )
    plan = plan_of(node("a"), node("b"))
    flow = {"flow": {"a": 1, "b": 2}, "kept": True}
    plan = msgspec.structs.replace(plan, variables=flow)
    world = World(plan, lambda _path, _attempt: Outcome(patch=next(patches))).start()
    assert world.record.execution.variables is None
    world.run()
    assert world.record.execution.variables == {"flow": {"b": 3}, "kept": True}
    assert flow == {"flow": {"a": 1, "b": 2}, "kept": True}


def test_outputs_of_a_failed_task_are_kept() -> None:
    world = World(plan_of(node("a")), lambda _path, _attempt: Outcome(KO, {"exitCode": 1}, error="exit 1"))
    world.start().run()
    assert world.task_run("a").outputs == {"exitCode": 1}
    assert world.task_run("a").attempts[-1].error == "exit 1"
