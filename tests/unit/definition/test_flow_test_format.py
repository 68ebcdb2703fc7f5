"""The format of flow tests, and what their assertions mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.definition.assertions import holds
from engine.definition.find_tests import find_tests
from engine.definition.flow_test import is_suite, load_suite
from engine.definition.rules import Rules
from engine.errors import InvalidFlow
from engine.plugin.index import installed

FLOW = """
id: greet
namespace: test
inputs: [{id: who, type: STRING}, {id: list, type: FILE}]
tasks:
  - {id: hello, type: core.debug.Return, format: "{{ inputs.who }}"}
  - id: block
    type: core.flow.Sequential
    tasks: [{id: inner, type: core.log.Log, message: hi}]
"""
WRONG = """id: greet_test
namespace: test
flowId: greet
testCases:
  - id: first
    type: io.kestra.core.tests.flow.LoadTest
    fixtures:
      input: {who: me}
      tasks:
        - {id: hello, state: BROKEN}
    assertions:
      - value: "{{ outputs.hello.value }}"
        equalsto: 1
      - value: nothing is claimed
  - id: first
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidFlow) as caught:
        load_suite(text, "greet.test.yaml")
    return [str(item).removeprefix("greet.test.yaml:") for item in caught.value.diagnostics]


def test_every_mistake_is_told_with_its_place() -> None:
    found = mistakes(WRONG)
    assert [line.partition(": ")[0] for line in found] == ["8:7", "10:30", "13:9", "15:5"]
    assert "testCases[0].fixtures: Unrecognized field \"input\", did you mean 'inputs'" in found[0]
    assert "must be 'SUCCESS', 'WARNING'" in found[1]
    assert "equalTo" in found[2]
    assert "the property 'assertions' is required" in found[3]


def test_what_the_models_cannot_say_is_told_too() -> None:
    text = WRONG.replace("input:", "inputs:").replace("BROKEN", "FAILED").replace("equalsto", "equalsTo")
    found = mistakes(text + "    assertions: []\n")
    assert [line.partition(": ")[0] for line in found] == ["6:11", "14:9", "15:9"]
    assert "Invalid type: io.kestra.core.tests.flow.LoadTest" in found[0]
    assert "an assertion says what must hold: equalTo, " in found[1]
    assert "Duplicate test case id: first" in found[2]


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "id: x\ntestCases: []\n"])
def test_what_is_no_file_of_tests_is_refused(text: str) -> None:
    assert mistakes(text)


def test_tests_must_fit_the_flow(tmp_path: Path) -> None:
    (tmp_path / "greet.yaml").write_text(FLOW)
    (tmp_path / "greet.test.yaml").write_text(
        "id: t\nnamespace: test\nflowId: greet\ntestCases:\n"
        "  - id: a\n"
        "    fixtures:\n"
        "      inputs: {whom: me, list: nowhere.csv}\n"
        "      files: {a: 'file:gone.txt'}\n"
        "      tasks:\n"
        "        - id: helo\n"
        "        - {id: block, value: x}\n"
        "    assertions:\n"
        "      - {value: '1', equalTo: 1, taskId: nobody}\n"
    )
    found = find_tests([tmp_path], None, installed())
    assert not found.suites
    assert [(item.line, item.code) for item in found.mistakes] == [
        (7, "unknown-input"),
        (7, "unknown-file"),
        (8, "unknown-file"),
        (10, "unknown-task"),
        (11, "wrong-value"),
        (13, "unknown-task"),
    ]
    assert "did you mean 'hello'" in found.mistakes[3].message


SUITE = "id: {id}\nnamespace: test\nflowId: {flow}\ntestCases:\n  - {{id: a, assertions: [{{value: 1, equalTo: 1}}]}}\n"


def test_tests_are_found_beside_their_flow(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "greet.yaml").write_text(FLOW)
    (tmp_path / "other.yaml").write_text(FLOW.replace("id: greet", "id: other"))
    (tmp_path / "greet.test.yaml").write_text(SUITE.format(id="beside", flow="greet"))
    (tmp_path / "tests" / "any_name.yml").write_text(SUITE.format(id="below", flow="greet"))
    (tmp_path / "other_test.yaml").write_text(SUITE.format(id="others", flow="other"))

    def found(*names: str) -> list[str]:
        tests = find_tests([tmp_path / name for name in names], None, installed())
        assert not tests.mistakes
        return sorted(suite.loaded.suite.id for suite in tests.suites)

    assert found("") == ["below", "beside", "others"]
    assert found("greet.yaml") == ["below", "beside"]
    assert found("tests/any_name.yml") == ["below"]
    assert found("greet.test.yaml", "", "other.yaml") == ["below", "beside", "others"]


