"""Values for declared inputs, and for outputs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from engine.definition.declared import Input
from engine.definition.inputs import InputState, Upload, preview_inputs, resolve_inputs
from engine.definition.outputs import coerce_output
from engine.errors import ExpressionError, InvalidInputs, StorageError
from engine.executor.plan import FlowOutput


class Host:
    """Renders `{{ name }}` as an input, `{{ 'text' }}` as text, and remembers files."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, str]] = []

    async def render(self, value: Any, inputs: Mapping[str, Any]) -> Any:
        name = value.strip("{} ")
        if name in ("true", "false"):
            return name == "true"
        if name.startswith("["):
            return [part.strip(" '") for part in name.strip("[]").split(",")]
        if name not in inputs:
            raise ExpressionError(f"Unable to find `{name}`")
        return inputs[name]

    async def save(self, id: str, source: str, own: bool) -> str:
        if source == "/missing":
            raise StorageError("The file '/missing' does not exist")
        self.saved.append((id, source))
        return f"kestra:///in/{id}"


def declare(*declared: Mapping[str, Any]) -> list[Input]:
    return [Input.model_validate(item) for item in declared]


def seal(text: str) -> dict[str, Any]:
    return {"sealed": text}


async def resolve(declared: list[Input], given: Mapping[str, Any]) -> dict[str, Any]:
    host = Host()
    return await resolve_inputs(declared, given, render=host.render, save_file=host.save, seal=seal)


async def problems(declared: list[Input], given: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInputs) as caught:
        await resolve(declared, given)
    return caught.value.problems


