"""Files with an item a line: DeduplicateItems and FilterItems."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from engine.clock import monotonic
from engine.plugin.testing import TestRun, run_task
from plugins.core.storage import DeduplicateItems, FilterItems

FROM = {"from": "{{ inputs.file }}"}
ITEMS = [
    {"key": "k1", "value": 1},
    {"key": "k2", "value": "dummy"},
    {"key": "k3", "value": 3},
    {"key": "k4", "value": 4},
]


def lines(items: list[Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def items_of(ran: TestRun) -> list[Any]:
    assert ran.state == "SUCCESS", ran.messages
    return [json.loads(line) for line in ran.files[ran.outputs["uri"]].splitlines()]


async def filtered(condition: str, content: bytes, **more: str) -> TestRun:
    return await run_task(FilterItems, {**FROM, "filterCondition": condition, **more}, files={"file": content})


@pytest.mark.parametrize(
    ("behavior", "type", "kept"),
    [
        ("EXCLUDE", "INCLUDE", ["k4"]),
        ("INCLUDE", "INCLUDE", ["k2", "k4"]),
        ("EXCLUDE", "EXCLUDE", ["k1", "k3"]),
        ("INCLUDE", "EXCLUDE", ["k1", "k2", "k3"]),
    ],
)
async def test_items_are_filtered(behavior: str, type: str, kept: list[str]) -> None:
    ran = await filtered(" {{ value % 2 == 0 }} ", lines(ITEMS), errorOrNullBehavior=behavior, filterType=type)
    assert [item["key"] for item in items_of(ran)] == kept
    assert ran.outputs["processedItemsTotal"] == 4
    assert ran.outputs["droppedItemsTotal"] == 4 - len(kept)


async def test_an_expression_that_fails_fails_the_task() -> None:
    ran = await filtered("{{ value % 2 == 0 }}", lines(ITEMS))
    assert ran.state == "FAILED"
    assert ran.messages[0].startswith("filterCondition: item 2: ")


async def test_what_is_no_boolean_holds_unless_it_is_nothing_or_zero() -> None:
    values = [1, "x", True, 0.5, [1], False, 0, "", "false", "-0"]
    ran = await filtered("{{ value }}", lines([{"value": value} for value in values]))
    assert [item["value"] for item in items_of(ran)] == values[:5]


@pytest.mark.parametrize(("behavior", "kept"), [("INCLUDE", 2), ("EXCLUDE", 1)])
async def test_null_is_for_the_behavior_to_decide(behavior: str, kept: int) -> None:
    content = lines([{"value": None}, {"value": True}])
    assert len(items_of(await filtered("{{ value }}", content, errorOrNullBehavior=behavior))) == kept
    failed = await filtered("{{ value }}", content)
    assert failed.messages == ["filterCondition: item 1: the expression gives null"]


async def test_items_keep_their_text_whether_json_or_ion() -> None:
    content = b'{a:1,when:2024-01-01T00:00:00Z}\n\n{"a": 2.50}\r\n{a:3}'
    ran = await filtered("{{ a >= 2 }}", content)
    assert ran.files[ran.outputs["uri"]] == b'{"a": 2.50}\r\n{a:3}\n'
    ran = await filtered("{{ when is defined and (when | date('yyyy')) == '2024' }}", content)
    assert ran.files[ran.outputs["uri"]] == b"{a:1,when:2024-01-01T00:00:00Z}\n"


@pytest.mark.parametrize("name", ["value", "typed", "self", "variables", "flow", "look_up"])
async def test_a_field_may_have_any_name(name: str) -> None:
    content = lines([{name: 1}, {name: 2}])
    assert items_of(await filtered(f"{{{{ {name} == 2 }}}}", content)) == [{name: 2}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n[1]\n', "Line 2 of the file '{uri}' is not a map, so it has no fields to look at"),
        (b'{"a": 1}\n{"a"\n', "Line 2 of the file '{uri}': A line is neither JSON nor Ion"),
        (b"\xff\xfe\n", "Line 1 of the file '{uri}': A line is neither JSON nor Ion"),
    ],
)
async def test_lines_without_items_are_said(content: bytes, message: str) -> None:
    ran = await filtered("{{ true }}", content)
    assert ran.state == "FAILED"
    before, after = message.split("{uri}")
    assert ran.messages[0].startswith(f"{before}kestra:///")
    assert after in ran.messages[0]


async def test_the_last_item_of_each_key_stays() -> None:
    items = [{"id": number % 3, "text": f"{number}"} for number in range(10)]
    ran = await run_task(DeduplicateItems, {**FROM, "expr": "{{ id }}"}, files={"file": lines(items)})
    assert [item["text"] for item in items_of(ran)] == ["7", "8", "9"]
    assert {name: ran.outputs[name] for name in ("numKeys", "processedItemsTotal", "droppedItemsTotal")} == {
        "numKeys": 3,
        "processedItemsTotal": 10,
        "droppedItemsTotal": 7,
    }


async def test_an_empty_file_stays_empty() -> None:
    ran = await run_task(DeduplicateItems, {**FROM, "expr": "{{ id }}"}, files={"file": b""})
    assert (items_of(ran), ran.outputs["numKeys"]) == ([], 0)


async def test_many_items_leave_the_loop_to_others() -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = monotonic()
            await anyio.sleep(0)
            longest = max(longest, monotonic() - before)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        ran = await filtered("{{ n % 2 == 0 }}", lines([{"n": number, "text": "x" * 200} for number in range(20_000)]))
        tasks.cancel_scope.cancel()
    assert ran.outputs["droppedItemsTotal"] == 10_000
    assert longest < 1.0
