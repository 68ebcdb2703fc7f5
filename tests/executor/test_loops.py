"""ForEach: values, lanes, limits, and a work limit for each step."""

from __future__ import annotations

from typing import Any

import pytest

from engine.executor.plan import Kind, Node
from engine.executor.work import OPENED_AT_MOST
from engine.state.status import Status
from executor.world import World, node, plan_of


def loop(*tasks: Node, id: str = "loop", concurrent: int = 1, **branches: tuple[Node, ...]) -> Node:
    named = {name.rstrip("_"): nodes for name, nodes in branches.items()}
    return node(id, kind=Kind.FOREACH, ask="x", concurrent=concurrent, branches={"tasks": tasks, **named})


@pytest.mark.timeout(60)
def test_a_hundred_thousand_values_whose_body_ends_at_once() -> None:
    empty = node("nothing", kind=Kind.SEQUENTIAL, branches={"tasks": ()})
    values = [str(number) for number in range(100_000)]
    for concurrent in (1, 0):
        world = World(plan_of(loop(empty, concurrent=concurrent)), answers={"loop": values}).start().run()
        assert world.state is Status.SUCCESS
        assert len(world.record.runs) == 100_001
        assert world.opened_at_most <= OPENED_AT_MOST
        assert world.task_run("loop#99999/nothing").order == 100_000


def test_a_step_opens_no_more_than_its_limit_and_goes_on_after() -> None:
    values = [str(number) for number in range(1200)]
    world = World(plan_of(loop(node("a"), concurrent=0)), answers={"loop": values}).start()
    world.run(steps=1)
    assert len(world.tasks) == OPENED_AT_MOST
    assert list(world.record.execution.pending) == ["loop"]
    world.run(steps=2)
    assert len(world.tasks) == 1200
    assert not world.record.execution.pending
    assert world.run().state is Status.SUCCESS


def test_blocks_inside_blocks_share_the_limit_of_a_step() -> None:
    inner = node("inner", kind=Kind.SEQUENTIAL, branches={"tasks": (node("empty", kind=Kind.PARALLEL, branches={}),)})
    values = [str(number) for number in range(1000)]
    world = World(plan_of(loop(inner, concurrent=0)), answers={"loop": values}).start().run()
    assert world.state is Status.SUCCESS
    assert len(world.record.runs) == 2001
    assert world.opened_at_most <= OPENED_AT_MOST + 2


def test_values_become_texts_and_appear_once() -> None:
    values: list[Any] = ["a", 1, {"k": [1, True]}, "a", "1"]
    world = World(plan_of(loop(node("t"))), answers={"loop": values}).start().run()
    assert world.record.answers["loop"].value == ["a", "1", '{"k":[1,true]}']
    runs = [world.task_run(f"loop#{lane}/t") for lane in range(3)]
    assert [(run.value, run.iteration) for run in runs] == [("a", 0), ("1", 1), ('{"k":[1,true]}', 2)]


def test_null_values_fail_the_loop() -> None:
    world = World(plan_of(loop(node("t"))), answers={"loop": ["1", None, None]}).start().run()
    assert world.states == {"loop": Status.FAILED}
    assert world.task_run("loop").error == "Found '2' null values on Each, with values=[\"1\",null,null]"


@pytest.mark.parametrize("values", [[], ["a"]])
def test_nothing_to_do_is_a_success(values: list[str]) -> None:
    body = () if values else (node("t"),)
    world = World(plan_of(loop(*body), node("after")), answers={"loop": values}).start().run()
    assert world.states == {"loop": Status.SUCCESS, "after": Status.SUCCESS}


def test_each_value_is_a_chain_of_its_own() -> None:
    world = World(plan_of(loop(node("a"), node("b"), concurrent=0)), answers={"loop": ["1", "2"]}).start().run(steps=1)
    world.end("loop#1/a")
    assert world.states == {
        "loop": Status.RUNNING,
        "loop#0/a": Status.CREATED,
        "loop#1/a": Status.SUCCESS,
        "loop#1/b": Status.CREATED,
    }


def test_the_limit_counts_values() -> None:
    answers = {"loop": ["1", "2", "3"]}
    world = World(plan_of(loop(node("a"), node("b"), concurrent=2)), answers=answers).start().run(steps=1)
    assert set(world.tasks) == {("loop#0/a", 1), ("loop#1/a", 1)}
    world.end("loop#0/a")
    assert "loop#2/a" not in world.states
    world.end("loop#0/b")
    assert "loop#2/a" in world.states


def test_a_failure_opens_nothing_new_and_lets_the_others_finish_their_task() -> None:
    plan = plan_of(loop(node("a"), node("b"), concurrent=2, errors=(node("e"),), finally_=(node("f"),)))
    world = World(plan, answers={"loop": ["1", "2", "3"]}).start().run(steps=1)
    world.end("loop#0/a", Status.FAILED)
    assert "loop/e" not in world.states
    world.end("loop#1/a")
    assert "loop#1/b" not in world.states
    world.run()
    assert world.states == {
        "loop": Status.FAILED,
        "loop#0/a": Status.FAILED,
        "loop#1/a": Status.SUCCESS,
        "loop/e": Status.SUCCESS,
        "loop/f": Status.SUCCESS,
    }


def test_loops_in_loops() -> None:
    inner = loop(node("t"), id="inner", concurrent=0)
    values = {"loop": ["1", "2"], "inner": ["x", "y"]}
    world = World(plan_of(loop(inner)), answers=values).start().run()
    assert world.state is Status.SUCCESS
    assert sorted(path for path in world.states if path.endswith("t")) == [
        f"loop#{outer}/inner#{lane}/t" for outer in range(2) for lane in range(2)
    ]
    assert world.record.answers["loop#1/inner"].value == ["x", "y"]
    assert world.task_run("loop#1/inner").value == "2"


def test_each_parallel_opens_all_tasks_of_all_values_up_to_its_limit() -> None:
    both = node("each", kind=Kind.EACH_PARALLEL, ask="x", branches={"tasks": (node("a"), node("b"))})
    world = World(plan_of(both), answers={"each": ["x", "y"]}).start().run(steps=1)
    assert [path for path, _ in world.tasks] == ["each#0/a", "each#0/b", "each#1/a", "each#1/b"]
    assert (world.task_run("each#1/b").value, world.task_run("each#1/b").iteration) == ("y", 1)
    assert world.run().state is Status.SUCCESS
    limited = node("each", kind=Kind.EACH_PARALLEL, ask="x", concurrent=3, branches={"tasks": (node("a"), node("b"))})
    world = World(plan_of(limited), answers={"each": ["x", "y"]}).start().run(steps=1)
    assert [path for path, _ in world.tasks] == ["each#0/a", "each#0/b", "each#1/a"]
    assert len(world.run().record.runs) == 5