@pytest.mark.parametrize(
    ("type", "given", "value"),
    [
        ("STRING", "a", "a"),
        ("STRING", 5, "5"),
        ("STRING", True, "true"),
        ("STRING", "", ""),
        ("INT", "42", 42),
        ("INT", -7, -7),
        ("FLOAT", "42.42", 42.42),
        ("FLOAT", 1, 1.0),
        ("BOOL", "TRUE", True),
        ("BOOLEAN", "yes", False),
        ("BOOLEAN", False, False),
        ("DATETIME", "2019-10-06T18:27:49Z", "2019-10-06T18:27:49Z"),
        ("DATETIME", "2019-10-06T20:27:49+02:00", "2019-10-06T18:27:49Z"),
        ("DATETIME", datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00Z"),
        ("DATE", "2019-10-06", "2019-10-06"),
        ("DATE", date(2024, 1, 2), "2024-01-02"),
        ("TIME", "18:27", "18:27:00"),
        ("TIME", "18:27:49.5", "18:27:49.500000"),
        ("DURATION", "pt5m6s", "PT5M6S"),
        ("JSON", '{"a": "b"}', {"a": "b"}),
        ("JSON", [1], [1]),
        ("YAML", "a: [1, yes]", {"a": [1, True]}),
        ("URI", "kestra:///a/b.ion", "kestra:///a/b.ion"),
        ("URI", "jdbc:duckdb:", "jdbc:duckdb:"),
        ("EMAIL", "a@b.org", "a@b.org"),
        ("EMAIL", "", ""),
        ("FILE", "/tmp/a.csv", "kestra:///in/x"),
    ],
)
async def test_a_value_becomes_one_of_its_type(type: str, given: Any, value: Any) -> None:
    found = await resolve(declare({"id": "x", "type": type}), {"x": given})
    assert found == {"x": value}
    assert isinstance(found["x"], value.__class__)


@pytest.mark.parametrize(
    ("declared", "given", "cause"),
    [
        ({"type": "INT"}, "4.5", "it must be a whole number, but is 4.5"),
        ({"type": "INT"}, True, "it must be a whole number, but is true"),
        ({"type": "INT"}, "9" * 30, "it must be a whole number, but is " + "9" * 30),
        ({"type": "INT", "min": 10}, "9", "it must be more than `10`"),
        ({"type": "INT", "max": 20}, 21, "it must be less than `20`"),
        ({"type": "FLOAT"}, "nan", "it must be a number, but is nan"),
        ({"type": "FLOAT", "min": 0.1}, "0.01", "it must be more than `0.1`"),
        ({"type": "DATETIME"}, "2024-01-01", "it must be a moment like 2024-01-31T10:00:00Z, but is 2024-01-01"),
        (
            {"type": "DATETIME", "after": "2023-01-01T00:00:00Z"},
            "2022-01-01T00:00:00Z",
            "it must be after `2023-01-01T00:00:00Z`",
        ),
        ({"type": "DATE"}, "2024-13-01", "it must be a date like 2024-01-31, but is 2024-13-01"),
        ({"type": "DATE", "before": "2023-12-31"}, "2024-01-01", "it must be before `2023-12-31`"),
        ({"type": "TIME"}, "25:00", "it must be a time like 18:30 or 18:30:15, but is 25:00"),
        ({"type": "TIME", "before": "11:59:59"}, "14:00:00", "it must be before `11:59:59`"),
        ({"type": "DURATION"}, "5s", "must be a duration like PT30S, PT1H30M or P1D, but is '5s'"),
        ({"type": "DURATION", "min": "PT10S"}, "PT1S", "It must be more than `PT10S`"),
        ({"type": "DURATION", "max": "PT20S"}, "PT30S", "It must be less than `PT20S`"),
        ({"type": "STRING", "validator": r"A\d+"}, "A12b", r"it must match the pattern `A\d+`"),
        ({"type": "URI"}, "just text", "Invalid URI format."),
        ({"type": "EMAIL"}, "nobody", "The input must be a valid email"),
        ({"type": "SELECT", "values": ["a", "b"]}, "c", "it must match the values `[a, b]`"),
        ({"type": "ENUM", "values": ["a"]}, "c", "it must match the values `[a]`"),
        ({"type": "FILE"}, "/missing", "The file '/missing' does not exist"),
        ({"type": "FILE"}, 5, "it must be a path or a URI of a file, but is 5"),
        ({"type": "FILE", "allowedFileExtensions": [".csv"]}, "a.txt", "the name of the file must end in .csv"),
        (
            {"type": "ARRAY", "itemType": "INT"},
            "[1, 1.5]",
            "Unable to parse array element as `INT` on `1.5`: it must be a whole number, but is 1.5",
        ),
        ({"type": "ARRAY", "itemType": "INT"}, {"a": 1}, 'it must be a list or JSON text of a list, but is {"a": 1}'),
    ],
)
async def test_a_wrong_value_is_refused_with_its_cause(declared: dict[str, Any], given: Any, cause: str) -> None:
    found = await problems(declare({"id": "x", **declared}), {"x": given})
    assert found == {"x": f"Invalid value for input `x`. Cause: {cause}"}


@pytest.mark.parametrize(("type", "text"), [("JSON", "{a"), ("JSON", "NaN"), ("JSON", "[" * 9999), ("YAML", "a: b: c")])
async def test_broken_structures_are_refused(type: str, text: str) -> None:
    assert "Cause: it must be" in (await problems(declare({"id": "x", "type": type}), {"x": text}))["x"]


async def test_all_problems_come_at_once() -> None:
    declared = declare(
        {"id": "a", "type": "INT"},
        {"id": "b", "type": "STRING"},
        {"id": "c", "type": "MULTISELECT", "values": ["A", "B"]},
    )
    assert await problems(declared, {"a": "x", "c": ["F", "A", "H"]}) == {
        "a": "Invalid value for input `a`. Cause: it must be a whole number, but is x",
        "b": "Missing required input:b",
        "c": "Invalid value for input `c`. Cause: value `F` doesn't match the values `[A, B]`\n"
        "Invalid value for input `c`. Cause: value `H` doesn't match the values `[A, B]`",
    }


async def test_dotted_ids_nest_and_undeclared_values_are_ignored() -> None:
    declared = declare({"id": "db.host", "type": "STRING"}, {"id": "db.port.in", "type": "INT", "required": False})
    assert await resolve(declared, {"db.host": "h", "other": 1}) == {"db": {"host": "h", "port": {"in": None}}}


async def test_empty_text_is_no_value_unless_text_is_the_type() -> None:
    declared = declare(
        {"id": "n", "type": "INT", "required": False, "defaults": 42}, {"id": "s", "type": "STRING", "defaults": "d"}
    )
    assert await resolve(declared, {"n": "", "s": ""}) == {"n": 42, "s": ""}
    assert await problems(declare({"id": "n", "type": "INT"}), {"n": ""}) == {"n": "Missing required input:n"}


async def test_defaults_are_rendered_with_inputs_they_depend_on_wherever_those_stand() -> None:
    declared = declare(
        {"id": "b", "type": "STRING", "defaults": "{{ a }}", "dependsOn": {"inputs": ["a"]}},
        {"id": "a", "type": "STRING", "defaults": "hello"},
    )
    found = await resolve(declared, {})
    assert found == {"b": "hello", "a": "hello"}
    assert list(found) == ["b", "a"]


async def test_a_default_that_can_not_be_rendered_is_a_problem() -> None:
    declared = declare({"id": "a", "type": "STRING", "defaults": "{{ nope }}", "required": False})
    assert await problems(declared, {}) == {"a": "Invalid value for input `a`. Cause: Unable to find `nope`"}


async def test_inputs_that_are_not_asked_for_are_absent_and_so_are_those_behind_them() -> None:
    declared = declare(
        {"id": "a", "type": "STRING"},
        {"id": "b", "type": "STRING", "dependsOn": {"inputs": ["a"], "condition": "{{ false }}"}},
        {"id": "c", "type": "STRING", "dependsOn": {"inputs": ["b"]}},
        {"id": "d", "type": "STRING", "dependsOn": {"inputs": ["a"], "condition": "{{ true }}"}},
    )
    assert await resolve(declared, {"a": "1", "b": "2", "c": "3", "d": "4"}) == {"a": "1", "d": "4"}


async def test_a_condition_that_can_not_be_rendered_is_a_problem() -> None:
    declared = declare({"id": "a", "type": "STRING", "dependsOn": {"inputs": [], "condition": "{{ nope }}"}})
    assert await problems(declared, {"a": "1"}) == {"a": "Invalid condition: Unable to find `nope`"}


async def test_choices_may_come_from_an_expression() -> None:
    declared = declare({"id": "a", "type": "SELECT", "expression": "{{ ['x', 'y'] }}", "autoSelectFirst": True})
    assert await resolve(declared, {}) == {"a": "x"}
    assert await resolve(declared, {"a": "y"}) == {"a": "y"}
    assert "it must match the values `[x, y]`" in (await problems(declared, {"a": "z"}))["a"]


async def test_an_expression_of_choices_must_give_a_list() -> None:
    declared = declare({"id": "a", "type": "SELECT", "expression": "{{ true }}"})
    assert "Expected a list of strings, but received bool" in (await problems(declared, {"a": "z"}))["a"]


async def test_custom_values_pass_where_allowed() -> None:
    declared = declare({"id": "a", "type": "MULTISELECT", "values": ["x"], "allowCustomValue": True})
    assert await resolve(declared, {"a": '["q"]'}) == {"a": ["q"]}


async def test_a_secret_is_sealed() -> None:
    assert await resolve(declare({"id": "a", "type": "SECRET"}), {"a": "s"}) == {"a": {"sealed": "s"}}


async def test_a_pattern_that_runs_away_is_stopped() -> None:
    declared = declare({"id": "a", "type": "STRING", "validator": "(a|aa)+$"})
    assert "a" in await problems(declared, {"a": "a" * 40 + "b"})


async def test_no_declared_inputs_give_no_values() -> None:
    assert await resolve([], {"a": 1}) == {}


def test_an_output_becomes_a_value_of_its_type() -> None:
    assert coerce_output(FlowOutput("o", "INT", "{{ x }}"), "5", seal) == 5
    assert coerce_output(FlowOutput("o", "ARRAY", "{{ x }}"), [1, "a"], seal) == [1, "a"]
    assert coerce_output(FlowOutput("o", "STRING", "{{ x }}", required=False), None, seal) is None
    assert coerce_output(FlowOutput("o", "SECRET", "{{ x }}"), "x", seal) == {"sealed": "x"}


@pytest.mark.parametrize(
    ("type", "value", "cause"),
    [
        ("INT", "x", "it must be a whole number, but is x"),
        ("STRING", None, "it has no value; write `required: false` if that is allowed"),
    ],
)
def test_a_wrong_output_is_named(type: str, value: Any, cause: str) -> None:
    with pytest.raises(InvalidInputs, match=r"^Invalid value for output `o`\. Cause: ") as caught:
        coerce_output(FlowOutput("o", type, "{{ x }}"), value, seal)
    assert str(caught.value).endswith(cause)


FORM = {
    "id": "form",
    "type": "FORM",
    "dependsOn": {"inputs": ["asked"], "condition": "{{ asked }}"},
    "inputs": [
        {"id": "region", "type": "STRING", "defaults": "EU"},
        {"id": "key", "type": "SECRET", "dependsOn": {"inputs": ["form.region"]}},
    ],
}
ASKED = {"id": "asked", "type": "BOOL", "defaults": True}


async def test_a_form_gives_a_map_of_its_inputs_given_flat_or_nested() -> None:
    declared = declare(ASKED, FORM)
    flat = await resolve(declared, {"form.key": "k"})
    assert flat == {"asked": True, "form": {"region": "EU", "key": {"sealed": "k"}}}
    nested = await resolve(declared, {"form": {"key": "k", "region": "US"}})
    assert nested == {"asked": True, "form": {"region": "US", "key": {"sealed": "k"}}}


async def test_a_form_that_is_not_asked_for_takes_its_inputs_along() -> None:
    assert await resolve(declare(ASKED, FORM), {"asked": False, "form.key": "k"}) == {"asked": False}


async def test_what_is_wrong_in_a_form_is_told_under_the_full_id() -> None:
    assert await problems(declare(ASKED, FORM), {}) == {"form.key": "Missing required input:form.key"}


OBJECT = {
    "id": "o",
    "type": "OBJECT",
    "properties": [
        {"id": "n", "type": "INT", "max": 5},
        {"id": "s", "type": "SELECT", "values": [{"value": "a", "label": "Alpha"}, "b"]},
        {"id": "x", "type": "DATE", "required": False},
    ],
}


async def test_an_object_gives_a_map_of_what_it_consists_of() -> None:
    given = '{"n": "3", "s": "a", "more": 1}'
    assert await resolve(declare(OBJECT), {"o": given}) == {"o": {"n": 3, "s": "a", "x": None}}


async def test_everything_that_is_wrong_in_an_object_is_told() -> None:
    found = await problems(declare(OBJECT), {"o": {"n": 9, "x": "soon"}})
    assert found["o"].split("\n") == [
        "Invalid value for input `o`. Cause: `n`: it must be less than `5`",
        "Invalid value for input `o`. Cause: `s`: there must be a value",
        "Invalid value for input `o`. Cause: `x`: it must be a date like 2024-01-31, but is soon",
    ]


TABLE = {"id": "t", "type": "TABLE", "columns": [{"id": "n", "type": "INT"}], "rows": {"min": 2, "max": 3}}


async def test_a_table_gives_a_list_of_maps() -> None:
    assert await resolve(declare(TABLE), {"t": [{"n": 1}, {"n": "2"}]}) == {"t": [{"n": 1}, {"n": 2}]}


async def test_a_table_with_too_few_or_wrong_rows_is_refused() -> None:
    cause = "Invalid value for input `t`. Cause: "
    few = await problems(declare(TABLE), {"t": [{"n": "x"}]})
    assert few["t"].split("\n") == [
        f"{cause}it must have at least 2 row(s)",
        f"{cause}row 1, `n`: it must be a whole number, but is x",
    ]
    many = await problems(declare(TABLE), {"t": [{"n": 1}, 5, {"n": 1}, {"n": 1}]})
    assert many["t"].split("\n") == [
        f"{cause}it must have at most 3 row(s)",
        f"{cause}row 2: it must be a map or JSON text of a map, but is 5",
    ]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ('{name: "Ada", born: 1815-12-10, n: 1.5}', {"name": "Ada", "born": "1815-12-10", "n": 1.5}),
        ("[a, 1]", ["a", 1]),
        ({"a": 1}, {"a": 1}),
    ],
)
async def test_ion_is_read_as_values_that_json_has(given: Any, value: Any) -> None:
    assert await resolve(declare({"id": "i", "type": "ION"}), {"i": given}) == {"i": value}


