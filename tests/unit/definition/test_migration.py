"""What a flow's author is told about dialects and old names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.definition.check_path import check_path
from engine.definition.load import load_flow
from engine.definition.migration import migration_of
from engine.definition.rules import Rules
from engine.plugin.index import installed
from support.command_line import Place

OLD = """\
id: f
namespace: a.b
inputs:
- {name: n, type: BOOLEAN}
tasks:
- id: each
  type: io.kestra.core.tasks.flows.ForEach
  values: [1]
  tasks:
  - id: log
    type: core.debug.Echo
    format: hi
    runIf: "{{ true }}"
    retry: {type: constant, interval: PT1S, maxAttempt: 3}
triggers:
- {id: s, type: core.trigger.Schedule, cron: '@daily', minLogLevel: INFO, conditions: []}
"""


def test_every_old_name_is_told_with_its_place_and_what_is_written_today() -> None:
    found = migration_of(OLD, installed())
    assert found is not None
    assert (found.dialect, found.reason) == (1, "nothing in it is of dialect 2 alone")
    assert [(it.kind, f"{it.line}:{it.column}", it.path, it.instead) for it in found.pieces] == [
        ("deprecated", "4:4", "inputs[0].name", "id"),
        ("deprecated", "4:19", "inputs[0].type", "BOOL"),
        ("relocation", "7:9", "tasks[0].type", "io.kestra.plugin.core.flow.ForEach"),
        ("dialect", "7:9", "tasks[0].type", "core.flow.Loop"),
        ("deprecated", "10:5", "tasks[0].tasks[0]", "core.log.Log"),
        ("dialect", "13:5", "tasks[0].tasks[0].runIf", "when"),
        ("deprecated", "14:45", "tasks[0].tasks[0].retry.maxAttempt", "maxAttempts"),
        ("deprecated", "16:56", "triggers[0].minLogLevel", "logLevel"),
        ("dialect", "16:75", "triggers[0].conditions", "when"),
    ]


LOG = "id: f\nnamespace: a.b\ntasks:\n- {id: log, type: core.log.Log, message: hi}\n"
WHEN = LOG.replace("hi}", "hi, when: true}")


@pytest.mark.parametrize(
    ("text", "dialects", "dialect", "reason"),
    [
        (LOG, {}, 1, "nothing in it is of dialect 2 alone"),
        (WHEN, {}, 2, "tasks[0].when is of dialect 2 alone"),
        (LOG, {"a": 2}, 2, "the setting `dialects` says so for its namespace"),
        (LOG, {"a": 1, "a.b": 2}, 2, "the setting `dialects` says so for its namespace"),
        (LOG, {"a.bc": 2}, 1, "nothing in it is of dialect 2 alone"),
        ("# dialect: 1\n" + LOG, {"a": 2}, 1, "its first line says so"),
    ],
)
def test_the_dialect_of_a_flow_and_why(text: str, dialects: dict[str, int], dialect: int, reason: str) -> None:
    rules = Rules(dialects=dialects)
    found = migration_of(text, installed(), rules)
    assert found is not None
    assert (found.dialect, found.reason) == (dialect, reason)
    assert load_flow(text, index=installed(), rules=rules).dialect == dialect


def test_reports_hold_it_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(OLD)
    (tmp_path / "b.yaml").write_text("[")
    first, second = check_path(tmp_path, installed(), migration=True)
    assert first.migration is not None
    assert second.migration is None
    assert check_path(tmp_path, installed())[0].migration is None


def test_the_command_shows_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    shown = place.call("validate", place.flow(OLD), "--dialect")
    assert "  dialect 1: nothing in it is of dialect 2 alone\n" in shown
    assert "  4:4 inputs[0].name: name is deprecated, in its place: id\n" in shown
    assert "  13:5 tasks[0].tasks[0].runIf: runIf is of one dialect, in the other: when\n" in shown
    (report,) = json.loads(place.call("validate", place.flow(OLD), "--dialect", "--json"))
    assert report["migration"]["dialect"] == 1
    assert report["migration"]["pieces"][0]["kind"] == "deprecated"
    settings = tmp_path / "settings.yaml"
    settings.write_text("dialects: {a: 2}\n")
    assert "  dialect 2: the setting" in place.call("validate", place.flow(LOG), "--dialect", "--config", str(settings))
