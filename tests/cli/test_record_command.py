"""`tidegate test record`: from a real execution to a test that passes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.command_line import Place
from support.running import start, until

FLOW = """
id: orders
namespace: test
inputs:
  - {id: who, type: STRING, defaults: world}
  - {id: list, type: FILE}
  - {id: token, type: SECRET, defaults: "{{ secret('TOKEN') }}"}
tasks:
  - {id: put, type: core.storage.Write, content: "a,b\\n1,2\\n", extension: .csv}
  - {id: key, type: core.kv.Set, key: color, value: blue}
  - {id: hello, type: core.debug.Return, format: "{{ inputs.who }} {{ read(outputs.put.uri) }} {{ kv('color') }}"}
  - {id: hides, type: core.debug.Return, format: "{{ secret('TOKEN') }} and {{ inputs.token }}"}
  - {id: now, type: core.debug.Return, format: "{{ now() }}"}
  - {id: braces, type: core.debug.Return, format: "{% raw %}{{ x }}{% endraw %}"}
  - id: each
    type: core.flow.ForEach
    values: [a, "010"]
    tasks:
      - {id: state, type: core.state.Set, name: "{{ taskrun.value }}", data: {v: "{{ taskrun.value }}"}}
      - {id: one, type: core.debug.Return, format: "{{ outputs.state[taskrun.value].count }}"}
  - {id: bad, type: core.http.Download, uri: "http://127.0.0.1:9/nothing", allowFailure: true}
outputs:
  - {id: o, type: STRING, value: "{{ outputs.hello.value }}"}
"""
SECRET = "an-unguessable-token"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("SECRET_TOKEN", base64.b64encode(SECRET.encode()).decode())
    place = Place(tmp_path)
    (tmp_path / "list.txt").write_text("first\n")
    place.call("run", place.flow(FLOW, "orders.yaml"), "-f", f"list={tmp_path / 'list.txt'}")
    return place


def test_a_recorded_execution_is_a_test_that_passes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place.folder / "recorded" / "orders.test.yaml"
    shown = place.call("test", "record", "last", "--out", str(file))
    assert "It passes" in shown
    assert "not asserted, for it isn't the same each time: {{ outputs['now']['value'] }}" in shown
    monkeypatch.delenv("SECRET_TOKEN")
    assert "1 passed" in place.call("test", str(file.parent))
    assert "exists: choose another" in place.call("test", "record", "last", "--out", str(file), code=2)

    case: dict[str, Any] = yaml.safe_load(file.read_text())["testCases"][0]
    fixtures = case["fixtures"]
    assert case["expectedState"] == "WARNING"
    assert fixtures["inputs"] == {"who": "world", "list": "{{ files['list.txt'] }}", "token": "******"}
    assert (fixtures["kv"], fixtures["secrets"]) == ({"color": "blue"}, {"TOKEN": "******"})
    tasks = {(task["id"], task.get("value")): task for task in fixtures["tasks"]}
    assert set(tasks) == {("put", None), ("key", None), ("state", "a"), ("state", "010"), ("bad", None)}
    assert tasks["put", None]["outputs"]["uri"] == "{{ files['content.csv'] }}"
    assert tasks["bad", None]["state"] == "WARNING"
    assert {path.name: path.read_text() for path in (file.parent / "orders.files").iterdir()} == {
        "list.txt": "first\n",
        "content.csv": "a,b\n1,2\n",
    }
    asserted = {item["value"]: item["equalTo"] for item in case["assertions"]}
    assert asserted["{{ execution.outputs['o'] }}"] == "world a,b\n1,2\n blue"
    assert asserted["{{ tasks['state']['010'].state }}"] == "SUCCESS"
    assert asserted["{{ outputs['braces']['value'] }}"] == "{% raw %}{{ x }}{% endraw %}"
    assert "{{ outputs['hides']['value'] }}" not in asserted
    for written in file.parent.rglob("*"):
        assert written.is_dir() or SECRET not in written.read_text()

    changed = FLOW.replace("{{ inputs.who }} {{ read", "dear {{ inputs.who }} {{ read")
    (file.parent / "orders.yaml").write_text(changed)
    shown = place.call("test", str(file), code=1)
    assert "{{ outputs['hello']['value'] }} equalTo" in shown
    assert "+dear world a,b" in shown


async def test_what_goes_on_is_not_recorded(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with open_engine(place.data, Settings()) as engine:
        waits = "id: w\nnamespace: test\ntasks: [{id: p, type: core.flow.Pause}]\n"
        execution = await start(engine, waits)
        await until(engine, execution.id, "p", Status.PAUSED)
    assert "has not ended, its state is PAUSED" in place.call("test", "record", execution.id, code=2)
