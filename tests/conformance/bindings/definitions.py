"""Cases about what is made of the text of a flow before anything runs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from conformance.bench import Bench
from conformance.flow_matching import difference
from conformance.flow_plugins.index import index
from engine.definition.defaults import PluginDefault, inject
from engine.definition.load import load_flow
from engine.definition.migration import Piece, migration_of
from engine.plugin.index import FAMILY

TASK = "io.kestra.test"
TYPES = {"task": TASK, "trigger": "io.kestra.trigger", "condition": "io.kestra.plugin.core.condition.Expression"}
ALIASED = "io.kestra.core.models.conditions.types.ExpressionCondition"


async def _defaults(bench: Bench) -> list[str]:
    """A task, or a flow, with defaults of flow and installation."""
    unit = bench.case["start"]["unit"]
    given = list(_given(unit))
    flow = unit.get("flow") or {"tasks": [{"type": TASK, **unit["task"]}]}
    flow = {**flow, "triggers": [{"type": TYPES["trigger"], "conditions": [{"type": TYPES["condition"]}]}]}
    made, _ = inject(flow, given, index())
    task, trigger = made["tasks"][0], made["triggers"][0]
    parts = {"task": task, "trigger": trigger, "condition": trigger["conditions"][0]}
    wanted = bench.case["expect"]["result"]
    if not wanted.keys() & parts.keys():
        wanted = {"task": wanted}
    return [
        f"{name}: {problem}"
        for name, part in wanted.items()
        if name != "note" and (problem := _difference(parts[name], part))
    ]


def _given(unit: Mapping[str, Any]) -> Iterator[PluginDefault]:
    for key, below in unit.items():
        if not key.startswith(("flow_default", "global_default", "defaults")):
            continue
        if isinstance(below, dict) and not below.keys() & {"values"}:
            named = {name.partition(" (")[0]: values for name, values in below.items()}
            below = [
                {"type": ALIASED if name == "condition" else TYPES[name], "values": it} for name, it in named.items()
            ]
        for item in [below] if isinstance(below, dict) else below:
            yield PluginDefault(item.get("type", TASK), item["values"], item.get("forced", False), None)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What is wrong with the properties that are named; of `x_any_order` the order doesn't count."""
    plain = {name.removesuffix("_any_order"): name for name in wanted}
    seen = {
        written: sorted(found[name]) if written != name else found.get(name)
        for name, written in plain.items()
        if name in found
    }
    return difference(seen, dict(wanted), {})


async def _over_defaults_of_the_class(bench: Bench) -> list[str]:
    flow = {
        "id": "flow",
        "namespace": "io.kestra.tests",
        "tasks": [{"id": "task", "type": "core.log.Log", "message": "hello"}],
        "pluginDefaults": [{"type": "core.log.Log", "values": {"level": "WARN"}}],
    }
    (task,) = load_flow(json.dumps(flow), index=index()).flow.branches["tasks"]
    problem = difference(task.plugin.model_validate(task.properties).level, "WARN", {})  # type: ignore[attr-defined]
    return [problem] if problem else []


async def _relocations(bench: Bench) -> list[str]:
    """A type under an old name at the top and inside a loop, and once under its own."""
    wanted = bench.case["expect"]["result"]
    old, new = wanted["first"]["from"], wanted["first"]["to"]
    inner = [{"id": "inner", "type": old, "message": "a"}]
    tasks = [
        {"id": "old", "type": old, "message": "a"},
        {"id": "each", "type": "core.flow.ForEach", "values": [1], "tasks": inner},
        {"id": "new", "type": new, "message": "a"},
    ]
    found = [(it.name, it.instead) for it in _pieces({"tasks": tasks}) if it.kind == "relocation"]
    shown = {"relocations": len(found), "first": {"from": found[0][0], "to": found[0][1].removeprefix(FAMILY)}}
    problem = difference(shown, wanted, {})
    return [problem] if problem else []


async def _deprecations(bench: Bench) -> list[str]:
    inputs = [{"id": "a", "type": "STRING"}, {"name": "b", "type": "STRING"}]
    tasks = [{"id": "echo", "type": "core.debug.Echo", "format": "a"}]
    found = [it.path for it in _pieces({"inputs": inputs, "tasks": tasks}) if it.kind == "deprecated"]
    problem = difference(sorted(found), sorted(bench.case["expect"]["result"]["deprecation_paths_any_order"]), {})
    return [problem] if problem else []


def _pieces(flow: dict[str, Any]) -> Sequence[Piece]:
    found = migration_of(json.dumps({"id": "flow", "namespace": "io.kestra.tests", **flow}), index())
    assert found is not None
    return found.pieces


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "plugin-default-nested-type": _defaults,
    "plugin-default-precedence-flow-plain-global-forced": _defaults,
    "plugin-default-precedence-flow-forced-global-plain": _defaults,
    "plugin-default-precedence-flow-forced-global-forced": _defaults,
    "plugin-default-flow-and-globals": _defaults,
    "plugin-default-forced": _defaults,
    "flow-relocations": _relocations,
    "flow-deprecation-paths": _deprecations,
    "plugin-default-over-java-default": _over_defaults_of_the_class,
}
