"""Lists of executions by conditions: what they hold, in which order, and by which index they are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.ids import ExecutionId
from engine.settings import Sqlite
from engine.state.execution import Caller, Execution, ExecutionKind, Label, TriggeredBy
from engine.state.status import Status
from engine.store.conditions import Condition, Group, Node, Op
from engine.store.connection import connect
from engine.store.limited import Limited
from engine.store.matching import holds
from engine.store.open import DATABASE
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, Sort, Write
from engine.store.selecting import count_query, list_query
from support.steps import OWNER, START, execution

PLACES = ("shop", "shop.eu", "shop.eu.north", "shopping", "system", "lab")
STATES = (Status.SUCCESS, Status.FAILED, Status.RUNNING)


def some() -> list[Execution]:
    """Executions of several namespaces, the newest last."""
    found = []
    for number in range(18):
        made = execution(f"e{number:02}", state=STATES[number % 3], flow=f"flow-{number % 4}", created=START + number)
        labels = (Label("env", "prod" if number % 2 else "dev"), *([Label("odd", "yes")] if number % 5 == 0 else []))
        caller = Caller(ExecutionId("above"), "call", 1) if number % 6 == 5 else None
        variables = {"executionId": "before"} if number % 2 else {"executionId": 7}
        trigger = TriggeredBy(id="daily", type="x", variables=variables) if number % 7 == 0 else None
        place = PLACES[number % 6]
        found.append(msgspec.structs.replace(made, namespace=place, labels=labels, caller=caller, trigger=trigger))
    return found


def values(of: Execution) -> dict[str, Any]:
    return {
        "id": of.id,
        "namespace": of.namespace,
        "flow": of.flow,
        "state": of.state.value,
        "kind": of.kind.value,
        "created": of.created,
        "caller": of.caller.execution if of.caller else None,
        "starter": starter_of(of),
        "trigger": of.trigger.id if of.trigger else None,
        "revision": of.revision,
        "labels": {label.key: label.value for label in of.labels},
        "words": [of.id, of.namespace, of.flow],
    }


def starter_of(it: Execution) -> str | None:
    if it.caller is not None:
        return it.caller.execution
    found = it.trigger.variables["executionId"] if it.trigger else None
    return found if isinstance(found, str) else None


def one(field: str, op: Op, *wanted: str | int, key: str = "") -> Condition:
    return Condition(field, op, wanted, key)


LATE = one("created", Op.GREATER_THAN, START + 9)
CONDITIONS: list[Node] = [
    *(one("namespace", op, "shop") for op in Op if op not in (Op.IS_NULL, Op.IS_NOT_NULL)),
    one("namespace", Op.IN, "lab", "shop.eu"),
    one("namespace", Op.NOT_IN, "lab", "shop.eu"),
    one("namespace", Op.PREFIX, "shop.eu", "lab"),
    one("namespace", Op.REGEX, r"^shop\..*h$"),
    one("namespace", Op.ENDS_WITH, "op", "north"),
    one("namespace", Op.ENDS_WITH, "a text that is longer than any of the names"),
    one("namespace", Op.CONTAINS, ""),
    one("namespace", Op.STARTS_WITH, ""),
    one("namespace", Op.ENDS_WITH, ""),
    one("flow", Op.CONTAINS, "-2", "-3"),
    one("flow", Op.CONTAINS, "%"),
    one("flow", Op.STARTS_WITH, "flow_"),
    one("state", Op.IN, "FAILED", "RUNNING"),
    one("state", Op.NOT_EQUALS, "FAILED"),
    one("created", Op.GREATER_THAN, START + 3),
    one("created", Op.LESS_THAN_OR_EQUAL_TO, START + 3),
    one("created", Op.NOT_EQUALS, START + 3),
    one("caller", Op.EQUALS, "above"),
    one("caller", Op.NOT_EQUALS, "above"),
    one("caller", Op.NOT_CONTAINS, "bo"),
    one("caller", Op.IS_NULL),
    one("caller", Op.IS_NOT_NULL),
    one("starter", Op.EQUALS, "before"),
    one("starter", Op.IN, "before", "above"),
    one("starter", Op.IS_NULL),
    one("trigger", Op.EQUALS, "daily"),
    one("trigger", Op.NOT_IN, "daily", "weekly"),
    one("revision", Op.GREATER_THAN, 1),
    one("words", Op.EQUALS, "SHOP.E"),
    one("words", Op.NOT_EQUALS, "shop.e"),
    one("words", Op.EQUALS, "e01", "lab"),
    one("labels", Op.EQUALS, "prod", key="env"),
    one("labels", Op.NOT_EQUALS, "prod", key="env"),
    one("labels", Op.IN, "prod", "test", key="env"),
    one("labels", Op.NOT_IN, "yes", "no", key="odd"),
    one("labels", Op.CONTAINS, "ro", key="env"),
    one("labels", Op.NOT_CONTAINS, "ye", key="odd"),
    one("labels", Op.IS_NULL, key="odd"),
    one("labels", Op.IS_NOT_NULL, key="odd"),
    Group(()),
    Group((), any=True),
    Group((one("state", Op.EQUALS, "FAILED"), one("labels", Op.EQUALS, "prod", key="env"))),
    Group((one("state", Op.EQUALS, "FAILED"), one("namespace", Op.EQUALS, "lab")), any=True),
    Group((Group((one("flow", Op.EQUALS, "flow-1"), one("flow", Op.EQUALS, "flow-2")), any=True), LATE)),
]


async def fill(store: Store) -> list[Execution]:
    found = some()
    for made in found:
        await store.executions.commit(Write(execution=made, owner=OWNER))
    return found


@pytest.fixture
async def stored(store: Store) -> list[Execution]:
    return await fill(store)


async def test_a_list_holds_what_the_same_condition_holds_of_in_memory(store: Store, stored: list[Execution]) -> None:
    sizes = set()
    for condition in CONDITIONS:
        where = ExecutionFilter(where=condition, limit=100)
        expected = [it.id for it in reversed(stored) if holds(condition, values(it))]
        assert [it.id for it in await store.executions.list(where)] == expected, condition
        assert await store.executions.count(where) == len(expected), condition
        sizes.add(len(expected))
    assert len(sizes) > 8


async def test_only_labels_are_labels(store: Store) -> None:
    odd = Label("env", 'a"b\\ü')
    made = [
        msgspec.structs.replace(execution("with"), labels=(odd,)),
        msgspec.structs.replace(execution("without"), inputs={"it": {"key": odd.key, "value": odd.value}}),
    ]
    for one_made in made:
        await store.executions.commit(Write(execution=one_made, owner=OWNER))
    for op in (Op.EQUALS, Op.IN):
        where = ExecutionFilter(where=one("labels", op, odd.value, key=odd.key))
        assert [it.id for it in await store.executions.list(where)] == ["with"]


async def test_a_list_is_narrowed_to_what_somebody_may_see(store: Store, stored: list[Execution]) -> None:
    async def seen(*namespaces: str) -> set[str]:
        where = ExecutionFilter(visible=namespaces, limit=100)
        return {found.namespace for found in await store.executions.list(where)}

    assert await seen("shop.eu", "lab") == {"shop.eu", "shop.eu.north", "lab"}
    assert await seen() == set()


async def test_a_count_goes_no_further_than_asked(store: Store, stored: list[Execution]) -> None:
    assert await store.executions.count(ExecutionFilter(), 5) == 5
    assert await store.executions.count(ExecutionFilter(), 500) == len(stored)


@pytest.mark.parametrize("field", ["id", "namespace", "flow", "state", "created", "revision", "ended", "duration"])
async def test_a_list_is_sorted_as_asked_then_by_date(store: Store, stored: list[Execution], field: str) -> None:
    def key(it: Execution) -> Any:
        ended = it.history[-1].at if it.state.terminal else None
        found = {**values(it), "ended": ended, "duration": None if ended is None else ended - it.created}[field]
        return (found is not None, found or 0)

    newest = sorted(stored, key=lambda it: it.created, reverse=True)
    for descending in (False, True):
        where = ExecutionFilter(sort=(Sort(field, descending),), limit=100)
        expected = sorted(newest, key=key, reverse=descending)
        assert [it.id for it in await store.executions.list(where)] == [it.id for it in expected]


async def test_pages_follow_each_other(store: Store, stored: list[Execution]) -> None:
    pages = [await store.executions.list(ExecutionFilter(limit=7, offset=offset)) for offset in (0, 7, 14, 21)]
    assert [len(page) for page in pages] == [7, 7, 4, 0]
    assert [it.id for page in pages for it in page] == [it.id for it in reversed(stored)]


PLANNED: dict[str, tuple[ExecutionFilter, str]] = {
    "nothing": (ExecutionFilter(), "execution_by_created (kind=?)"),
    "date": (ExecutionFilter(where=one("created", Op.GREATER_THAN, 5)), "execution_by_created (kind=? AND created>?)"),
    "namespace": (
        ExecutionFilter(where=one("namespace", Op.EQUALS, "a")),
        "execution_by_namespace (namespace=? AND kind=?)",
    ),
    "namespaces": (ExecutionFilter(where=one("namespace", Op.IN, "a", "b")), "execution_by_namespace (namespace=?)"),
    "below": (ExecutionFilter(where=one("namespace", Op.PREFIX, "a")), "MULTI-INDEX OR"),
    "visible": (ExecutionFilter(visible=("a", "b")), "MULTI-INDEX OR"),
    "flow": (
        ExecutionFilter(where=Group((one("namespace", Op.EQUALS, "a"), one("flow", Op.EQUALS, "b")))),
        "execution_by_flow (namespace=? AND flow=?",
    ),
    "state": (ExecutionFilter(where=one("state", Op.EQUALS, "FAILED")), "execution_by_state (state=? AND kind=?)"),
    "states": (ExecutionFilter(where=one("state", Op.IN, "FAILED", "RUNNING")), "execution_by_state (state=?)"),
    "caller": (ExecutionFilter(where=one("caller", Op.EQUALS, "a")), "execution_by_caller (caller=?)"),
    "starter": (ExecutionFilter(where=one("starter", Op.EQUALS, "a")), "execution_by_starter (starter=?)"),
    "id": (ExecutionFilter(where=one("id", Op.EQUALS, "a")), "sqlite_autoindex_execution_1 (id=?)"),
}


@pytest.mark.parametrize("case", PLANNED)
async def test_what_has_an_index_is_not_searched_row_by_row(store: Store, tmp_path: Path, case: str) -> None:
    where, expected = PLANNED[case]
    connection = Limited(connect(tmp_path / DATABASE, Sqlite())).connection
    try:
        for query, params in (list_query(where), count_query(where, 10_000)):
            plan = [row[3] for row in connection.execute(f"explain query plan {query}", params)]
            assert any(expected in step for step in plan), plan
            assert not any(step.startswith("SCAN execution") for step in plan), plan
    finally:
        connection.close()


async def test_an_unknown_field_is_a_fault(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.executions.list(ExecutionFilter(where=one("nix", Op.EQUALS, "a")))


async def test_other_kinds_are_listed_where_they_are_asked_for(store: Store) -> None:
    await store.executions.commit(
        Write(execution=msgspec.structs.replace(execution("loop"), kind=ExecutionKind.LOOP), owner=OWNER)
    )
    kind = one("kind", Op.EQUALS, "LOOP")
    assert [it.id for it in await store.executions.list(ExecutionFilter(kinds=(), where=kind))] == ["loop"]
    assert not await store.executions.list(ExecutionFilter(where=kind))
