"""Functions: collections, parsing, ids, encryption, look-ups, variables of an execution."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions.needs import Deferred, Need
from support.fake_scope import FakeScope, call

KEY = "I6EGNzRESu3X3pKZidrqCGOHQFUFC0yK"
LOOPS: dict[str, Any] = {
    "outputs": {"t": {"v1": {"a": {"value": 1}, "b": {"value": 2}}, "v2": {"a": {"value": 3}}}},
    "parents": [{"taskrun": {"value": "v1"}}, {"task": {"id": "block"}}],
    "task": {"id": "t"},
    "taskrun": {"value": "b", "iteration": 1},
}


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ((1, 5), [1, 2, 3, 4, 5]),
        ((0, 6, 2), [0, 2, 4, 6]),
        ((0, 5, 2), [0, 2, 4]),
        ((3, 1, -1), [3, 2, 1]),
        ((3, 1), []),
        (("a", "c"), ["a", "b", "c"]),
    ],
)
def test_range(arguments: tuple[Any, ...], result: list[Any]) -> None:
    assert call("range", *arguments) == result


def test_a_huge_range_is_never_made() -> None:
    with pytest.raises(LimitError, match="exceeds the maximum"):
        call("range", 1, 1_000_000_000_000)
    with pytest.raises(ExpressionError, match="must not be 0"):
        call("range", 1, 2, step=0)


def test_extremes() -> None:
    assert call("max", 5, 10, 7) == 10
    assert call("min", 5, 1.5) == 1.5
    for arguments in ((), ("a", 1), (1, None)):
        with pytest.raises(ExpressionError):
            call("max", *arguments)


def test_parsing() -> None:
    assert call("fromJson", '{"a": [1.5, null]}') == {"a": [1.5, None]}
    assert call("json", None) is None
    assert call("fromIon", "{a: 1} {a: 2}") == {"a": 1}
    assert call("fromIon", "{a: 1} {a: 2}", allRows=True) == [{"a": 1}, {"a": 2}]
    for function, text, message in (
        ("fromJson", "{not: json}", "Invalid json"),
        ("fromJson", "[" * 100_000, "Invalid json"),
        ("fromIon", "{not: ion", "Invalid ion"),
        ("fromJson", 1, "must be a text"),
    ):
        with pytest.raises(ExpressionError, match=message):
            call(function, text)
    with pytest.raises(ExpressionError, match="expects an argument 'json'"):
        call("fromJson")


def test_ids_are_the_same_in_each_pass() -> None:
    for name, shape in (
        ("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("id", "[0-9A-Za-z]{22}"),
        ("ksuid", "[0-9A-Za-z]{27}"),
        ("nanoId", "[0-9A-Za-z_-]{21}"),
    ):
        scope = FakeScope()
        first, second = call(name, scope=scope), call(name, scope=scope)
        assert re.fullmatch(shape, first)
        assert first != second
        assert call(name, scope=FakeScope()) == first


def test_random_numbers() -> None:
    assert {call("randomInt", 1, 3, scope=scope) for scope in [FakeScope()] for _ in range(50)} == {1, 2}
    assert call("randomInt", 10, 10) == 10
    assert 1024 <= call("randomPort") < 65536
    assert set(call("nanoId", 8, "ab")) <= {"a", "b"}
    wrong: list[tuple[str, tuple[Any, ...]]] = [
        ("randomInt", (1,)),
        ("randomInt", ("1", "2")),
        ("randomInt", (2, 1)),
        ("nanoId", (5000,)),
        ("nanoId", (5, "")),
    ]
    for function, arguments in wrong:
        with pytest.raises(ExpressionError):
            call(function, *arguments)


def test_encryption() -> None:
    encrypted = call("encrypt", KEY, "toto")
    assert encrypted != call("encrypt", KEY, "titi")
    assert call("decrypt", KEY, encrypted) == "toto"
    assert call("decrypt", KEY, call("encrypt", KEY, "")) == ""
    for function, arguments, message in (
        ("encrypt", (KEY,), "expects an argument 'plaintext'"),
        ("encrypt", ("short", "x"), "16, 24 or 32 bytes"),
        ("decrypt", (KEY, "AAAA"), "too short"),
        ("decrypt", (KEY, "*"), "not base64"),
        ("decrypt", ("A" * 43 + "=", encrypted), "the key is not the one"),
    ):
        with pytest.raises(ExpressionError, match=message):
            call(function, *arguments)


@pytest.mark.parametrize(
    ("function", "arguments", "named", "asked"),
    [
        ("secret", ("KEY",), {}, ("secret", "KEY")),
        ("secret", ("KEY",), {"namespace": "n"}, ("secret", "KEY", "n")),
        ("credential", ("c",), {}, ("credential", "c")),
        ("kv", ("k",), {}, ("kv", "k", None, True)),
        ("kv", ("k", "n", False), {}, ("kv", "k", "n", False)),
        ("read", ("a.txt",), {}, ("read", "a.txt")),
        ("read", ("a.txt",), {"version": 2}, ("read", "a.txt", None, 2)),
        ("fileSize", ("a.txt",), {"namespace": "n"}, ("file_size", "a.txt", "n")),
        ("fileExists", ("a.txt",), {}, ("file_exists", "a.txt")),
        ("isFileEmpty", ("a.txt",), {}, ("file_size", "a.txt")),
        ("errorLogs", (), {}, ("error_logs",)),
        ("appLink", ("x",), {}, ("app_link", '["x"]')),
        (
            "http",
            ("http://x/y?a=1", "post", {"b": [2, 3]}, {"k": "v"}),
            {"headers": {"X": ["1", "2"], "content-type": "no"}},
            ("http", "POST", "http://x/y?a=1&b=2&b=3", (("Accept", ("application/json",)), ("X", ("1", "2"))),
             "application/json", '{"k":"v"}', "{}"),
        ),
        ("http", ("https://x",), {}, ("http", "GET", "https://x", (("Accept", ("application/json",)),),
                                      "application/json", None, "{}")),
    ],
)  # fmt: skip
def test_look_ups(function: str, arguments: tuple[Any, ...], named: dict[str, Any], asked: tuple[Any, ...]) -> None:
    scope = FakeScope()
    call(function, *arguments, scope=scope, **named)
    assert scope.asked == [asked]


def test_parts_of_secrets_are_masked_too() -> None:
    scope = FakeScope(
        answers={("secret", "S"): '{"value": "my-password", "list": ["x"], "n": 42}', ("secret", "T"): "t"}
    )
    assert call("secret", "S", subkey="n", scope=scope) == "42"
    assert call("secret", "S", subkey="list", scope=scope) == '["x"]'
    assert call("secret", "S", full=True, scope=scope)["value"] == "my-password"
    assert call("secret", "T", full=True, scope=scope) == {"value": "t"}
    assert scope.masked == {"42", '["x"]', "my-password", "x", "t"}
    with pytest.raises(ExpressionError, match="Cannot find secret sub-key 'none' in secret 'S'"):
        call("secret", "S", subkey="none", scope=scope)
    with pytest.raises(ExpressionError, match="must hold a JSON map"):
        call("secret", "T", subkey="x", scope=scope)


def test_addresses_of_namespace_files() -> None:
    scope = FakeScope({"flow": {"namespace": "my.namespace"}})
    assert call("fileURI", "/a/b.txt", scope=scope) == "kestra:///my/namespace/_files/a/b.txt"
    assert call("fileURI", "b.txt", "other", scope=scope) == "kestra:///other/_files/b.txt"
    with pytest.raises(ExpressionError, match=r"must not contain '\.\./'"):
        call("fileURI", "a/../b", scope=scope)
    with pytest.raises(ExpressionError, match="only be used where there is a flow"):
        call("fileURI", "a")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"flow": {"namespace": "n"}, "taskrun": {"id": "x"}}, "task or trigger"),
        ({}, "flow context"),
    ],
)
def test_where_subflow_can_not_be_called(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        call("subflow", "n", "f", scope=FakeScope(variables))


def test_subflow() -> None:
    scope = FakeScope({"flow": {"namespace": "n"}})
    call("subflow", namespace="n", id="f", inputs={"a": 1}, scope=scope)
    assert scope.asked == [("subflow", "n", "f", '{"a":1}', None, "{}", None)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ftp://x",), "must begin with http"),
        (("http://[",), "must begin with http"),
        (("http://x", "GET", "q"), "must be a map"),
        (("http://x", "POST", None, {"a": 1}, "image/png"), "give it as a text"),
    ],
)
def test_requests_that_can_not_be_made(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        call("http", *arguments)


def test_bodies_follow_their_type() -> None:
    scope = FakeScope()
    for kind in ("application/x-www-form-urlencoded", "application/x-yaml", "text/plain"):
        call("http", "http://x", "POST", None, {"a": [1, 2]}, kind, scope=scope)
    assert [asked[5] for asked in scope.asked] == ["a=1&a=2", "a:\n - 1\n - 2\n", "{a=[1, 2]}"]


def test_variables() -> None:
    scope = FakeScope({"envs": {"a": "1", "empty": ""}})
    assert call("printContext", scope=scope) == {"envs": {"a": "1", "empty": ""}}
    assert call("env", "a", scope=scope) == "1"
    assert call("env", "empty", "default", scope=scope) == "default"
    assert call("env", "a", scope=FakeScope()) is None


def test_tasks_with_a_state() -> None:
    tasks = {"one": {"state": "FAILED"}, "loop": {"x": {"state": "FAILED"}, "y": {"state": "SUCCESS"}}, "odd": "x"}
    scope = FakeScope({"tasks": tasks})
    assert call("tasksWithState", "failed", scope=scope) == [
        {"taskId": "one", "state": "FAILED"},
        {"taskId": "loop", "state": "FAILED", "value": "x"},
    ]
    assert call("tasksWithState", "FAILED") == []


def test_outputs_in_loops() -> None:
    scope = FakeScope(LOOPS)
    assert call("currentEachOutput", LOOPS["outputs"]["t"], scope=scope) == {"value": 2}
    assert call("currentEachOutput", {}, scope=scope) is None
    assert call("iterationOutputs", scope=scope) == 1
    assert call("iterationOutputs", "1", "t", scope=scope) == 2
    assert call("iterationOutput", "t", 0, scope=scope) == 1
    assert call("iterationOutput", "none", scope=scope) is None
    assert call("iterationOutput", {"a": 1}, scope=scope) is None
    wrong: list[tuple[tuple[Any, ...], str]] = [
        ((2,), "has no outputs yet"),
        ((-1,), "no previous iteration"),
        (("x",), "must be an integer"),
        ((None, "none"), "finds no outputs"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ExpressionError, match=message):
            call("iterationOutputs", *arguments, scope=scope)
    with pytest.raises(ExpressionError, match="only be used in a task"):
        call("iterationOutputs", scope=FakeScope({**LOOPS, "taskrun": None}))


def test_outputs_that_lie_elsewhere_are_fetched() -> None:
    outputs = {"b": Deferred(Need("output", ("address",)))}
    scope = FakeScope({"taskrun": {"value": "b"}}, answers={("output", "address"): {"value": 5}})
    assert call("currentEachOutput", outputs, scope=scope) == {"value": 5}


def test_outputs_of_parents() -> None:
    parents: list[Any] = [{"task": {"id": "inner"}, "taskrun": {"value": "x"}}, {"task": {"id": "outer"}}]
    variables = {"outputs": {"inner": {"x": {"a": 1}}, "outer": {"b": 2}}, "parents": parents, "parent": parents[0]}
    scope = FakeScope(variables)
    assert call("parentOutput", scope=scope) == {"a": 1}
    assert call("parentOutput", 0, scope=scope) == {"b": 2}
    assert call("parentOutput", 1, scope=scope) == {"a": 1}
    with pytest.raises(ExpressionError, match="Invalid index: 2 for parents size: 2"):
        call("parentOutput", 2, scope=scope)
    with pytest.raises(ExpressionError, match="inside of another task"):
        call("parentOutput")


def test_outputs_of_a_loop() -> None:
    outputs = [{"outputs": {"uri": "a"}}, {"item": 1}, "text"]
    assert call("loopOutputs", outputs, "uri") == ["a", None, None]
    wrong: list[tuple[Any, Any]] = [("x", "uri"), ([], None), ([], 1)]
    for arguments in wrong:
        with pytest.raises(ExpressionError, match="loopOutputs"):
            call("loopOutputs", *arguments)
