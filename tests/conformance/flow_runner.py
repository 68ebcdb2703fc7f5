"""Runs a case that starts executions: its steps one after another, then what it expects at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import yaml

from conformance.bench import POLL_SECONDS, Bench
from conformance.flow_cases import Unbound, expand_inputs, sources, steps
from conformance.flow_checks import NO_CLAIM, Seen, problems_of
from conformance.flow_children import check_children, children_of, names_of_children
from conformance.flow_fields import outcomes_of
from conformance.flow_files import set_up
from conformance.flow_matching import difference, filled
from conformance.flow_slots import slot_problems
from conformance.flow_waits import resumed, wait_until
from engine.definition.task import COMMON
from engine.errors import NotFound, TidegateError
from engine.executor import another, edit
from engine.ids import ExecutionId, random_id
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import ExecutionFilter, StoredFlow

TEMPLATES = "kestra.templates.enabled"
"""A setting that the engine of these tests has."""
GLOBALS = "kestra.variables.globals"
"""A setting for which a case gets an engine of its own."""
ERRORS = ("error_contains", "error_is", "messages_any_order", "raises")
OF_OTHERS = ("executions", "terminal_states_any_order", "execution_found")
SCRIPTED = "io.kestra.core.tasks.test.Scripted"
CONTEXT = ("outputs_context", "outputs_context_trimmed")
BESIDE = ("expect", "run", "task_outcomes")
EXECUTE = frozenset({"flow", "inputs", "raw_inputs", "labels", "until", "id", "emit_only", "revision"})
KEPT = "RUNNING, kept running"


@dataclass
class Course:
    """How far a case has come.

    edited: the record that the last step made, where it is looked at before it goes on
    before: that of the step before
    stays: the last step leaves the execution as it is
    error: what the last step was refused with
    children: executions of other flows that were looked at, by flow
    """

    flows: list[StoredFlow] = field(default_factory=list)
    current: ExecutionId | None = None
    source: Record | None = None
    edited: Record | None = None
    before: Record | None = None
    stays: bool = False
    error: str | None = None
    children: dict[str, set[ExecutionId]] = field(default_factory=dict)


async def run_flow(bench: Bench) -> list[str]:
    """What is wrong with the outcome of a case of kind flow. Raises Unbound for what the runner has no meaning for."""
    case = bench.case
    if unknown := case.get("config", {}).keys() - {TEMPLATES, GLOBALS}:
        raise Unbound(f"there is no setting for {', '.join(sorted(unknown))}")
    for template in case.get("templates", ()):
        await bench.engine.templates.apply(template)
    course = Course()
    problems: list[str] = []
    parts = steps(case)
    for number, step in enumerate(parts):
        problems += [f"step {number + 1}: {problem}" for problem in await _step(bench, course, step)]
        if course.error is not None and number + 1 < len(parts):
            return problems
    return problems + await _outcome(bench, course, case["expect"] or {}, final=True)


async def _step(bench: Bench, course: Course, step: Mapping[str, Any]) -> list[str]:
    actions = [name for name in step if name not in BESIDE and (name != "revision" or step[name])]
    if len(actions) != 1 or actions[0] not in ACTIONS:
        raise Unbound(f"no step does {', '.join(actions) or 'this'}")
    if course.current is not None and not course.stays:
        await bench.engine.control.wait(course.current, wholly=True)
    kept = course.stays
    course.before, course.edited = course.edited, None
    course.stays, course.error = step.get("run") is False, None
    try:
        if not course.flows:
            course.flows = await _saved(bench)
        await ACTIONS[actions[0]](bench, course, step[actions[0]])
    except TidegateError as error:
        course.error, course.edited, course.stays = str(error), course.before, kept
    expect = step.get("expect")
    if expect is None:
        return [f"refused: {course.error}"] if course.error and step is not steps(bench.case)[-1] else []
    problems = await _outcome(bench, course, expect, final=False)
    if any(key in expect for key in ERRORS):
        course.error = None
    return problems


async def _saved(bench: Bench) -> list[StoredFlow]:
    texts = sources(bench.case)
    if not texts:
        raise Unbound("the case has no flow")
    if any(str((step.get("execute") or {}).get("until")) == KEPT for step in steps(bench.case)):
        texts[0] = kept_running(texts[0])
    if outcomes := outcomes_of(steps(bench.case)[0]):
        texts[0] = scripted(texts[0], outcomes)
    others = [await bench.engine.control.save_flow(text) for text in texts[1:]]
    return [await bench.engine.control.save_flow(texts[0]), *others]


def scripted(text: str, outcomes: Mapping[str, str]) -> str:
    """A flow whose tasks of these names end as they should, whatever they are."""

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("id") in outcomes:
            common = {name: item for name, item in value.items() if name in COMMON}
            return {**common, "type": SCRIPTED, "outcome": outcomes[value["id"]]}
        return {name: replaced(item) for name, item in value.items()}

    return json.dumps(replaced(yaml.safe_load(text)))


def kept_running(text: str) -> str:
    """A flow whose tasks run until they are killed."""
    flow = yaml.safe_load(text)
    sleep = {"type": "io.kestra.plugin.core.flow.Sleep", "duration": "PT1H"}
    return json.dumps({**flow, "tasks": [{"id": task["id"], **sleep} for task in flow["tasks"]]})


async def _execute(bench: Bench, course: Course, options: Mapping[str, Any]) -> None:
    if more := options.keys() - EXECUTE:
        raise Unbound(f"executions can't be started with {', '.join(sorted(more))}")
    flow = next((it for it in course.flows if it.id == options.get("flow")), course.flows[0])
    if "revision" in options:
        revision = bench.revisions.get(options["revision"], options["revision"])
        flow = await bench.engine.store.flows.get(flow.namespace, flow.id, revision)
    inputs = expand_inputs(options.get("inputs"), bench.cases, bench.folder)
    inputs = {key: filled(it, bench.names) if isinstance(it, str) else it for key, it in inputs.items()}
    raw = bool(options.get("raw_inputs"))
    id = await bench.create(flow, inputs, options.get("labels") or {}, raw)
    course.current = id
    if "id" in options:
        bench.names[f"id of {options['id']}"] = bench.names[str(options["id"])] = id
    course.stays = bool(options.get("emit_only")) or "slots_used" in bench.case["expect"]
    if options.get("until") is not None:
        await wait_until(bench, id, str(options["until"]).removesuffix(", kept running"))
        course.stays = True


async def _edit(bench: Bench, course: Course, make: Callable[[Any, Record, int], Record]) -> Record:
    """The record that an edit makes of the current execution."""
    assert course.current is not None
    course.source = await bench.record(course.current)
    execution = course.source.execution
    compiled = await bench.engine.plans.get(execution.namespace, execution.flow, execution.revision)
    course.edited = make(compiled.plan, course.source, bench.since)
    return course.edited


async def _restart(bench: Bench, course: Course, wanted: Any) -> None:
    if wanted != "last execution":
        raise Unbound(f"nothing restarts from '{wanted}'")
    await _edit(bench, course, edit.restart)
    if not course.stays:
        assert course.current is not None
        await bench.engine.control.restart(course.current)


async def _replay(bench: Bench, course: Course, wanted: Mapping[str, Any]) -> None:
    assert course.current is not None
    source = await bench.record(course.current)
    run = _chosen(bench.seen(source), wanted) if "from_task_run_index" in wanted or wanted["from_task_run"] else None
    id = ExecutionId(random_id())
    await _edit(
        bench, course, lambda plan, record, now: another.replay(plan, record, id, run.path if run else None, now + 1)
    )
    if not course.stays:
        execution = await bench.engine.control.replay(course.current, run.path if run else None)
        course.current = execution.id
        bench.started.append(execution.id)


def _chosen(seen: Seen, wanted: Mapping[str, Any]) -> TaskRun:
    if "from_task_run_index" in wanted:
        return seen.runs[int(wanted["from_task_run_index"])]
    found = seen.of_task(wanted.get("from_task_run") or wanted["task_run"], wanted.get("values"))
    if not found:
        raise NotFound("task run", str(dict(wanted)))
    return found[0]


async def _change_status(bench: Bench, course: Course, wanted: Mapping[str, Any]) -> None:
    assert course.current is not None
    run = _chosen(bench.seen(await bench.record(course.current)), wanted)
    state = Status(wanted["state"])
    await _edit(bench, course, lambda plan, record, now: edit.change_status(plan, record, run.path, state, now))
    if not course.stays:
        await bench.engine.control.change_status(course.current, run.path, state)


async def _kill(bench: Bench, course: Course, wanted: Any) -> None:
    if wanted:
        raise Unbound(f"nothing kills '{wanted}'")
    assert course.current is not None
    await bench.engine.control.kill(course.current)


async def _resume(bench: Bench, course: Course, options: Mapping[str, Any]) -> None:
    if options.get("to", "RUNNING") != "RUNNING":
        raise Unbound(f"nothing resumes to {options['to']}")
    assert course.current is not None
    course.source = course.before or await bench.record(course.current)
    if course.stays or course.before is not None:
        course.edited = await resumed(bench, course.source)
        return
    inputs = expand_inputs(options.get("inputs"), bench.cases, bench.folder)
    await bench.engine.control.resume(course.current, inputs)


async def _decide(bench: Bench, course: Course, options: Mapping[str, Any]) -> None:
    assert course.current is not None
    given = {name: options.get(name) for name in ("comment", "inputs", "by")}
    await bench.engine.control.review(course.current, options["decision"], task_run=options.get("task"), **given)
    course.stays = True


async def _wait_state(bench: Bench, course: Course, state: str) -> None:
    assert course.current is not None
    await bench.until(course.current, Status(state))
    course.stays = True


async def _delete(bench: Bench, course: Course, wanted: Mapping[str, Any]) -> None:
    if any(wanted.values()):
        raise Unbound("executions are deleted alone")
    assert course.current is not None
    course.edited = await bench.record(course.current)
    await bench.engine.store.executions.delete(course.current)
    course.stays = True


async def _set_up(bench: Bench, course: Course, words: str) -> None:
    flow = course.flows[0]
    await set_up(bench.engine.files, flow.namespace, flow.id, words)


async def _update(bench: Bench, course: Course, wanted: str) -> None:
    """Another revision of the flow that differs in its limit."""
    found = re.fullmatch(r"revision (\d+) with limit (\d+)", wanted)
    if found is None:
        raise Unbound(f"nothing updates a flow to '{wanted}'")
    flow = yaml.safe_load(course.flows[0].source)
    flow["concurrency"]["limit"] = int(found[2])
    stored = await bench.engine.control.save_flow(json.dumps(flow))
    # Cases before this one may have counted the revisions of the flow up.
    bench.revisions[int(found[1])] = stored.revision
    course.flows[0], course.stays = stored, True


async def _given(bench: Bench, course: Course, wanted: str) -> None:
    """An execution in a state that the limit of its flow alone would not let it reach."""
    if wanted != "an execution FAILED then RESTARTED":
        raise Unbound(f"there is no way to get '{wanted}'")
    flow = course.flows[0]
    tasks = [task["id"] for task in yaml.safe_load(flow.source)["tasks"]]
    failing = await bench.engine.control.save_flow(scripted(flow.source, dict.fromkeys(tasks, "FAILED")))
    id = await bench.create(failing, {}, {}, raw=False)
    await bench.engine.control.force_run(id)
    await bench.engine.control.wait(id)
    await bench.engine.control.restart(id)
    course.current, course.stays = id, True


ACTIONS: Mapping[str, Callable[[Bench, Course, Any], Awaitable[None]]] = {
    "execute": _execute,
    "update_flow": _update,
    "given": _given,
    "restart_from": _restart,
    "replay": _replay,
    "change_status": _change_status,
    "kill": _kill,
    "resume": _resume,
    "decide": _decide,
    "setup": _set_up,
    "wait_state": _wait_state,
    "delete_execution": _delete,
}


async def _outcome(bench: Bench, course: Course, expect: Mapping[str, Any], final: bool) -> list[str]:
    problems = list(error_problems(course.error, expect))
    if course.current is not None and final and "executions" in expect:
        if Status.__members__.get(str(expect.get("state")), Status.SUCCESS).terminal:
            await bench.engine.control.wait(course.current)
        bench.names |= await names_of_children(bench, course.current, expect.get("executions", ()))
    if "slots_used" in expect:
        return problems + await slot_problems(bench, course.flows[0], expect)
    rest = {key: it for key, it in expect.items() if key not in ERRORS and key not in OF_OTHERS}
    claims = rest.keys() - NO_CLAIM
    if course.error is not None and course.current is None and claims and not problems:
        problems.append(f"refused, so that there is nothing to check for {', '.join(sorted(claims))}")
    elif claims and (course.error is None or course.current is not None):
        problems += problems_of(await _look(bench, course, rest, final), rest)
    elif final and course.error is None and course.current is not None and not course.stays:
        await bench.engine.control.wait(course.current)
    for key in OF_OTHERS:
        if key in expect:
            problems += await _of_others(bench, course, key, expect[key])
    return problems


def error_problems(error: str | None, expect: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with how a request was refused, or wasn't."""
    wanted = {key: expect[key] for key in ERRORS if key in expect}
    # What is `raises` is said in words of another language.
    if error is None:
        yield from (f"was not refused, but should with {key}: {text}" for key, text in wanted.items())
    elif not wanted:
        yield f"refused: {error}"
    else:
        contained = wanted.get("error_contains", [])
        for text in [contained] if isinstance(contained, str) else contained:
            if text not in error:
                yield f"refused with {error!r}, which lacks {text!r}"
        if error != wanted.get("error_is", error):
            yield f"refused with {error!r}, not {wanted['error_is']!r}"
        if sorted(error.split("\n")) != sorted(wanted.get("messages_any_order", error.split("\n"))):
            yield f"refused with {error!r}, not {wanted['messages_any_order']!r}"


