"""Blocks: what the executor is told, and what is wrong before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidFlow
from engine.plugin import Block, Kind, Shape
from plugins.core.flow import AllowFailure, Dag, EachParallel, EachSequential, ForEach, If, Parallel, Sequential, Switch

LEAF = {"id": "leaf", "type": "core.log.Log", "message": "x"}


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        (Sequential(tasks=[LEAF]), Shape(Kind.SEQUENTIAL)),
        (Parallel(tasks=[LEAF], concurrent=3), Shape(Kind.PARALLEL, concurrent=3)),
        (Parallel(tasks=[LEAF], onChildFailure="continue"), Shape(Kind.PARALLEL, on_child_failure="CONTINUE")),
        (Parallel(tasks=[LEAF], onChildFailure="Cancelled"), Shape(Kind.PARALLEL, on_child_failure="CANCEL")),
        (Parallel(tasks=[LEAF], onChildFailure="FAILED"), Shape(Kind.PARALLEL, on_child_failure="FAIL")),
        (Parallel(tasks=[LEAF], onChildFailure="wait"), Shape(Kind.PARALLEL, on_child_failure="CONTINUE")),
        (AllowFailure(tasks=[LEAF]), Shape(Kind.ALLOW_FAILURE)),
        (If(condition="{{ a }}", then=[LEAF]), Shape(Kind.IF, ask="{{ a }}")),
        (Switch(value="{{ a }}", defaults=[LEAF]), Shape(Kind.SWITCH, ask="{{ a }}")),
        (ForEach(values=["a", {"b": 1}], tasks=[LEAF]), Shape(Kind.FOREACH, ask=["a", {"b": 1}], concurrent=1)),
        (EachSequential(value="{{ a }}", tasks=[LEAF]), Shape(Kind.FOREACH, ask="{{ a }}", concurrent=1)),
        (EachParallel(value=[1], tasks=[LEAF]), Shape(Kind.EACH_PARALLEL, ask=[1])),
        (
            Dag.model_validate({"tasks": [{"task": LEAF}, {"task": {**LEAF, "id": "b"}, "dependsOn": ["leaf"]}]}),
            Shape(Kind.DAG, depends_on={"leaf": (), "b": ("leaf",)}),  # type: ignore[dict-item]
        ),
    ],
)
def test_the_executor_is_told_how_branches_open(block: Block, shape: Shape) -> None:
    assert block.shape() == shape


@pytest.mark.parametrize(
    ("block", "raw", "branches"),
    [
        (If, {"then": [1], "else": [2], "errors": [3], "finally": [4]}, ["then", "else", "errors", "finally"]),
        (Switch, {"cases": {"a": [1, 2], "b": [3]}, "defaults": [4]}, ["case:a", "case:a", "case:b", "defaults"]),
        (Dag, {"tasks": [{"task": 1}], "errors": [2]}, ["tasks", "errors"]),
        (Sequential, {"tasks": "wrong", "errors": [1]}, ["errors"]),
        (Switch, {"cases": "wrong"}, []),
        (Dag, {"tasks": ["wrong"]}, []),
    ],
)
def test_children_are_found_in_their_branches(block: type[Block], raw: dict[str, Any], branches: list[str]) -> None:
    assert [child.branch for child in block.children(raw)] == branches
    for child in block.children(raw):
        found: Any = raw
        for step in child.place:
            found = found[step]
        assert found == child.raw


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("type: core.flow.Parallel\n    tasks: []", "tasks"),
        ("type: core.flow.If\n    condition: 'true'", "then"),
        ("type: core.flow.Switch\n    value: x", "neither cases or default"),
        ("type: core.flow.ForEach\n    values: [1]\n    concurrencyLimit: -1\n    tasks: []", "concurrencyLimit"),
        ("type: core.flow.Sequential\n    tasks: []\n    concurrent: 2", "concurrent"),
    ],
)
def test_a_wrong_block_is_refused_with_its_place(block: str, said: str) -> None:
    from engine.definition.load import load_flow
    from engine.plugin import installed

    with pytest.raises(InvalidFlow, match=rf"tasks\[0\].*{said}"):
        load_flow(f"id: wrong\nnamespace: test\ntasks:\n  - id: block\n    {block}\n", index=installed())


def test_a_value_of_on_child_failure_that_is_none_is_told() -> None:
    assert list(Parallel(tasks=[LEAF], onChildFailure="cancelled").warn()) == []
    place, text = next(Parallel(tasks=[LEAF], onChildFailure="wait").warn())
    assert (place, text) == (("onChildFailure",), "'wait' counts as CONTINUE; write CONTINUE, CANCEL or FAIL")
