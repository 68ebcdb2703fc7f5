"""Runs the cases of one condition alone, about an execution that a case describes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import Unbound, steps
from conformance.flow_plugins.index import index
from engine.clock import SystemClock, iso
from engine.definition.collect import Collector
from engine.definition.conditions import read_condition
from engine.definition.document import read_yaml
from engine.errors import TidegateError
from engine.plugin import Subject
from engine.runtime.rendering.conditions import Sight

NAMESPACE = "io.kestra.tests"
FLOW = "conditions"
HOUR = 3_600_000
SETUP = frozenset({"attempts", "execution_labels", "execution_outputs", "execution_state", "variables"})
FIRST = re.compile(r"<first (\d+) characters>")
AGO = re.compile(r"now ([-+]) (\d+) h")


async def run_condition(bench: Bench) -> list[str]:
    """What is wrong with what a condition says. Raises Unbound for a description that has no meaning here."""
    (step,) = steps(bench.case)
    options = step["condition"]
    setup = options.get("setup") or {}
    if not isinstance(setup, Mapping) or setup.keys() - SETUP:
        raise Unbound(f"no execution is made of {setup}")
    raw = {"type": options["type"], **_given(options["properties"])}
    collector = Collector(read_yaml(json.dumps(raw)), None)
    condition = read_condition(raw, (), collector, index())
    expected = bench.case["expect"]
    if condition is None:
        return [] if "error_contains" in expected else [str(item) for item in collector.sorted()]
    state = str(setup.get("execution_state", "SUCCESS"))
    outputs = setup.get("execution_outputs")
    attempts = [setup["attempts"]] if "attempts" in setup else []
    subject = Subject(NAMESPACE, FLOW, state, setup.get("execution_labels") or {}, outputs, attempts)
    flow = {"id": FLOW, "namespace": NAMESPACE}
    variables = {"flow": flow, **(setup.get("variables") or {}), "trigger": {"outputs": outputs or {}}}

    async def render(source: Any) -> Any:
        return bench.engine.renderer.render_now(source, variables)

    try:
        found = await condition.holds(Sight(NAMESPACE, FLOW, render, subject))
    except TidegateError as error:
        return [] if expected.get("error_contains", "\0") in str(error) else [f"can't be told: {error}"]
    return [] if found is expected.get("result") else [f"result: is {found}"]


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in properties.items() if value is not None}


def _value(value: Any) -> Any:
    """A property; what a case only describes is made here."""
    if isinstance(value, list):
        return [_given(item) if isinstance(item, Mapping) else _value(item) for item in value]
    if not isinstance(value, str):
        return value
    if value == "true, or comparison PREFIX":
        return True
    if ago := AGO.fullmatch(value):
        return iso(SystemClock().now() + (HOUR if ago[1] == "+" else -HOUR) * int(ago[2]))
    value = FIRST.sub(lambda found: NAMESPACE[: int(found[1])], value)
    value = value.replace("<namespace of the execution>", NAMESPACE).replace("<namespace>", NAMESPACE)
    value = value.replace("<flow id>", FLOW)
    if "<" in value:
        raise Unbound(f"nothing is known of {value}")
    return value