async def _look(bench: Bench, course: Course, expect: Mapping[str, Any], final: bool) -> Seen:
    """What a step made, or at the end how the execution ended, unless it is expected to go on."""
    if course.edited is not None and (course.stays or not final):
        return bench.seen(course.edited, course.source, lines=await bench.lines(course.edited.execution.id))
    assert course.current is not None
    if final or not course.stays:
        state = str(expect.get("state"))
        going = state in Status.__members__ and not Status(state).terminal
        await (
            bench.until(course.current, Status(state))
            if going
            else bench.engine.control.wait(course.current, wholly=True)
        )
    return await bench.look(course.current, course.source, context=any(key in expect for key in CONTEXT))


async def _of_others(bench: Bench, course: Course, key: str, wanted: Any) -> list[str]:
    if key == "execution_found":
        known = [it.id for it in await _since(bench, course.flows[0].id)]
        problem = difference(course.current in known, wanted, {})
        return [f"{key} {problem}"] if problem else []
    if key == "terminal_states_any_order":
        found = await _since(bench, course.flows[0].id)
        while len(found) < len(wanted) or not all(it.state.terminal for it in found):
            await anyio.sleep(POLL_SECONDS)
            found = await _since(bench, course.flows[0].id)
        problem = difference(sorted(it.state.value for it in found), sorted(wanted), {})
        return [f"{key} {problem}"] if problem else []
    return [problem for item in wanted for problem in await _of_one(bench, course, item)]


