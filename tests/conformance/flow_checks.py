"""Checks what the tables say of an execution and its task runs, each structured field by its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from conformance.flow_cases import Unbound
from conformance.flow_facts import untrue
from conformance.flow_matching import difference
from conformance.flow_moments import moments, scheduled
from engine.executor.plan import Plan
from engine.state.execution import TaskRun, parent_path
from engine.state.record import Record
from engine.store.rows import LogLine, Timer

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
NO_CLAIM = frozenset({"note", "timing", "log_min_level", "within"})
"""Keys that say nothing of the outcome: remarks, time limits that the runner keeps anyway, what `logs_count` counts."""
BEFORE = re.compile(r"(\S+) ends before (\S+) starts")
STATE_BEFORE = re.compile(r"the execution is ([A-Z]+) before the run of (\S+) is created")
LAST = re.compile(r"(\S+) ends at or after the end of (\S+)")


@dataclass
class Seen:
    """An execution as it stood when it was looked at.

    source: the record that it was made from by an edit, if it was
    context: the variable `outputs` of expressions
    names: what placeholders stand for
    scheduled: what is due for it
    """

    record: Record
    lines: Sequence[LogLine] = ()
    source: Record | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    scheduled: Sequence[Timer] = ()
    plan: Plan | None = None

    @property
    def runs(self) -> list[TaskRun]:
        """In order of creation."""
        return sorted(self.record.runs.values(), key=lambda run: run.order)

    def of_task(self, task: str, values: Sequence[str] | None = None) -> list[TaskRun]:
        """Task runs of a task, under these loop values if any are given."""
        return [run for run in self.runs if run.node == task and (values is None or self.values(run) == list(values))]

    def values(self, run: TaskRun) -> list[str]:
        """Loop values that a task run stands under, outermost first."""
        found: list[str] = []
        path = run.path
        while path:
            value = self.record.runs[path].value
            if value is not None:
                found.insert(0, value)
            path = parent_path(path)
        return found

    def messages(self, run: TaskRun | None = None) -> list[str]:
        return [line.message for line in self.lines if run is None or line.task_run == run.id]


def problems_of(seen: Seen, expect: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an execution. Raises Unbound for what has no check."""
    for key, wanted in expect.items():
        if key in NO_CLAIM:
            continue
        if key not in CHECKS:
            raise Unbound(f"nothing checks '{key}'")
        if problem := CHECKS[key](seen, wanted):
            yield f"{key}: {problem}"


def _plain(value: Callable[[Seen], Any]) -> Callable[[Seen, Any], str]:
    return lambda seen, wanted: difference(value(seen), wanted, seen.names)


def _labels(seen: Seen) -> dict[str, str]:
    return {label.key: label.value for label in seen.record.execution.labels}


def _exact_labels(seen: Seen, wanted: Mapping[str, Any]) -> str:
    return _unexpected(_labels(seen), wanted) or difference(_labels(seen), wanted, seen.names)


