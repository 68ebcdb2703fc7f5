"""Commands on executions: several by name or by options, and what can be changed of those that have ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Place

STEPS = """
id: steps
namespace: test
labels: {team: sales}
inputs:
  - {id: count, type: INT, defaults: 1}
tasks:
  - {id: first, type: core.debug.Return, format: "{{ inputs.count }}"}
  - {id: second, type: core.debug.Return, format: "{{ outputs.first.value }} and {{ inputs.count }}"}
"""
FAILS = """
id: fails
namespace: test
tasks:
  - {id: fail, type: core.execution.Fail}
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def listed(place: Place, *options: str) -> list[dict[str, Any]]:
    found = json.loads(place.call("execution", "list", "--json", *options))
    assert isinstance(found, list)
    return found


def test_a_replay_with_other_inputs_and_outputs(place: Place) -> None:
    place.call("run", place.flow(STEPS))
    replay = ("execution", "replay", "last", "--task", "second", "-i", "count=5", "--output", "first.value=given")
    assert "given and 5" in place.call(*replay)
    place.call("execution", "replay", "last", "--output", "first=1", code=2)
    place.call("execution", "replay", "last", "-i", "count=many", code=2)
    assert len(listed(place)) == 2


def test_many_are_chosen_by_options(place: Place) -> None:
    place.call("run", place.flow(STEPS))
    failing = place.flow(FAILS)
    for _ in range(2):
        place.call("run", failing, code=1)
    assert len(listed(place, "--label", "team=sales")) == 1
    assert listed(place, "--until", "2020-01-01") == listed(place, "--kind", "test") == []
    asked = place.call("execution", "set-status", "--flow", "fails", "--to", "warning", code=2)
    assert "2 executions would be set to WARNING: say --yes" in " ".join(asked.split())
    place.call("execution", "set-status", "--flow", "fails", "--to", "warning", "--dry-run")
    assert {one["history"][-1][0] for one in listed(place, "--flow", "fails")} == {"FAILED"}
    place.call("execution", "set-status", "--flow", "fails", "--to", "warning", "--yes")
    assert len(listed(place, "--state", "warning")) == 2
    done = json.loads(place.call("execution", "labels", "--since", "2020-01-01", "--set", "a=b", "--yes", "--json"))
    assert (done["count"], done["refused"]) == (3, {})
    ids = [one["id"] for one in listed(place, "--label", "a=b", "--flow", "fails")]
    again = json.loads(place.call("execution", "replay", *ids, "--json"))
    assert len(again["started"]) == 2
    assert len(listed(place, "--state", "failed", "--label", "system.replay=true")) == 2
    place.call("execution", "delete", "--flow", "fails", "--yes")
    assert [one["flow"] for one in listed(place)] == ["steps"]


def test_what_does_not_fit_is_told_and_nothing_is_done(place: Place) -> None:
    place.call("run", place.flow(STEPS))
    place.call("run", place.flow(STEPS))
    ids = [one["id"] for one in listed(place)]
    told = place.call("execution", "kill", *ids, code=2)
    assert told.count("execution already finished, its state is SUCCESS") == 2
    for wrong in (("kill",), ("kill", ids[0], "--flow", "steps"), ("kill", "--flow", "steps", "--since", "soon")):
        place.call("execution", *wrong, code=2)
    assert "offending label" in place.call("execution", "labels", *ids, "--set", "system.app=x", code=2)