async def _of_one(bench: Bench, course: Course, wanted: Mapping[str, Any]) -> list[str]:
    """Executions that the flow of the case started, or that a step named."""
    rest = {key: it for key, it in wanted.items() if key not in ("flow", "count", "id", "order", "at_emit")}
    if "id" in wanted:
        found = [bench.names[str(wanted["id"])]]
    elif "order" in wanted:
        found = bench.started[wanted["order"] - 1 : wanted["order"]]
    else:
        if course.current is None:
            return ["there is no execution"]
        problems = await check_children(bench, course.current, wanted, course.children)
        if "flow" in wanted:
            known = await children_of(bench, course.current, wanted["flow"])
            course.children[wanted["flow"]] = {it.id for it in known}
        return problems
    problem = difference(len(found), wanted.get("count", len(found) or 1), {})
    problems = [f"the number of executions {problem}"] if problem else []
    for id in found:
        if "at_emit" in wanted and (problem := difference(bench.emitted[id].value, wanted["at_emit"], {})):
            problems.append(f"as it was created it {problem}")
        await bench.engine.control.wait(id, wholly=True)
        problems += problems_of(await bench.look(id), rest)
    return problems


async def _since(bench: Bench, flow: str) -> list[Execution]:
    where = ExecutionFilter(flow=flow, since=bench.since, limit=1000)
    return list(await bench.engine.store.executions.list(where))