def test_flows_are_read_by_the_rules_of_the_installation(tmp_path: Path) -> None:
    templated = "{id: say, type: core.flow.Template, namespace: test, templateId: t}"
    (tmp_path / "greet.yaml").write_text(f"id: greet\nnamespace: test\ntasks: [{templated}]\n")
    (tmp_path / "greet.test.yaml").write_text(SUITE.format(id="beside", flow="greet"))
    (off,) = find_tests([tmp_path], None, installed()).mistakes
    assert "templates are off" in off.message
    tests = find_tests([tmp_path], None, installed(), Rules(templates_enabled=True))
    assert (len(tests.suites), tests.mistakes) == (1, ())


def test_a_flow_that_is_not_there_or_not_valid_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.test.yaml").write_text(SUITE.format(id="a", flow="greet"))
    (alone,) = find_tests([tmp_path], None, installed()).mistakes
    assert "there is no flow 'test.greet' beside the test" in alone.message
    assert (alone.line, alone.column) == (3, 9)
    (tmp_path / "greet.yaml").write_text(FLOW.replace("core.log.Log", "core.log.Lug"))
    (invalid,) = find_tests([tmp_path], None, installed()).mistakes
    assert "core.log.Lug" in invalid.message


def test_tests_are_told_from_flows_by_name_or_by_what_they_hold() -> None:
    assert is_suite(Path("a.test.yaml"), FLOW)
    assert is_suite(Path("a_test.yml"), "")
    assert is_suite(Path("a.yaml"), "id: a\ntestCases: []\n")
    assert not is_suite(Path("latest.yaml"), FLOW)


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        ("equalTo", "200", 200),
        ("equalTo", 200, "200"),
        ("equalTo", 1.0, 1),
        ("equalTo", "true", True),
        ("equalTo", ["a", "1"], ["a", 1]),
        ("equalTo", '{"a": [1]}', {"a": ["1"]}),
        ("equalTo", None, None),
        ("notEqualTo", 1, True),
        ("notEqualTo", None, "null"),
        ("notEqualTo", [1], [1, 2]),
        ("notEqualTo", "a", 1),
        ("contains", "hello", "ell"),
        ("contains", [1, 2], "2"),
        ("contains", {"a": 1}, "a"),
        ("startsWith", "hello", "he"),
        ("endsWith", "hello", "lo"),
        ("greaterThan", "10", 9),
        ("greaterThanOrEqualTo", 9, 9),
        ("lessThan", 9, "10.5"),
        ("lessThanOrEqualTo", 9, 9),
        ("in", 2, ["1", "2"]),
        ("in", "a", '["a"]'),
        ("notIn", 3, [1, 2]),
        ("isNull", None, True),
        ("isNull", "", False),
        ("isNotNull", 0, True),
    ],
)
def test_what_holds(operator: str, actual: Any, expected: Any) -> None:
    assert holds(operator, actual, expected)


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        ("equalTo", "a", "A"),
        ("equalTo", True, 1),
        ("equalTo", {"a": 1}, {"a": 1, "b": 2}),
        ("notEqualTo", "5", 5),
        ("contains", None, "N"),
        ("contains", "a", "b"),
        ("startsWith", None, "N"),
        ("endsWith", "a", "b"),
        ("greaterThan", 9, 9),
        ("greaterThanOrEqualTo", 8, 9),
        ("lessThan", 9, 9),
        ("lessThanOrEqualTo", 10, 9),
        ("in", 3, [1, 2]),
        ("notIn", 1, [1]),
        ("isNull", "x", True),
        ("isNotNull", None, True),
    ],
)
def test_what_does_not_hold(operator: str, actual: Any, expected: Any) -> None:
    assert not holds(operator, actual, expected)


@pytest.mark.parametrize(("operator", "actual"), [("greaterThan", "many"), ("lessThan", None), ("in", 1)])
def test_what_cannot_be_compared_is_told(operator: str, actual: Any) -> None:
    with pytest.raises(ValueError):
        holds(operator, actual, 1)
