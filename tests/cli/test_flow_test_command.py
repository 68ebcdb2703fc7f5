"""`tidegate test`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.command_line import Place

FLOW = """
id: greet
namespace: test
inputs: [{id: who, type: STRING, defaults: world}]
tasks:
  - {id: hello, type: core.debug.Return, format: "hello {{ inputs.who }}\\nbye {{ inputs.who }}"}
"""
TESTS = """
id: greet_test
namespace: test
flowId: greet
testCases:
  - id: right
    assertions: [{value: "{{ outputs.hello.value }}", contains: hello world}]
  - id: wrong
    description: says goodbye
    fixtures: {inputs: {who: me}}
    assertions: [{value: "{{ outputs.hello.value }}", equalTo: "hello me\\nbye you"}]
  - id: later
    disabled: true
    assertions: [{value: 1, equalTo: 2}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.flow(FLOW, "greet.yaml")
    place.flow(TESTS, "greet.test.yaml")
    return place


def test_results_are_shown_with_what_is_different(place: Place) -> None:
    report = place.folder / "report.xml"
    shown = place.call("test", str(place.folder), "--junit", str(report), code=1)
    assert all(result in shown for result in ("✓ PASSED", "✗ FAILED", "- SKIPPED"))
    assert f"{place.folder / 'greet.test.yaml'}:11: {{{{ outputs.hello.value }}}} equalTo" in shown
    assert "  -bye you\n  +bye me" in "\n".join(line.removeprefix("  ") for line in shown.splitlines())
    assert "1 passed, 1 failed, 1 skipped in " in shown
    assert not (place.data / "tidegate.db").exists()

    root = ElementTree.parse(report).getroot()
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["right"].get("classname") == "test.greet.greet_test"
    assert float(cases["right"].get("time", "0")) > 0
    assert cases["later"].find("skipped") is not None
    failure = cases["wrong"].find("failure")
    assert failure is not None
    assert "+bye me" in (failure.text or "")


def test_some_are_chosen_and_told_as_json(place: Place) -> None:
    flow = str(place.folder / "greet.yaml")
    (one,) = json.loads(place.call("test", flow, "--filter", "*.right", "--json", "--jobs", "1"))
    assert (one["case"], one["outcome"], one["state"]) == ("right", "PASSED", "SUCCESS")
    assert one["asserted"][0]["actual"] == "hello world\nbye world"
    assert "No test fits" in place.call("test", flow, "--filter", "nothing", code=2)


def test_mistakes_are_told_with_their_places_by_test_and_validate(place: Place) -> None:
    file = place.flow(TESTS.replace("who: me", "whom: me").replace("contains: h", "contain: h"), "greet.test.yaml")
    assert f"{file}:7:" in place.call("test", file, code=2)
    assert f"{file}:7:" in place.call("validate", str(place.folder), code=1)
    file = place.flow(TESTS.replace("who: me", "whom: me"), "greet.test.yaml")
    assert f"{file}:10:25: testCases[1].fixtures.inputs.whom: the flow has no input 'whom'" in place.call(
        "test", file, code=2
    )


def test_tests_are_no_flows(place: Place) -> None:
    assert "greet_test (tests)" in place.call("validate", str(place.folder))
    place.call("run", str(place.folder / "greet.yaml"), "--flows", str(place.folder))
    (place.folder / "greet.test.yaml").unlink()
    assert "There are no tests there" in place.call("test", str(place.folder), code=2)
