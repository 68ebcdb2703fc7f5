"""What templates reach of values, and what they don't."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import ExpressionError, UndefinedError
from engine.expressions.needs import Deferred, Missing, Need, Needs
from engine.expressions.template import Scope, render, render_typed


def value(expression: str, **variables: Any) -> Any:
    return render_typed("{{ " + expression + " }}", Scope(variables))


class Thing:
    """An object of the host."""

    secret = "hidden"

    def act(self) -> str:
        return "acted"


@pytest.mark.parametrize("key", ["items", "keys", "values", "get", "pop", "size", "copy", "__class__"])
def test_a_key_beats_every_method(key: str) -> None:
    assert value(f"m.{key}", m={key: 1}) == 1
    assert value(f"m['{key}']", m={key: 1}) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "m.items",
        "m.__class__",
        "m['__class__']",
        "s.__class__",
        "s.upper",
        "s[0]",
        "s.format('x')",
        "l.append",
        "l.append(1)",
        "l['__len__']",
        "l[-1]",
        "l[5]",
        "l['x']",
        "n.anything",
        "i.real",
        "i.bit_length()",
        "t.secret",
        "t.act()",
        "t.__init__.__globals__",
        "range.__self__",
        "loop.index",
        "d.tzinfo",
        "d.__reduce__()",
    ],
)
def test_python_does_not_show(expression: str) -> None:
    variables = {"m": {"a": 1}, "s": "text", "l": [1], "n": None, "i": 1, "t": Thing(), "d": datetime(2026, 1, 2)}
    with pytest.raises(UndefinedError):
        value(expression, **variables)


def test_nothing_of_the_runtime_is_a_variable() -> None:
    for name in ("scope", "out", "show", "__builtins__", "self", "blocks", "True"):
        with pytest.raises(UndefinedError):
            value(name)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("a.b.c", 1),
        ("a['b'].c", 1),
        ("a['b']['c']", 1),
        ("a[k].c", 1),
        ("l[1]", "y"),
        ("l.1 ?? 'no'", None),
        ("l['1']", "y"),
        ("l.size", 2),
        ("l.size()", 2),
        ("s.length", 4),
        ("s.length()", 4),
        ("'abc'.length", 3),
        ("(l)[0]", "x"),
        ("a.size()", 1),
        ("a.isEmpty()", False),
        ("d.year", 2026),
        ("d.monthValue", 3),
        ("d.dayOfWeek", "MONDAY"),
    ],
)
def test_paths(expression: str, result: Any) -> None:
    variables = {"a": {"b": {"c": 1}}, "k": "b", "l": ["x", "y"], "s": "text", "d": datetime(2026, 3, 2, tzinfo=UTC)}
    if result is None:
        with pytest.raises(ExpressionError):
            value(expression, **variables)
    else:
        assert value(expression, **variables) == result


def test_undefined_names_its_place() -> None:
    with pytest.raises(UndefinedError) as caught:
        render("line one\n{{ a.b }}\n{{ a.missing }}", Scope({"a": {"b": 1}}))
    assert str(caught.value).startswith("Unable to find `missing` used in the expression `line one\n")
    assert caught.value.line == 3


def test_the_line_is_found_inside_a_long_expression() -> None:
    with pytest.raises(UndefinedError) as caught:
        render("{{\n max(1,\n a,\n gone)\n}}", Scope({"a": 2}))
    assert caught.value.line == 4


@pytest.mark.parametrize(
    "expression",
    ["a.b.c ?? 'z'", "a[gone].b ?? 'z'", "n.b ?? 'z'", "gone ??? 'z'", "l[9] ?? 'z'", "(gone ~ 'x') ?? 'z'"],
)
def test_undefined_is_tolerated_at_any_depth(expression: str) -> None:
    assert value(expression, a={}, n=None, l=[]) == "z"


def test_a_deferred_value_is_fetched_when_looked_at() -> None:
    need = Need("output", ("kestra:///x",))
    variables = {"outputs": {"t": {"big": Deferred(need), "small": 1}}}
    assert render("{{ outputs.t.small }}", Scope(variables)) == "1"
    with pytest.raises(Needs) as caught:
        render("{{ outputs.t.big.rows }}", Scope(variables))
    assert caught.value.needs == (need,)
    assert render("{{ outputs.t.big.rows }}", Scope(variables, found={need: {"rows": 2}})) == "2"


def test_brackets_fetch_only_what_they_lead_to() -> None:
    variables = {"outputs": {"t": {"big": Deferred(Need("output", ("kestra:///big.json",))), "small": 1}}}
    assert render_typed("{{ outputs['t']['small'] }}", Scope(variables)) == 1


def test_a_deferred_value_is_fetched_with_what_holds_it() -> None:
    need = Need("output", ("kestra:///x",))
    variables = {"outputs": {"t": [{"big": Deferred(need)}]}}
    scope = Scope(variables, found={need: 3})
    assert render("{{ outputs }}", scope) == '{"t":[{"big":3}]}'
    assert render_typed("{{ outputs.t }}", scope) == [{"big": 3}]
    assert render("{% for e in outputs.t %}{{ e.big }}{% endfor %}", scope) == "3"


def test_a_failed_look_up_is_an_error_of_the_expression() -> None:
    need = Need("output", ("kestra:///x",))
    scope = Scope({"x": Deferred(need)}, found={need: Missing("The file is gone")})
    with pytest.raises(ExpressionError, match="The file is gone"):
        render("{{ x ?? 'other' }}", scope)
