"""Query parameters as conditions, pages and orders."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from multidict import MultiDict

from engine.api.filterable import EXECUTION, KV, LOG
from engine.api.filters import condition_of
from engine.api.paging import Paged, page_of
from engine.api.problems import BadFilter, Illegal
from engine.clock import SystemClock
from engine.store.conditions import Condition, Group, Node, Op
from engine.store.rows import Sort


def read(query: str, resource: object = EXECUTION) -> Node | None:
    return condition_of(MultiDict(parse_qsl(query, keep_blank_values=True)), resource)  # type: ignore[arg-type]


def one(field: str, op: Op, *values: str | int, key: str = "") -> Condition:
    return Condition(field, op, values, key)


def every(*parts: Node) -> Group:
    return Group(parts)


def any_of(*parts: Node) -> Group:
    return Group(parts, any=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filters[namespace][EQUALS]=a.b", one("namespace", Op.EQUALS, "a.b")),
        ("filters[namespace][prefix]=a.b", one("namespace", Op.PREFIX, "a.b")),
        ("filters[flowId][IN]=a,b&filters[flowId][IN]=c", one("flow", Op.IN, "a", "b", "c")),
        ("filters[state][NOT_IN]=failed, KILLED", one("state", Op.NOT_IN, "FAILED", "KILLED")),
        ("filters[labels][EQUALS][env]=a:b", one("labels", Op.EQUALS, "a:b", key="env")),
        ("filters[labels][EQUALS]=env:a:b", one("labels", Op.EQUALS, "a:b", key="env")),
        ("filters[labels][IN][system.x]=a,b", one("labels", Op.IN, "a", "b", key="system.x")),
        ("filters[startDate][GREATER_THAN]=1970-01-01T00:00:01Z", one("created", Op.GREATER_THAN, 1000)),
        ("filters[startDate][LESS_THAN]=1970-01-01T01:00:01 01:00", one("created", Op.LESS_THAN, 1000)),
        ("filters[endDate][LESS_THAN]=1970-01-01T00:00", one("created", Op.LESS_THAN, 0)),
        ("filters[triggerExecutionId][EQUALS]=x", one("starter", Op.EQUALS, "x")),
        ("filters[childFilter][EQUALS]=CHILD", one("starter", Op.IS_NOT_NULL)),
        ("filters[childFilter][NOT_EQUALS]=CHILD", one("starter", Op.IS_NULL)),
        ("filters[scope][EQUALS]=SYSTEM", one("namespace", Op.EQUALS, "system")),
        ("filters[scope][NOT_EQUALS]=SYSTEM", one("namespace", Op.NOT_EQUALS, "system")),
        ("filters[q][EQUALS]=x", one("words", Op.EQUALS, "x")),
        ("namespace=a.b.%", one("namespace", Op.PREFIX, "a.b")),
        ("state=FAILED&state=KILLED", one("state", Op.IN, "FAILED", "KILLED")),
        ("labels=a:1", one("labels", Op.EQUALS, "1", key="a")),
        ("flowId=a", one("flow", Op.EQUALS, "a")),
        ("childFilter=MAIN", one("starter", Op.IS_NULL)),
        ("endDate=1970-01-01T00:00:01Z", one("created", Op.LESS_THAN_OR_EQUAL_TO, 1000)),
    ],
)
def test_a_parameter_is_a_condition(query: str, expected: Node) -> None:
    assert read(query) == every(expected)


@pytest.mark.parametrize("query", ["", "page=2", "q=", "filters[q][EQUALS]=", "scope=USER&scope=SYSTEM", "namespace="])
def test_what_leaves_nothing_out_is_no_condition(query: str) -> None:
    assert read(query) is None


def test_conditions_are_put_together() -> None:
    a, b = one("flow", Op.EQUALS, "a"), one("flow", Op.EQUALS, "b")
    failed = one("state", Op.EQUALS, "FAILED")
    assert read("filters[or][0][flowId][EQUALS]=a&filters[or][1][flowId][EQUALS]=b") == every(
        any_of(every(a), every(b))
    )
    nested = "filters[and][0][state][EQUALS]=FAILED&filters[and][1][or][10][flowId][EQUALS]=b"
    nested += "&filters[and][1][or][9][flowId][EQUALS]=a"
    assert read(nested) == every(every(every(failed), every(any_of(every(a), every(b)))))
    assert read("labels=a:1&labels=b:2&state=FAILED") == every(
        one("state", Op.IN, "FAILED"), one("labels", Op.EQUALS, "1", key="a"), one("labels", Op.EQUALS, "2", key="b")
    )


def test_a_level_stands_for_those_above_it() -> None:
    assert read("minLevel=WARN", LOG) == every(one("level", Op.IN, "WARN", "ERROR"))
    assert read("filters[level][NOT_EQUALS]=ERROR", LOG) == every(one("level", Op.NOT_IN, "ERROR"))


def test_a_time_range_goes_back_from_now() -> None:
    before = SystemClock().now()
    found = read("filters[timeRange][EQUALS]=PT1H")
    assert isinstance(found, Group)
    (condition,) = found.parts
    assert isinstance(condition, Condition)
    assert before <= int(condition.values[0]) + 3_600_000 <= SystemClock().now()
    with pytest.raises(Illegal, match="mutually exclusive"):
        read("timeRange=PT1H&startDate=1970-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("filters[nix][EQUALS]=a", "an execution can't be filtered by 'nix', but by q, scope"),
        ("filters[level][EQUALS]=INFO", "can't be filtered by 'level'"),
        ("filters[namespace]=a", "says no operator"),
        ("filters[namespace][NIX]=a", "'namespace' can't be compared by 'NIX', but by EQUALS"),
        (
            "filters[state][CONTAINS]=a",
            "'state' can't be compared by 'CONTAINS', but by EQUALS, NOT_EQUALS, IN",
        ),
        ("filters[state][EQUALS]=a", "'a' can't be a value of 'state', but one of CREATED"),
        ("filters[startDate][EQUALS]=a", "'a' can't be a value of 'startDate', but a date as 2030-01-31T10:00:00Z"),
        ("filters[timeRange][EQUALS]=a", "must be a duration like PT30S"),
        ("filters[namespace][REGEX]=(", r"'\(' is not a pattern"),
        ("filters[namespace][EQUALS][a]=b", "takes no key"),
        ("filters[labels][EQUALS][a][b]=c", "has too many brackets"),
        ("filters[labels][EQUALS]=a", "a label is key:value, not 'a'"),
        ("filters[or][x][state][EQUALS]=FAILED", "the conditions of a group are numbered"),
        ("filters[or]=a", "the conditions of a group are numbered"),
        ("filters[namespace]EQUALS=a", r"is not of the form filters\[field\]\[OP\]"),
        (f"filters{'[and][0]' * 30}[state][EQUALS]=FAILED", "is not of the form"),
        ("filters[state]=a&filters[state][EQUALS]=FAILED", "stands for a value and for more"),
        ("filters[state][EQUALS]=FAILED&filters[state]=a", "stands for a value and for more"),
        (f"filters[flowId][IN]={'a,' * 200}", "at most 100 conditions"),
    ],
)
def test_what_is_no_filter_says_why(query: str, said: str) -> None:
    with pytest.raises(BadFilter, match=said):
        read(query)


def test_each_resource_has_its_own_fields() -> None:
    assert read("filters[updated][GREATER_THAN]=1970-01-01", KV) == every(one("updated", Op.GREATER_THAN, 0))
    assert read("state=FAILED", KV) is None
    with pytest.raises(BadFilter, match="a key can't be filtered by 'state'"):
        read("filters[state][EQUALS]=FAILED", KV)


FIELDS = {"name": "name", "flowId": "size"}


def test_an_order_names_fields() -> None:
    asked = Paged(sort=("flowId:desc", "name:ASC"))
    assert asked.order(FIELDS) == (Sort("size", descending=True), Sort("name"))


@pytest.mark.parametrize("sort", ["name", "name:up", "nix:asc"])
def test_what_is_no_order_says_why(sort: str) -> None:
    with pytest.raises(Illegal, match="Invalid sort parameter"):
        Paged(sort=(sort,)).order(FIELDS)


@pytest.mark.parametrize("paged", [Paged(page=0), Paged(size=0), Paged(size=1001), Paged(page=-1)])
def test_a_page_has_its_limits(paged: Paged) -> None:
    with pytest.raises(Illegal, match="must be"):
        paged.check()


def test_a_list_in_memory_is_sorted_and_cut() -> None:
    items = [{"name": "a", "size": 1}, {"name": "b", "size": None}, {"name": "c", "size": 1}, {"name": "d", "size": 3}]

    def page(**asked: object) -> list[str]:
        found = page_of(items, Paged(**asked), FIELDS, lambda item, field: item[field])  # type: ignore[arg-type]
        assert found.total == 4
        return [item["name"] for item in found.results]

    assert page(sort=("flowId:desc", "name:desc")) == ["d", "c", "a", "b"]
    assert page(sort=("flowId:asc",), size=2) == ["b", "a"]
    assert page(sort=("flowId:asc",), size=2, page=2) == ["c", "d"]
    assert page(page=9) == []
