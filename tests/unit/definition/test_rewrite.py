"""Changes to a flow's text."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definition.document import read_yaml
from engine.definition.rewrite import documents, with_property, with_task
from engine.errors import Malformed

BLOCK = """# first
id: a
namespace: shop  # why
disabled: false

tasks:
  - id: one
    type: core.log.Log
    message: |
      # é
      text

  # between
  - {id: two, type: core.log.Log, message: b}
  - id: three
    type: core.log.Log
    message: c
"""


def test_lines_of_dashes_part_flows_and_comments_alone_are_none() -> None:
    assert documents("---\n# none\n---\nid: 1\n--- # two\nid: 2\ntext: a---b\n") == ["id: 1\n", "id: 2\ntext: a---b\n"]


@pytest.mark.parametrize(
    ("name", "value", "old", "new"),
    [
        ("disabled", True, "disabled: false", "disabled: true"),
        ("namespace", "shop.team", "namespace: shop  #", "namespace: shop.team  #"),
        ("deleted", True, "id: a\n", "deleted: true\nid: a\n"),
    ],
)
def test_a_property_is_changed_and_all_else_stays(name: str, value: Any, old: str, new: str) -> None:
    assert with_property(BLOCK, name, value) == BLOCK.replace(old, new, 1)


def test_a_property_that_is_so_already_changes_nothing() -> None:
    assert with_property(BLOCK, "disabled", False) == BLOCK


def test_a_property_of_a_flow_in_braces_is_changed() -> None:
    assert read_yaml(with_property('{"id": "a", "tasks": []}', "disabled", True)).value == {
        "id": "a",
        "tasks": [],
        "disabled": True,
    }


def test_what_would_change_more_is_refused() -> None:
    shared = "id: &name a\nnamespace: *name\ntasks: []\n"
    with pytest.raises(Malformed, match="'namespace' can't be changed"):
        with_property(shared, "namespace", "b")
    with pytest.raises(Malformed, match="a flow is a map"):
        with_property("[]", "disabled", True)


@pytest.mark.parametrize(("task", "index"), [("one", 0), ("two", 1), ("three", 2)])
def test_a_task_is_written_anew_and_all_else_stays(task: str, index: int) -> None:
    properties = {"id": task, "type": "core.debug.Return", "format": "x\n  y: é", "more": {"list": [1, "2"]}}
    changed = with_task(BLOCK, task, properties)
    assert changed is not None
    wanted = read_yaml(BLOCK).value
    wanted["tasks"][index] = properties
    assert read_yaml(changed).value == wanted
    assert "\n  # between\n  - " in changed


def test_a_task_that_is_not_there_is_not_written() -> None:
    assert with_task(BLOCK, "four", {"id": "four"}) is None
