"""`tidegate execution why`, asked from another terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from support.command_line import Place

WAITS = """
id: waits
namespace: test
tasks:
  - id: each
    type: core.flow.Loop
    values: [north]
    tasks: [{id: ask, type: core.flow.Pause, onResume: [{id: reason, type: STRING}]}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_sentence_the_command_that_helps_and_json(place: Place) -> None:
    with place.start("run", place.flow(WAITS)) as process:
        give_up = time.monotonic() + 40
        while "PAUSED" not in place.call("execution", "list"):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        found = json.loads(place.call("execution", "why", "last", "--json"))
        assert (found["state"], found["cause"], found["holder"]["kind"]) == ("PAUSED", "EXECUTIONS", "executions")
        (iteration,) = found["chain"]
        assert (iteration["cause"], iteration["flow"]) == ("PAUSED", "test.waits")
        said, step = place.call("execution", "why", "last").strip().split("\n")
        assert said.startswith("The task 'each' waits for 1 of its 1 iterations, first for 'north'")
        assert said.endswith("until somebody resumes it with reason.")
        assert step == f"Next: tidegate execution resume {iteration['id']} -i reason=…"
        place.call("execution", "resume", iteration["id"], "-i", "reason=fine")
        out, err = process.communicate(timeout=40)
    assert process.returncode == 0, out + err
    assert place.call("execution", "why", "last") == "It has ended in SUCCESS and waits for nothing.\n"