async def test_a_file_is_no_value_of_other_types() -> None:
    found = await problems(declare({"id": "i", "type": "STRING"}), {"i": Upload("/tmp/x")})
    assert found["i"].endswith("only inputs of type FILE take a file, but it is of type STRING")


async def test_a_preview_tells_of_each_input_and_stores_no_file() -> None:
    host = Host()
    declared = declare(
        {"id": "n", "type": "INT", "defaults": 3},
        {"id": "wrong", "type": "INT"},
        {"id": "secret", "type": "SECRET"},
        {"id": "file", "type": "FILE"},
        {"id": "off", "type": "STRING", "dependsOn": {"inputs": ["wrong"]}},
        {"id": "s", "type": "SELECT", "values": ["a", "b"], "autoSelectFirst": True},
    )
    given = {"wrong": "x", "secret": "hidden", "file": "/tmp/x", "off": "o"}
    found = await preview_inputs(declared, given, render=host.render, seal=seal)
    n, wrong, secret, file, off, s = declared
    text = "Invalid value for input `wrong`. Cause: it must be a whole number, but is x"
    assert found == [
        InputState(n, 3, is_default=True),
        InputState(wrong, "x", errors=(text,)),
        InputState(secret, "******"),
        InputState(file, "/tmp/x"),
        InputState(off, "o", enabled=False),
        InputState(s, "a", is_default=True, choices=("a", "b")),
    ]
    assert host.saved == []
