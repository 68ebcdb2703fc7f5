"""The schema for editors, and documentation as data."""

from __future__ import annotations

from typing import Any

import jsonschema

from engine.definition.dialect import BRANCHES
from engine.definition.schema import flow_schema
from engine.plugin.aliases import ALIASES
from engine.plugin.describe import Property, describe
from support.definition_plugins import INDEX, If, Log, Process, Request, Script


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = flow_schema(INDEX)
    assert {f"#/$defs/{name}" for name in schema["$defs"]} >= references(schema)


def test_a_task_has_common_and_own_properties_by_its_type() -> None:
    schema = flow_schema(INDEX)
    assert schema["properties"]["tasks"]["items"] == {"$ref": "#/$defs/task"}
    log = schema["$defs"]["core.log.Log"]
    assert {"id", "type", "timeout", "message", "level"} <= log["properties"].keys()
    assert log["required"] == ["id", "type", "message"]
    assert log["additionalProperties"] is False
    assert "io.kestra.other.OldLog" in log["properties"]["type"]["enum"]
    then = schema["$defs"]["core.flow.If"]["properties"]["then"]
    assert then["items"] == {"$ref": "#/$defs/task"}
    step = schema["$defs"]["core.flow.Dag.Step"]["properties"]["task"]
    assert step == {"$ref": "#/$defs/task"}
    assert "maxAttempts" in schema["$defs"]["RetryFields"]["properties"]


def test_other_names_of_properties_are_taken_too() -> None:
    validator = jsonschema.Draft202012Validator(flow_schema(INDEX))
    flow = {
        "id": "f",
        "namespace": "n",
        "inputs": [{"name": "a", "type": "STRING"}],
        "taskDefaults": [{"type": "core.log.Log", "values": {"level": "WARN"}}],
        "tasks": [
            {
                "id": "t",
                "type": "core.log.Log",
                "message": "x",
                "retry": {"type": "constant", "interval": "PT1S", "maxAttempt": 2},
            }
        ],
    }
    assert list(validator.iter_errors(flow)) == []
    assert not validator.is_valid({**flow, "inputs": [{"type": "STRING"}]})


def test_every_list_of_tasks_of_a_flow_holds_tasks() -> None:
    schema = flow_schema(INDEX)
    for branch in BRANCHES:
        assert {"$ref": "#/$defs/task"} in _items(schema["properties"][branch]), branch
    listener = schema["$defs"]["Listener"]["properties"]
    assert listener["tasks"]["items"] == {"$ref": "#/$defs/task"}
    assert {"$ref": "#/$defs/task"} not in _items(listener["conditions"])


def _items(schema: dict[str, Any]) -> list[Any]:
    return [one.get("items") for one in schema.get("anyOf", [schema])]


def test_a_trigger_has_common_and_own_properties_by_its_type() -> None:
    schema = flow_schema(INDEX)
    assert schema["properties"]["triggers"]["items"] == {"$ref": "#/$defs/trigger"}
    schedule = schema["$defs"]["core.trigger.Schedule"]
    assert {"id", "type", "conditions", "stopAfter", "cron", "timezone"} <= schedule["properties"].keys()
    assert schedule["required"] == ["id", "type", "cron"]
    assert {"inputs", "columns"} <= schema["$defs"]["Input"]["properties"].keys()
    assert "pluginDefaults" in schema["properties"]


def test_a_property_that_is_rendered_may_be_an_expression() -> None:
    retries = flow_schema(INDEX)["$defs"]["core.http.Request"]["properties"]["retries"]
    assert retries["anyOf"][1]["type"] == "string"
    assert retries["default"] == 0


def test_a_task_is_described_by_its_class() -> None:
    described = describe("io.kestra.plugin.core.log.Log", Log)
    assert (described.short, described.kind) == ("core.log.Log", "task")
    assert (described.title, described.text) == ("Write a line to the log.", "More about it.")
    assert described.aliases == ("io.kestra.other.OldLog",)
    assert described.properties == (
        Property("message", "text or list of text", True, None, "What to write."),
        Property("level", "TRACE or DEBUG or INFO or WARN or ERROR", False, "INFO", "How grave it is."),
    )
    assert described.outputs == ()


def test_outputs_are_those_of_the_returned_model() -> None:
    described = describe("io.kestra.plugin.core.http.Request", Request)
    assert described.outputs == (
        Property("code", "whole number", True, None, "Status code."),
        Property("body", "text", False, None, ""),
    )
    types = {item.name: item.type for item in described.properties}
    assert types == {
        "uri": "text", "headers": "map of text", "options": "map", "retries": "whole number", "body": "anything",
    }  # fmt: skip


def test_kinds_and_names_as_users_write_them() -> None:
    assert describe("io.kestra.plugin.core.flow.If", If).kind == "block"
    assert describe("io.kestra.plugin.core.runner.Process", Process).kind == "task runner"
    names = [item.name for item in describe("io.kestra.plugin.core.flow.If", If).properties]
    assert names == ["errors", "finally", "condition", "then", "else"]
    assert "taskRunner" in {item.name for item in describe("x.Script", Script).properties}


def test_old_names_lead_to_current_ones() -> None:
    expected = {
        "io.kestra.core.tasks.log.Log": "core.log.Log",
        "io.kestra.core.tasks.debugs.Return": "core.debug.Return",
        "io.kestra.core.tasks.flows.EachSequential": "core.flow.EachSequential",
        "io.kestra.core.tasks.flows.Flow": "core.flow.Subflow",
        "io.kestra.core.tasks.executions.Fail": "core.execution.Fail",
        "io.kestra.core.tasks.scripts.Bash": "scripts.shell.Commands",
        "io.kestra.core.models.triggers.types.Schedule": "core.trigger.Schedule",
        "io.kestra.core.models.conditions.types.DayWeekCondition": "core.condition.DayWeek",
        "io.kestra.plugin.core.condition.ExpressionCondition": "core.condition.Expression",
        "io.kestra.plugin.fs.http.Request": "core.http.Request",
        "fs.http.Request": "core.http.Request",
        "core.flow.WaitFor": "core.flow.LoopUntil",
    }
    assert {old: ALIASES[old] for old in expected} == {old: f"io.kestra.plugin.{new}" for old, new in expected.items()}


def test_no_old_name_leads_to_another_old_name() -> None:
    assert not ALIASES.keys() & set(ALIASES.values())
