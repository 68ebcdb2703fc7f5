"""Runs the cases about inputs: what comes of given values, without a look at the tasks."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import Unbound, expand_inputs, sources, steps
from conformance.flow_matching import difference
from conformance.flow_runner import ERRORS, error_problems
from engine.definition.inputs import InputState
from engine.errors import TidegateError
from engine.state.execution import Execution
from engine.state.sealed import is_sealed

ACTIONS = ("read_inputs", "resolve_inputs", "validate_inputs", "expand_inputs")
TYPED = re.compile(r"(?:instant|date|time|duration) (\S+)(?: \(flow default\))?")
ENCRYPTED = "encrypted string of "
FLOAT = re.compile(r"(\S+) \(32-bit float\)")
CLAIMS = frozenset({"typed_inputs", "typed_inputs_has_keys", "resolved", "resolved_ids_any_order", "leaves"})
REFUSED = "validation error"
RESOLVED = frozenset({"id", "value", "values", "enabled", "default", "exceptions"})
SHOWN = ("resolved", "resolved_ids_any_order")
"""What is said of inputs before there is an execution."""


async def run_inputs(bench: Bench) -> list[str]:
    """What is wrong with the inputs of an execution that is created with what the case gives."""
    (step,) = steps(bench.case)
    (action,) = step
    if action not in ACTIONS:
        raise Unbound(f"no step does {action}")
    options = step[action]
    problems = []
    for declared, data in _each(options):
        given = expand_inputs(data, bench.cases, bench.folder)
        problems += await _problems(bench, declared, given)
    return problems


def _each(options: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """What is declared and given, for each value where the case lists several."""
    declared, data = options.get("declared"), options.get("data", options.get("inputs", {}))
    listed = {name: value["each_of"] for name, value in data.items() if isinstance(value, dict) and "each_of" in value}
    types = [item["type"] for item in declared or () if isinstance(item["type"], dict)]
    for value in next(iter(listed.values()), [None]):
        for kind in types[0]["each_of"] if types else [None]:
            chosen = {**data, **({next(iter(listed)): value} if listed else {})}
            yield [{**item, **_of_type(kind)} for item in declared] if declared else None, chosen


async def _problems(bench: Bench, declared: Any, given: Mapping[str, Any]) -> list[str]:
    expect = bench.case["expect"]
    if more := expect.keys() - CLAIMS - {*ERRORS, "error", "note"}:
        raise Unbound(f"nothing checks {', '.join(sorted(more))} of inputs")
    if expect.get("error", REFUSED) != REFUSED:
        raise Unbound(f"nothing tells whether an error is a '{expect['error']}'")
    error = None
    try:
        flow = await bench.engine.control.save_flow(_flow(bench, declared))
        if expect.keys() & {*SHOWN, "leaves"}:
            shown = await bench.engine.control.preview_inputs(flow.namespace, flow.id, given)
            return [problem for key in expect if (problem := _of_shown(key, expect[key], shown))]
        id = await bench.create(flow, given, {}, raw=False)
    except TidegateError as caught:
        error = str(caught)
    if error is not None and expect.keys() & CLAIMS:
        return [f"refused: {error}"]
    if error is not None and "error" in expect and not expect.keys() & set(ERRORS):
        return []
    if error is not None or expect.keys() & set(ERRORS):
        return list(error_problems(error, expect))
    execution, _ = await bench.engine.store.executions.head(id)
    return [problem async for problem in _of_values(bench, execution, given) if problem]


def _flow(bench: Bench, declared: Any) -> str:
    if declared is None:
        return sources(bench.case)[0]
    task = {"id": "task", "type": "core.log.Log", "message": "hello"}
    return json.dumps({"id": "inputs", "namespace": "io.kestra.tests", "inputs": declared, "tasks": [task]})


async def _of_values(bench: Bench, execution: Execution, given: Mapping[str, Any]) -> AsyncIterator[str]:
    values = execution.inputs
    for key, wanted in bench.case["expect"].items():
        if key == "typed_inputs":
            yield difference(values, await _wanted(bench, wanted, execution, values, given), {})
        elif key == "typed_inputs_has_keys":
            yield "; ".join(f"lack {name!r}" for name in wanted if name not in values)
        elif key == "error":
            yield "was not refused"


def _of_type(kind: str | None) -> dict[str, Any]:
    """The type where a case lists several, with what an input of it can't do without."""
    needs = {"values": ["one", "two"]} if kind == "SELECT" else {}
    return {"type": kind, **needs} if kind else {}


def _of_shown(key: str, wanted: Any, shown: Sequence[InputState]) -> str:
    if key == "note":
        return ""
    if key == "resolved":
        by_id = {state.input.id: state for state in shown}
        found = [problem for item in wanted if (problem := _resolved(item, by_id[item["id"]]))]
        return "; ".join(found)
    ids = [state.input.id for state in shown]
    if key == "resolved_ids_any_order":
        return difference(sorted(ids), sorted(wanted), {})
    if key == "leaves":
        return difference([{"id": state.input.id, "type": state.input.type} for state in shown], wanted, {})
    raise Unbound(f"nothing checks '{key}' of inputs that are shown")


def _resolved(item: Mapping[str, Any], state: InputState) -> str:
    if more := item.keys() - RESOLVED:
        raise Unbound(f"nothing says {', '.join(sorted(more))} of an input")
    seen = {"id": state.input.id, "value": state.value, "enabled": state.enabled, "default": state.is_default}
    seen["values"] = list(state.choices or ())
    seen["exceptions"] = "present" if state.errors else None
    if str(item.get("value", "")).startswith("a string"):
        seen["value"] = item["value"] if isinstance(state.value, str) else "no text"
    return difference({name: seen[name] for name in item}, dict(item), {})


async def _wanted(bench: Bench, wanted: Any, execution: Execution, value: Any, given: Mapping[str, Any]) -> Any:
    """The wanted values without the words about their types; files are compared by content."""
    if isinstance(wanted, dict) and wanted.keys() == {"uri", "content"}:
        content = b"".join([chunk async for chunk in bench.engine.files.read(str(value))])
        return str(wanted["uri"]).replace("/test/", f"/{execution.id}/", 1) if content == b"content" else wanted
    if isinstance(wanted, dict):
        found = value if isinstance(value, dict) else {}
        return {
            key: await _wanted(bench, item, execution, found.get(key), given)
            for key, item in wanted.items()
            if key != "note"
        }
    if isinstance(wanted, str) and wanted.startswith(ENCRYPTED):
        opened = bench.vault.open(value["value"]) if is_sealed(value) else None
        return value if opened == wanted.removeprefix(ENCRYPTED) else wanted
    if isinstance(wanted, str) and (typed := TYPED.fullmatch(wanted)):
        return typed[1]
    if isinstance(wanted, str) and (number := FLOAT.fullmatch(wanted)):
        return float(number[1])
    return next(iter(given.values())) if wanted == "the given text" else wanted
