"""Runs the cases that only read something: a flow, a part of a flow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import Unbound, sources, steps
from conformance.flow_matching import difference
from conformance.flow_plugins.index import index
from engine.definition.compile import compile_flow
from engine.definition.diagnostic import Severity
from engine.definition.flow import Flow
from engine.definition.load import load_flow
from engine.definition.task import TaskFields
from engine.durations import duration_text
from engine.errors import InvalidFlow

TRIGGER = "io.kestra.plugin.core.trigger"
RETRIES = frozenset({"constant", "exponential", "random"})


async def run_validation(bench: Bench) -> list[str]:
    """What is wrong with how a flow, or a part of one, is read. Raises Unbound for parts that no flow here has."""
    (step,) = steps(bench.case)
    (action,) = step
    options = step[action]
    if action in ("validate", "parse") and not options:
        text = sources(bench.case)[0]
    elif action == "validate_object":
        return [problem for part in _each_type(options) for problem in _of_object(part, bench.case["expect"])]
    else:
        raise Unbound(f"nothing does {action} {options}")
    flow, errors = read(text)
    return list(_problems(flow, errors, bench.case["expect"]))


def _each_type(part: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """A part of a flow, for each of the types that a case lists; the type itself stands for `<type>`."""
    if "for_each_type" not in part:
        return [("", part)]
    rest = json.dumps({name: value for name, value in part.items() if name != "for_each_type"})
    return [(type, json.loads(rest.replace("<type>", type))) for type in part["for_each_type"]]


def _of_object(part: tuple[str, Mapping[str, Any]], expect: Mapping[str, Any]) -> list[str]:
    flow, errors = read(json.dumps(_around(part[1])))
    return list(_problems(flow, errors, json.loads(json.dumps(expect).replace("<type>", part[0]))))


def read(text: str) -> tuple[Flow | None, list[str]]:
    """The flow of a text, or what is wrong with it."""
    try:
        return load_flow(text, index=index()).flow, []
    except InvalidFlow as error:
        return None, [item.message for item in error.diagnostics if item.severity is Severity.ERROR]


def _around(part: Mapping[str, Any]) -> dict[str, Any]:
    """A flow that has this part."""
    task: dict[str, Any] = {"id": "task", "type": "core.log.Log", "message": "hello"}
    flow: dict[str, Any] = {"id": "flow", "namespace": "io.kestra.tests", "tasks": [task]}
    if part.get("type") in RETRIES:
        task["retry"] = dict(part)
    elif "type" in part and part.keys() & {"id", "name"}:
        flow["inputs"] = [dict(part)]
    elif part.keys() == {"task"}:
        flow["tasks"] = [part["task"]]
    elif part.keys() == {"regex"}:
        flow["inputs"] = [{"id": "input", "type": "STRING", "validator": part["regex"]}]
    elif part.keys() <= {"sla", "trigger", "pluginDefault"}:
        lists = {"sla": "sla", "trigger": "triggers", "pluginDefault": "pluginDefaults"}
        named = {name: {} if name == "pluginDefault" else {"id": name} for name in part}
        flow.update({lists[name]: [{**named[name], **value}] for name, value in part.items()})
    elif part.keys() == {"timezone"}:
        flow["triggers"] = [{"id": "trigger", "type": f"{TRIGGER}.Schedule", "cron": "@daily", **part}]
    elif part.keys() == {"timeWindow"}:
        # A moment as the tests of the peer have it, for which YAML has no form.
        window = {key: "12:00:00" if value == "now" else value for key, value in part["timeWindow"].items()}
        flow["triggers"] = [_listening(timeWindow=window)]
    elif part.keys() == {"filter"}:
        flow["triggers"] = [_listening(where=[{"id": "where", "filters": [part["filter"]]}])]
    else:
        raise Unbound(f"no flow here has a part with {', '.join(part)}")
    return flow


def _listening(**preconditions: Any) -> dict[str, Any]:
    """A trigger that waits for executions."""
    return {"id": "trigger", "type": f"{TRIGGER}.Flow", "preconditions": {"id": "all", **preconditions}}


def _problems(flow: Flow | None, errors: Sequence[str], expect: Mapping[str, Any]) -> Iterator[str]:
    for key, wanted in expect.items():
        if key == "note":
            continue
        if key == "result" and flow is not None and flow.inputs:
            # A name is the id; there is no second property of that meaning.
            wanted, key = {"first_input": {"id": wanted["id"], "type": flow.inputs[0].type}}, "flow"
        if key not in CHECKS:
            raise Unbound(f"nothing checks '{key}'")
        if problem := CHECKS[key](flow, errors, wanted):
            yield f"{key}: {problem}"


def _contained(errors: Sequence[str], wanted: Any) -> str:
    texts = [text.strip() for text in ([wanted] if isinstance(wanted, str) else wanted)]
    missing = [text for text in texts if not any(text in error for error in errors)]
    return f"none of {list(errors)} holds {missing}" if missing else ""


def _is(errors: Sequence[str], wanted: str) -> str:
    """The same words; the place that stands before them is ours."""
    words = wanted.rpartition("<list element>: ")[2].strip().removeprefix(": ").removesuffix(".")
    return "" if any(error.removesuffix(".").endswith(words) for error in errors) else f"is {list(errors)}"


def _attributes(flow: Flow | None, wanted: Mapping[str, Any]) -> str:
    if flow is None:
        return "the flow is refused"
    if more := wanted.keys() - ATTRIBUTES.keys():
        raise Unbound(f"nothing checks {', '.join(sorted(more))} of a flow")
    return difference({name: ATTRIBUTES[name](flow) for name in wanted}, _without_remarks(wanted), {})


def _without_remarks(wanted: Any) -> Any:
    """`PT15M (900 s)` is `PT15M`."""
    if isinstance(wanted, Mapping):
        return {key: _without_remarks(item) for key, item in wanted.items()}
    return wanted.partition(" (")[0] if isinstance(wanted, str) else wanted


def _task(fields: TaskFields) -> dict[str, Any]:
    retry = fields.retry
    assert retry is not None
    interval = duration_text(retry.interval or 0)
    return {
        "timeout": fields.timeout,
        "retry": {"type": retry.type, "maxAttempt": retry.max_attempts, "interval": interval},
    }


ATTRIBUTES: Mapping[str, Any] = {
    "id": lambda flow: flow.id,
    "tasks": lambda flow: len(flow.tasks),
    "inputs": lambda flow: len(flow.inputs),
    "required_inputs": lambda flow: sum(item.required for item in flow.inputs),
    "optional_inputs": lambda flow: sum(not item.required for item in flow.inputs),
    "inputs_with_defaults": lambda flow: sum(item.defaults is not None for item in flow.inputs),
    "string_inputs_with_validator": lambda flow: sum(
        item.type == "STRING" and item.validator is not None for item in flow.inputs
    ),
    "third_task": lambda flow: _task(flow.branches["tasks"][2].fields),
    "first_input": lambda flow: {"id": flow.inputs[0].id, "type": flow.inputs[0].type},
}


def _ids(flow: Flow | None) -> int:
    return 0 if flow is None else len(compile_flow(flow, 1).nodes) - 1 + len(flow.triggers or ())


CHECKS: Mapping[str, Any] = {
    "valid": lambda flow, errors, wanted: "" if (not errors) is wanted else f"is refused for {list(errors)}",
    "violations_count": lambda flow, errors, wanted: difference(len(errors), wanted, {}) and f"is {list(errors)}",
    "error_contains": lambda flow, errors, wanted: _contained(errors, wanted),
    "one_error_contains": lambda flow, errors, wanted: _contained(errors, wanted),
    "errors_containing": lambda flow, errors, wanted: difference(
        {text: sum(text in error for error in errors) for text in wanted}, dict(wanted), {}
    ),
    "error_is": lambda flow, errors, wanted: _is(errors, wanted),
    "task_and_trigger_ids": lambda flow, errors, wanted: difference(_ids(flow), wanted, {}),
    "flow": lambda flow, errors, wanted: _attributes(flow, wanted),
}
