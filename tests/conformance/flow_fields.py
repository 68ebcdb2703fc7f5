"""Which fields a case may have. One that is unknown may claim something, so that a case with it is not run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from conformance.flow_cases import Unbound, kind_of, steps
from conformance.tables import Case

CASE = frozenset({
    "id", "kind", "area", "flows", "flow_yaml", "start", "expect", "needs", "env", "config", "test_plugin",
    "built_in_java", "deprecated", "uses_deprecated", "flow_reconstructed", "source", "since", "superseded_by", "note",
    "templates",
})  # fmt: skip
"""Fields of a case; those that the runner doesn't look at are remarks."""

OPTIONS: Mapping[str, frozenset[str]] = {
    "replay": frozenset({"from_task_run", "from_task_run_index", "values"}),
    "change_status": frozenset({"task_run", "values", "state"}),
    "delete_execution": frozenset({"delete_logs", "delete_metrics", "delete_storage"}),
    "read_inputs": frozenset({"inputs", "execution_id", "declared", "data"}),
    "resolve_inputs": frozenset({"declared", "data"}),
    "validate_inputs": frozenset({"declared", "data"}),
    "task": frozenset({"type", "properties", "setup"}),
}
"""What may be said of a step, by the name of the step."""

VARIABLES = re.compile(r"variables (\{.*\})")
GIVEN = (
    re.compile(r"working directory has \S+"),
    re.compile(r"inputs\.test = value(; the server answers .*)?"),
    re.compile(r"server (answers|sends) .*"),
)
"""Setups of a task that every task has, or that the test server answers for."""


def check_fields(case: Case) -> None:
    """Raises Unbound for a field that nothing looks at."""
    if more := case.keys() - CASE:
        raise Unbound(f"nothing looks at {_named(more)} of a case")
    if not isinstance(case["start"], Mapping | list) or not isinstance(case["expect"], Mapping | None):
        raise Unbound("nothing is bound to what the case says in prose")
    for step in steps(case):
        for action, allowed in OPTIONS.items():
            options = step.get(action) if isinstance(step, Mapping) else None
            if isinstance(options, Mapping) and (more := options.keys() - allowed):
                raise Unbound(f"nothing looks at {_named(more)} of {action}")
    if kind_of(case) == "flow":
        for step in steps(case):
            outcomes_of(step)


def _named(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def outcomes_of(step: Mapping[str, Any]) -> dict[str, str]:
    """How tasks should end that would not end so by themselves. Raises Unbound for what can't be arranged."""
    given = step.get("task_outcomes")
    if given is None or given == "all SUCCESS":
        return {}
    if not isinstance(given, Mapping):
        raise Unbound(f"nothing lets tasks end '{given}'")
    found = {}
    for task, ends in given.items():
        state, _, remark = str(ends[0]).partition(",")
        if len(ends) != 1 or remark not in ("", " last attempt ends at T"):
            raise Unbound(f"nothing lets the task {task} end {ends}")
        found[task] = state
    return found


def variables_of(setup: Any) -> dict[str, Any]:
    """Variables of the flow of a lone task, from its setup. Raises Unbound for a setup that can't be made."""
    if setup is None:
        return {}
    if named := VARIABLES.fullmatch(str(setup)):
        return dict(yaml.safe_load(named[1]))
    if not any(known.fullmatch(str(setup)) for known in GIVEN):
        raise Unbound(f"nothing sets up '{setup}'")
    return {}
