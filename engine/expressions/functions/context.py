"""Functions that look into the variables of an execution: all of them, environment, tasks, outputs of loops."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text, given, integer
from engine.expressions.needs import Deferred
from engine.expressions.operators import kind_of
from engine.expressions.registry import template_function
from engine.expressions.scope import RenderScope


@template_function("printContext", "fetchContext")
def print_context(scope: RenderScope) -> dict[str, Any]:
    """All variables by name."""
    return dict(scope.variables)


@template_function("env", parameters=("name", "default"))
def env(scope: RenderScope, name: Any = None, default: Any = None) -> Any:
    """A variable of `envs`, or a default where it is missing or empty."""
    wanted = as_text(given("env", "name", name))
    known = scope.variables.get("envs")
    value = known.get(wanted) if isinstance(known, Mapping) else None
    return default if value is None or value == "" else value


@template_function("tasksWithState", parameters=("state",))
def tasks_with_state(scope: RenderScope, state: Any = None) -> list[dict[str, Any]]:
    """The task runs in a state: `taskId`, `state` and in loops `value`."""
    wanted = as_text(given("tasksWithState", "state", state)).upper()
    found: list[dict[str, Any]] = []
    tasks = scope.variables.get("tasks")
    for id, details in tasks.items() if isinstance(tasks, Mapping) else ():
        for key, inner in details.items() if isinstance(details, Mapping) else ():
            scope.spend(1)
            looped = isinstance(inner, Mapping)
            current = inner.get("state") if looped else inner if key == "state" else None
            if current is not None and not isinstance(current, Mapping) and as_text(current).upper() == wanted:
                found.append({"taskId": id, "state": wanted, **({"value": key} if looped else {})})
    return found


@template_function("currentEachOutput", "currentOutput", parameters=("outputs",))
def current_each_output(scope: RenderScope, outputs: Any = None) -> Any:
    """The outputs of a sibling task for the current values of all loops; null where there are none."""
    if not isinstance(given("currentEachOutput", "outputs", outputs), Mapping):
        raise ExpressionError("The 'currentEachOutput' function expects an argument 'outputs' with type map.")
    found: Any = outputs
    for value in (*_outer_values(scope), _current(scope).get("value")):
        found = _entry(scope, found, value)
    return found


@template_function("iterationOutput", parameters=("taskId", "iteration"))
def iteration_output(scope: RenderScope, task: Any = None, iteration: Any = None) -> Any:
    """The output `value` of a task (the current one) in an iteration (the previous one); null where there is none."""
    outputs = _of_iterations(scope, task)
    if outputs is None:
        return None
    return _of_iteration(scope, "iterationOutput", outputs, iteration)


@template_function("iterationOutputs", parameters=("iteration", "taskId"))
def iteration_outputs(scope: RenderScope, iteration: Any = None, task: Any = None) -> Any:
    """The output `value` of a task (the current one) in an iteration (the previous one). Raises where there is none."""
    outputs = _of_iterations(scope, task)
    if outputs is None:
        raise ExpressionError("The 'iterationOutputs' function finds no outputs of the task in the current loops")
    return _of_iteration(scope, "iterationOutputs", outputs, iteration)


@template_function("parentOutput", parameters=("index",))
def parent_output(scope: RenderScope, index: Any = None) -> Any:
    """The outputs of the nearest parent, or of the parent at an index from the outermost; null where there are none."""
    if index is None:
        parent = scope.variables.get("parent")
    else:
        parents = _parents(scope)
        at = integer(index, "The argument 'index' of parentOutput")
        if not 0 <= at < len(parents):
            raise ExpressionError(f"Invalid index: {at} for parents size: {len(parents)}")
        parent = parents[::-1][at]
    task = parent.get("task") if isinstance(parent, Mapping) else None
    if not isinstance(parent, Mapping) or not isinstance(task, Mapping):
        raise ExpressionError("The 'parentOutput' function can only be used inside of another task")
    run = parent.get("taskrun")
    value = run.get("value") if isinstance(run, Mapping) else None
    outputs = _entry(scope, scope.variables.get("outputs"), task.get("id"))
    return outputs if value is None else _entry(scope, outputs, value)


@template_function("loopOutputs", parameters=("outputs", "name"))
def loop_outputs(scope: RenderScope, outputs: Any = None, name: Any = None) -> list[Any]:
    """One output of each iteration of a Loop; null where an iteration lacks it."""
    if not isinstance(given("loopOutputs", "outputs", outputs), list | tuple):
        raise ExpressionError("The 'loopOutputs' function expects 'outputs' to be a list.")
    if not isinstance(given("loopOutputs", "name", name), str):
        raise ExpressionError("The 'loopOutputs' function expects 'name' to be a text.")
    scope.budget.items(len(outputs))
    return [_entry(scope, _entry(scope, item, "outputs"), name) for item in outputs]


def _of_iterations(scope: RenderScope, task: Any) -> Any:
    """Outputs of a task, by the values of the innermost loop."""
    if task is None:
        current = scope.variables.get("task")
        task = current.get("id") if isinstance(current, Mapping) else None
    found = _entry(scope, scope.variables.get("outputs"), task)
    for value in _outer_values(scope):
        found = _entry(scope, found, value)
    return found


def _of_iteration(scope: RenderScope, function: str, outputs: Any, iteration: Any) -> Any:
    current = _current(scope).get("iteration")
    if current is None:
        raise ExpressionError(f"The '{function}' function can only be used in tasks of a loop")
    if not isinstance(outputs, Mapping):
        raise ExpressionError(f"The '{function}' function needs a map of outputs, but there is {kind_of(outputs)}")
    text = as_text(iteration)
    if iteration is not None and not text.lstrip("-").isdecimal():
        raise ExpressionError(f"The argument 'iteration' of {function} must be an integer, but is '{text[:100]}'")
    at = int(text) if iteration is not None else integer(current, "taskrun.iteration") - 1
    if at < 0:
        raise ExpressionError(f"Cannot fetch iteration {at}: no previous iteration exists.")
    if at >= len(outputs):
        raise ExpressionError(f"Iteration {at} has no outputs yet: the last one with outputs is {len(outputs) - 1}")
    return _entry(scope, _entry(scope, outputs, list(outputs)[at]), "value")


def _current(scope: RenderScope) -> Mapping[str, Any]:
    run = scope.variables.get("taskrun")
    if not isinstance(run, Mapping):
        raise ExpressionError("This function can only be used in a task")
    return run


def _parents(scope: RenderScope) -> list[Any]:
    parents = scope.variables.get("parents")
    return list(parents) if isinstance(parents, list | tuple) else []


def _outer_values(scope: RenderScope) -> list[Any]:
    """The values of the loops around the current one, the outermost first."""
    runs = [parent.get("taskrun") for parent in reversed(_parents(scope)) if isinstance(parent, Mapping)]
    values = [run.get("value") for run in runs if isinstance(run, Mapping)]
    return [value for value in values if value is not None]


def _entry(scope: RenderScope, holder: Any, key: Any) -> Any:
    """An entry of a map, fetched where it lies elsewhere; null where there is none."""
    if isinstance(holder, Deferred):
        holder = scope.look_up(holder.need.kind, *holder.need.arguments)
    if not isinstance(holder, Mapping) or key is None:
        return None
    known = isinstance(key, Hashable) and key in holder
    found = holder.get(key if known else as_text(key))
    return scope.look_up(found.need.kind, *found.need.arguments) if isinstance(found, Deferred) else found
