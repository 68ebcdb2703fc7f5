"""Plugin defaults of flows and of the installation."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from engine.definition.defaults import PluginDefault, inject
from engine.definition.load import Loaded, load_flow
from engine.definition.rules import Rules
from engine.errors import InvalidFlow
from engine.settings import PluginDefaults
from support.definition_plugins import INDEX


def load(text: str, *installed: PluginDefaults) -> Loaded:
    return load_flow(textwrap.dedent(text), index=INDEX, rules=Rules(installed))


def mistakes(text: str, *installed: PluginDefaults) -> list[str]:
    with pytest.raises(InvalidFlow) as caught:
        load(text, *installed)
    return [str(item) for item in caught.value.diagnostics]


def properties(loaded: Loaded, place: int = 0) -> Any:
    return loaded.flow.branches["tasks"][place].properties


LOG = "id: f\nnamespace: n\ntasks:\n- {id: log, type: core.log.Log, message: mine}\n"


def test_what_the_flow_says_wins_over_a_default_and_a_forced_one_over_the_flow() -> None:
    plain = load(LOG + "pluginDefaults:\n- {type: core.log.Log, values: {message: other, level: WARN}}\n")
    assert properties(plain) == {"message": "mine", "level": "WARN"}
    forced = load(LOG + "pluginDefaults:\n- {type: core.log.Log, forced: true, values: {message: other}}\n")
    assert properties(forced)["message"] == "other"


@pytest.mark.parametrize(
    "type",
    ["core.log.Log", "io.kestra.plugin.core.log.Log", "io.kestra.core.tasks.log.Log", "core.log", "io.kestra.plugin"],
)
@pytest.mark.parametrize("used", ["core.log.Log", "io.kestra.core.tasks.log.Log", "io.kestra.plugin.core.log.Log"])
def test_a_default_is_for_every_name_of_a_type_and_for_its_fronts(type: str, used: str) -> None:
    text = LOG.replace("core.log.Log", used) + f"pluginDefaults:\n- {{type: {type}, values: {{level: WARN}}}}\n"
    assert properties(load(text))["level"] == "WARN"


@pytest.mark.parametrize("type", ["core.lo", "core.log.Lo", "core.flow"])
def test_a_part_of_a_name_is_no_front(type: str) -> None:
    text = LOG + f"pluginDefaults:\n- {{type: {type}, values: {{level: WARN}}}}\n"
    assert "level" not in properties(load(text))


def test_a_default_of_many_types_gives_each_what_it_has() -> None:
    text = LOG + "pluginDefaults:\n- {type: core, values: {level: WARN, format: x, timeout: PT1M}}\n"
    task = load(text).flow.branches["tasks"][0]
    assert (task.fields.timeout, task.properties) == ("PT1M", {"message": "mine", "level": "WARN"})


def test_a_mistake_in_a_default_is_told_where_it_stands() -> None:
    text = LOG + "taskDefaults:\n- type: core.log.Log\n  values:\n    level: LOUD\n"
    (found,) = [item for item in mistakes(text) if "warning" not in item]
    assert found.startswith("8:12: tasks[0].level: must be 'TRACE'")


def test_the_place_of_an_item_is_right_behind_the_items_of_a_default() -> None:
    text = """\
        id: f
        namespace: n
        pluginDefaults:
        - {type: core.log.Log, values: {message: [one, two]}}
        tasks:
        - id: log
          type: core.log.Log
          message:
          - three
          - [four]
        """
    (found,) = mistakes(text)
    assert found.startswith("10:5: tasks[0].message[3]: must be text")


def test_what_the_installation_gives_wrongly_is_told_at_the_task() -> None:
    (found,) = mistakes(LOG, PluginDefaults("core.log.Log", {"level": "LOUD"}))
    assert found.startswith("4:3: tasks[0].level: must be 'TRACE'")


@pytest.mark.parametrize(
    ("default", "below", "text"),
    [
        ("{values: {a: 1}}", "", "No 'type' provided"),
        ("{type: core.log.Log}", "", "No 'values' provided"),
        ("{type: core.log.Log, values: {level: }}", ".values.level", "No value provided for key 'level'"),
        ("{type: core.log.Log, values: {x: 1}}", ".values.x", "No property 'x' exists in plugin 'core.log.Log'"),
    ],
)
def test_a_wrong_default_is_reported(default: str, below: str, text: str) -> None:
    column = default.rindex("{") + 4 if below else 3
    found = mistakes(LOG + f"pluginDefaults:\n- {default}\n")
    assert found == [f"6:{column}: pluginDefaults[0]{below}: Invalid Plugin Default: {text}"]


def values(*defaults: tuple[dict[str, Any], bool], task: dict[str, Any]) -> Any:
    given = [PluginDefault("any", values, forced, None) for values, forced in defaults]
    raw, _ = inject({"tasks": [{"type": "any", **task}]}, given, INDEX)
    return {name: value for name, value in raw["tasks"][0].items() if name != "type"}


def test_maps_are_merged_and_lists_joined() -> None:
    found = values(
        ({"map": {"a": 1, "b": {"c": 2}}, "list": [1]}, False),
        ({"list": [2], "map": {"a": 9, "z": 9}}, False),
        task={"list": [0], "map": {"b": {"d": 3}}},
    )
    assert found == {"map": {"a": 1, "z": 9, "b": {"c": 2, "d": 3}}, "list": [2, 1, 0]}


def test_the_first_of_several_defaults_wins() -> None:
    assert values(({"set": 1}, True), ({"set": 2}, True), ({"set": 3}, False), task={"set": 4}) == {"set": 1}
    assert values(({"set": 1}, False), ({"set": 2}, False), task={}) == {"set": 1}
    assert values(({"set": 1}, False), ({"set": 2}, True), task={}) == {"set": 2}


def test_a_default_reaches_into_everything_with_a_type_but_not_into_itself() -> None:
    default = PluginDefault("any", {"taskRunner": {"type": "any"}}, False, None)
    raw, _ = inject({"tasks": [{"type": "any"}], "triggers": [{"conditions": [{"type": "any"}]}]}, [default], INDEX)
    assert raw["tasks"] == [{"type": "any", "taskRunner": {"type": "any"}}]
    assert raw["triggers"][0]["conditions"][0]["taskRunner"] == {"type": "any"}