def _unexpected(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    more = sorted(value.keys() - wanted.keys())
    return f"has {more} too" if more else ""


def _by_index(seen: Seen, wanted: Mapping[int, Any]) -> str:
    return _joined(
        f"[{index}] {_run_problem(seen, seen.runs[index], item)}"
        if index < len(seen.runs)
        else f"[{index}] does not exist"
        for index, item in wanted.items()
        if index >= len(seen.runs) or _run_problem(seen, seen.runs[index], item)
    )


def _by_task(seen: Seen, wanted: Mapping[str, Any]) -> str:
    return _joined(_task_problem(seen, task, item) for task, item in wanted.items())


def _by_value(seen: Seen, wanted: Sequence[Mapping[str, Any]]) -> str:
    return _joined(
        _task_problem(seen, item["task"], {key: it for key, it in item.items() if key != "task"}) for item in wanted
    )


def _task_problem(seen: Seen, task: str, wanted: Mapping[str, Any]) -> str:
    values = wanted.get("values")
    found = seen.of_task(task, values)
    rest = {key: item for key, item in wanted.items() if key not in ("count", "values", "outputs_of_each")}
    problem = difference(len(found), wanted.get("count", len(found)), seen.names)
    if problem:
        return f"the number of runs of {task} {problem}"
    if "outputs_of_each" in wanted:
        problem = difference([run.outputs for run in found], wanted["outputs_of_each"], seen.names)
    if rest and not found:
        return f"{task} has no run under {values}" if values else f"{task} has no run"
    problem = problem or (_run_problem(seen, found[0], rest) if rest else "")
    return f"{task} {problem}" if problem else ""


def _run_problem(seen: Seen, run: TaskRun, wanted: Mapping[str, Any]) -> str:
    found = []
    for key, item in wanted.items():
        if key not in RUN_CHECKS:
            raise Unbound(f"nothing checks '{key}' of a task run")
        if problem := RUN_CHECKS[key](seen, run, item):
            found.append(f"{key} {problem}")
    return "; ".join(found)


def _of_run(value: Callable[[Seen, TaskRun], Any]) -> Callable[[Seen, TaskRun, Any], str]:
    return lambda seen, run, wanted: difference(value(seen, run), wanted, seen.names)


def _outputs(seen: Seen, run: TaskRun, wanted: Any) -> str:
    if not isinstance(wanted, Mapping):
        return difference(run.outputs or None, wanted, seen.names)
    wanted, problem = moments([run], run.outputs or {}, wanted)
    if problem:
        return problem
    deep = {key: item for key, item in wanted.items() if "." in key}
    flat = {key: item for key, item in wanted.items() if "." not in key}
    dug = {key: _dig(run.outputs or {}, key) for key in deep}
    problem = "" if deep and not flat else difference(run.outputs or {}, flat, seen.names)
    return problem or difference(dug, deep, seen.names)


def _dig(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _state_counts(seen: Seen, run: TaskRun, wanted: Mapping[str, int]) -> str:
    counts = Counter(change.state.value for change in run.history)
    return difference({state: counts[state] for state in wanted}, dict(wanted), seen.names)


def _same_id(seen: Seen, run: TaskRun, wanted: bool) -> str:
    assert seen.source is not None
    same = any(run.id == other.id for other in seen.source.runs.values())
    return difference(same, wanted, seen.names)


def _contained(texts: Sequence[str], wanted: Sequence[str]) -> str:
    return _joined(f"no line holds {text!r}, but: {texts}" for text in wanted if not any(text in it for it in texts))


def _log_file(seen: Seen, run: TaskRun, wanted: Mapping[str, Any]) -> str:
    """`set`, `lines` and what it `contains`, of the file that has the log of the last attempt."""
    file = run.attempts[-1].log_file
    if file is None or seen.names["contents"][file] is None:
        return "" if wanted.get("set") is False else "is not there"
    lines = seen.names["contents"][file].splitlines()
    problem = difference(len(lines), wanted.get("lines", len(lines)), seen.names)
    return problem or _contained(lines, wanted.get("contains", ()))


def _value_contains(seen: Seen, run: TaskRun, wanted: str) -> str:
    return _contained([str((run.outputs or {}).get("value"))], [wanted])


def _steps_of_one_ms(seen: Seen, run: TaskRun, wanted: Any) -> str:
    if "1 ms" not in str(wanted):
        raise Unbound(f"nothing checks that times are '{wanted}'")
    at = [line.at for line in seen.lines if line.task_run == run.id]
    return "" if len(at) > 1 and all(later - earlier == 1 for earlier, later in pairwise(at)) else f"is {at}"


RUN_CHECKS: Mapping[str, Callable[[Seen, TaskRun, Any], str]] = {
    "state": _of_run(lambda _, run: run.state.value),
    "task": _of_run(lambda _, run: run.node),
    "outputs": _outputs,
    "value": _of_run(lambda _, run: (run.outputs or {}).get("value")),
    "value_contains": _value_contains,
    "attempts": _of_run(lambda _, run: len(run.attempts) or None),
    "last_attempt_state": _of_run(lambda _, run: run.attempts[-1].state.value if run.attempts else None),
    "state_history_count": _of_run(lambda _, run: len(run.history)),
    "state_history_counts": _state_counts,
    "same_task_run_id": _same_id,
    "logs_contain": lambda seen, run, wanted: _contained(seen.messages(run), wanted),
    "log_entries": _of_run(lambda seen, run: len(seen.messages(run))),
    "log_timestamps": _steps_of_one_ms,
    "attempt_log_file": _log_file,
    "state_when_child_paused": _of_run(
        lambda _, run: "PAUSED" if any(change.state.value == "PAUSED" for change in run.history) else run.state.value
    ),
    "outputs_size": _of_run(lambda _, run: len(run.outputs or {})),
    "outputs_value_size": _of_run(lambda _, run: len((run.outputs or {}).get("value", ()))),
    "outputs_has_keys": lambda _, run, wanted: _joined(
        f"lack {key!r}" for key in wanted if key not in (run.outputs or {})
    ),
}


def _in_state(seen: Seen, wanted: Mapping[str, Any]) -> str:
    counts = Counter(run.state.value for run in seen.runs)
    return difference({state: counts[state] for state in wanted}, dict(wanted), seen.names)


def _all_in_state(seen: Seen, wanted: str) -> str:
    return _joined(f"{run.path} is {run.state}" for run in seen.runs if run.state.value != wanted)


def _logs(seen: Seen, wanted: Sequence[Mapping[str, Any]]) -> str:
    return _joined(f"no line is {line}" for line in wanted if not any(_is_line(it, line) for it in seen.lines))


def _is_line(line: LogLine, wanted: Mapping[str, Any]) -> bool:
    if wanted.keys() - {"level", "is", "contains", "ends_with"}:
        raise Unbound(f"nothing checks a log line for {wanted}")
    return (
        line.level == wanted.get("level", line.level)
        and line.message == wanted.get("is", line.message)
        and wanted.get("contains", "") in line.message
        and line.message.endswith(wanted.get("ends_with", ""))
    )


def _logs_count(seen: Seen, wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        found = [text for text in seen.messages() if wanted["contains"] in text]
        return difference(len(found), wanted["count"], seen.names)
    return difference(sum(line.level in LEVELS[2:] for line in seen.lines), wanted, seen.names)


def _order(seen: Seen, wanted: Sequence[str]) -> str:
    if all(seen.of_task(item) for item in wanted):
        orders = [seen.of_task(item)[0].order for item in wanted]
        return "" if orders == sorted(orders) else f"is {[run.node for run in seen.runs]}"
    return _joined(_not_before(seen, item) for item in wanted)


def _not_before(seen: Seen, sentence: str) -> str:
    if last := LAST.fullmatch(sentence):
        one, other = (seen.of_task(name)[0] for name in last.groups())
        return "" if one.history[-1].at >= other.history[-1].at else f"{one.node} ended before {other.node}"
    if known := STATE_BEFORE.fullmatch(sentence):
        ended, run = seen.record.execution.history[-1], seen.of_task(known[2])[0]
        return "" if ended.state == known[1] and ended.at <= run.history[0].at else f"{run.node} was there before"
    if sentence == "the state does not change afterwards":
        history = seen.record.execution.history
        return "" if sum(change.state.terminal for change in history) == 1 else f"the states are {history}"
    named = BEFORE.fullmatch(sentence)
    if named is None:
        raise Unbound(f"nothing checks '{sentence}'")
    first, second = (seen.of_task(name)[0] for name in named.groups())
    return "" if first.history[-1].at <= second.history[0].at else f"{first.node} ended after {second.node} started"


def _relations(seen: Seen, wanted: Sequence[Mapping[str, Any]]) -> str:
    return _joined(_unrelated(seen, item) for item in wanted)


def _unrelated(seen: Seen, wanted: Mapping[str, Any]) -> str:
    """`value: contains` or `value: contains "text" + `, of the value of another run."""
    other = wanted["of"]
    run = seen.of_task(wanted["task"], wanted.get("values"))[0]
    source = seen.of_task(other["task"], other.get("values"))[0]
    text = re.fullmatch(r'contains(?: "(.*)" \+ )?', wanted["value"])
    if text is None:
        raise Unbound(f"nothing relates values by '{wanted['value']}'")
    value = str((source.outputs or {}).get(other["field"]))
    return _value_contains(seen, run, (text[1] or "") + value)


def _trimmed_context(seen: Seen, wanted: Mapping[str, Any]) -> str:
    return difference(_trimmed(seen.context), dict(wanted), seen.names)


def _trimmed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _trimmed(item) for key, item in value.items()}
    return value.strip() if isinstance(value, str) else value


def _states(seen: Seen) -> list[str]:
    return [change.state.value for change in seen.record.execution.history]


def _subsequence(seen: Seen, wanted: Sequence[str]) -> str:
    states = iter(_states(seen))
    return "" if all(state in states for state in wanted) else f"is {_states(seen)}"


def _joined(problems: Iterator[str]) -> str:
    return "; ".join(filter(None, problems))


def _from_source(seen: Seen, value: Callable[[Record], Any], wanted: Any) -> str:
    if seen.source is None or not (isinstance(wanted, bool) or wanted in ("same", "differs from the source")):
        return difference(value(seen.record), wanted, seen.names)
    here, there = value(seen.record), value(seen.source)
    same = {"same": True, "differs from the source": False}.get(wanted, wanted)
    return difference(here == there, same, seen.names)


def _compared_ids(seen: Seen) -> str:
    assert seen.source is not None
    return "the same" if {run.id for run in seen.runs} & {run.id for run in seen.source.runs.values()} else "differ"


def _states_while(seen: Seen, wanted: Mapping[str, str]) -> str:
    """State of the execution while a task was "pending": when its run was created."""
    for words, state in wanted.items():
        run = seen.of_task(words.removesuffix(" pending"))[0]
        history = seen.record.execution.history
        then = [change.state.value for change in history if change.at <= run.history[0].at]
        # What ends the execution may bear the same millisecond.
        if state not in then:
            return f"is {then} at the start of {run.node}, not {state}"
    return ""


def _history(seen: Seen, wanted: Sequence[str]) -> str:
    """All states in their order; `...` at the end stands for any that follow."""
    found = _states(seen)
    if wanted[-1] == "...":
        wanted = wanted[:-1]
        found = found[: len(wanted)]
    return difference(found, list(wanted), {})


CHECKS: Mapping[str, Callable[[Seen, Any], str]] = {
    "state": _plain(lambda seen: seen.record.execution.state.value),
    "task_runs": _plain(lambda seen: len(seen.runs)),
    "task_runs_by_index": _by_index,
    "tasks": _by_task,
    "task_runs_by_value": _by_value,
    "task_runs_in_state": _in_state,
    "all_task_runs_state": _all_in_state,
    "last_task_run": lambda seen, wanted: _run_problem(seen, seen.runs[-1], wanted),
    "outputs": _plain(lambda seen: seen.record.execution.outputs),
    "outputs_size": _plain(lambda seen: len(seen.record.execution.outputs or {})),
    "outputs_context": _plain(lambda seen: seen.context),
    "outputs_context_trimmed": _trimmed_context,
    "labels": _exact_labels,
    "labels_contain": _plain(_labels),
    "state_history_count": _plain(lambda seen: len(seen.record.execution.history)),
    "states_contain": lambda seen, wanted: _joined(f"lack {it}" for it in wanted if it not in _states(seen)),
    "states_do_not_contain": lambda seen, wanted: _joined(f"has {it}" for it in wanted if it in _states(seen)),
    "states": _history,
    "states_subsequence": _subsequence,
    "parentId": _plain(lambda seen: seen.record.execution.parent),
    "same_id": lambda seen, wanted: _from_source(seen, lambda record: record.execution.id, wanted),
    "new_id": lambda seen, wanted: _from_source(seen, lambda record: record.execution.id, not wanted),
    "namespace": lambda seen, wanted: _from_source(seen, lambda record: record.execution.namespace, wanted),
    "flowId": lambda seen, wanted: _from_source(seen, lambda record: record.execution.flow, wanted),
    "task_run_ids": _plain(_compared_ids),
    "scheduled": lambda seen, wanted: scheduled(seen.record, seen.plan, seen.scheduled, wanted),
    "facts": lambda seen, wanted: _joined(untrue(seen.record, fact) for fact in wanted),
    "states_while": _states_while,
    "start_date": lambda seen, wanted: _from_source(seen, lambda record: record.execution.started, wanted),
    "execution_inputs": _plain(lambda seen: seen.record.execution.inputs),
    "execution_variables": _plain(lambda seen: seen.record.execution.variables),
    "cache_file_exists": _plain(lambda seen: seen.names["cached"]),
    "logs": _logs,
    "logs_contain": lambda seen, wanted: _contained(seen.messages(), wanted),
    "logs_count": _logs_count,
    "order": _order,
    "relations": _relations,
}
