"""Cases about Flow triggers, each on an engine of its own: some listen to all executions that there are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import msgspec
import yaml

from conformance.bench import POLL_SECONDS, Bench
from conformance.flow_cases import Unbound, sources, steps
from conformance.flow_matching import difference
from conformance.flow_plugins.index import index
from engine.ids import ExecutionId
from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.execution import ExecutionKind
from engine.state.record import Record
from engine.state.trigger import Met, Window
from engine.store.rows import ExecutionFilter
from triggers.host import hosting

TYPE = "io.kestra.plugin.core.trigger.Flow"
NAMESPACE = "io.kestra.unittest"
LISTENER = "listener"
SWAPPED = "listener: the two dependsOn entries swapped"
QUIET = 3
HOUR = 3_600_000
TASKS = [
    {"id": "say", "type": "core.debug.Return", "format": "x"},
    {"id": "fail", "type": "core.execution.Fail", "runIf": "{{ inputs.fails }}"},
]

Run = Callable[[Bench], Awaitable[list[str]]]


@asynccontextmanager
async def alone(bench: Bench) -> AsyncIterator[Bench]:
    """The case on an engine of its own."""
    async with open_engine(bench.folder / "alone", Settings(), index=index()) as engine, hosting(engine):
        yield replace(bench, engine=engine, vault=engine.vault)
        bench.started.clear()


async def settled(bench: Bench) -> None:
    """Wait until all executions have ended, and triggers have decided on all that they were told."""
    quiet = 0
    store = bench.engine.store
    while quiet < QUIET:
        idle = not await store.state_changes.told(0) and not await store.executions.live_states()
        quiet = quiet + 1 if idle else 0
        await anyio.sleep(POLL_SECONDS)


async def triggered(bench: Bench) -> list[Record]:
    """The executions that Flow triggers started."""
    found = await bench.engine.store.executions.list(ExecutionFilter(limit=1000))
    return [await bench.record(it.id) for it in found if it.trigger is not None and it.trigger.type == TYPE]


async def chain(bench: Bench) -> list[str]:
    """A case whose executions are followed by others."""
    async with alone(bench) as own:
        flows = {flow.id: flow for flow in [await own.engine.control.save_flow(it) for it in sources(own.case)]}
        problems: list[str] = []
        at_once = "started at once" in str(own.case.get("note"))
        for step in steps(own.case):
            if "execute" in step:
                flow = flows[step["execute"].get("flow", next(iter(flows)))]
                id = await own.create(flow, {}, {}, raw=False)
                own.names[str(step["execute"].get("id"))] = id
                own.names.setdefault("started execution id", id)
            elif step.get("update_flow") == SWAPPED:
                await own.engine.control.save_flow(swapped(list(flows.values())[-1].source))
            elif step.keys() - {"wait", "expect"}:
                raise Unbound(f"no step does {', '.join(step)}")
            if not at_once:
                await settled(own)
            problems += [it async for it in _outcome(own, step.get("expect") or {})]
        await settled(own)
        return problems + [it async for it in _outcome(own, own.case["expect"])]


def swapped(source: str) -> str:
    """A flow whose trigger names what it depends on in another order."""
    flow = yaml.safe_load(source)
    flow["triggers"][0]["dependsOn"].reverse()
    return json.dumps(flow)


async def _outcome(bench: Bench, expect: Mapping[str, Any]) -> AsyncIterator[str]:
    found = await triggered(bench)
    main = await bench.record(ExecutionId(bench.names["started execution id"]))
    own = {key: expect[key] for key in ("state", "task_runs") if key in expect}
    if own and (problem := difference(_shown(main), own, bench.names)):
        yield problem
    if problem := difference(len(found), expect.get("triggered_count", len(found)), {}):
        yield f"triggered_count {problem}"
    for wanted in expect.get("executions", ()):
        children = await bench.engine.store.executions.list(ExecutionFilter(flow=wanted["flow"], limit=1000))
        for problem in _unmatched([await bench.record(it.id) for it in children], [wanted], bench.names):
            yield problem
    if expect.get("triggered") == [] and found:
        yield f"{len(found)} executions followed"
    for problem in _unmatched(found, expect.get("triggered", ()), bench.names):
        yield problem


def _unmatched(found: Sequence[Record], wanted: Sequence[Mapping[str, Any]], names: Mapping[str, Any]) -> Iterator[str]:
    """What no execution is; each stands for one thing that is wanted."""
    left = list(found)
    for one in wanted:
        for _ in range(one.get("count", 1)):
            claims = {key: it for key, it in one.items() if key not in ("count", "trigger_vars")}
            if "trigger_vars" in one:
                claims["trigger"] = _spelled(one["trigger_vars"])
            fitting = next((it for it in left if not difference(_shown(it), claims, names)), None)
            if fitting is None:
                yield f"of {[_shown(it) for it in left]} none is {claims}"
                return
            left.remove(fitting)


def _spelled(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Claims about `trigger.*` as a map of them."""
    named = {"outputs" if key == "outputs_contain" else key: it for key, it in variables.items()}
    flow = str(named.get("flowId"))
    if flow.startswith("one of "):
        named["flowId"] = {"regex": f"^({'|'.join(flow.removeprefix('one of ').split(' | '))})$"}
    return named


def _shown(record: Record) -> dict[str, Any]:
    execution = record.execution
    runs = sorted(record.runs.values(), key=lambda run: run.order)
    return {
        "flow": execution.flow,
        "state": execution.state.value,
        "task_runs": len(runs),
        "outputs": execution.outputs or {},
        "task_runs_by_index": {place: run.outputs or {} for place, run in enumerate(runs)},
        "trigger": dict(execution.trigger.variables) if execution.trigger else {},
    }


async def evaluated(bench: Bench) -> list[str]:
    """A case about the execution that a trigger makes, whatever the state was."""
    options = bench.case["start"]["trigger"]
    state = options.get("upstream_state", "RUNNING")
    async with alone(bench) as own:
        properties = {"states": [state], **options.get("properties", {})}
        await listen(own, properties, options["context"]["flow"])
        await upstream(own, "A")
        (record,) = await triggered(own)
        execution, expect = record.execution, own.case["expect"]["execution"]
        labels = {it.key: it.value for it in execution.labels if not it.key.startswith("system.")}
        problems = [difference(execution.flow, expect.get("flowId", execution.flow), {})]
        problems.append(difference(labels, expect.get("labels_contain", {**labels}), {}))
        if "labels" in expect and labels != expect["labels"]:
            problems.append(f"labels are {labels}, not {expect['labels']}")
        return [problem for problem in problems if problem]


async def listen(bench: Bench, properties: Mapping[str, Any] | None, around: Mapping[str, Any] | None = None) -> None:
    """Store a flow with a Flow trigger of these properties; None for one without any."""
    own = {"id": "after", "type": TYPE, **_named(properties)} if properties is not None else None
    flow = {"id": LISTENER, "namespace": NAMESPACE, "tasks": TASKS[:1], **(around or {})}
    await bench.engine.control.save_flow(json.dumps({**flow, "triggers": [own]} if own else flow))


def _named(properties: Mapping[str, Any]) -> dict[str, Any]:
    depends_on = [{"namespace": NAMESPACE, "flowId": flow} for flow in properties.get("dependsOn", ())]
    return {**properties, "dependsOn": depends_on} if depends_on else dict(properties)


async def upstream(bench: Bench, flow: str, **how: Any) -> ExecutionId:
    """Run a flow, and all that follows."""
    if flow != LISTENER:
        inputs = [{"id": "fails", "type": "BOOL", "defaults": False}]
        raw = {"id": flow, "namespace": NAMESPACE, "inputs": inputs, "tasks": TASKS}
        await bench.engine.control.save_flow(json.dumps(raw))
    made = await bench.engine.control.create(NAMESPACE, flow, **how)
    if "scheduled" not in how:
        await bench.engine.control.wait(made.id)
        await settled(bench)
    return made.id


def rule(*runs: tuple[str, Mapping[str, Any]], **around: Any) -> Run:
    """A case about what follows executions of these flows, started so."""

    async def run(bench: Bench) -> list[str]:
        async with alone(bench) as own:
            options, expect = own.case["start"]["trigger"], own.case["expect"]
            await listen(own, options["properties"], around)
            problems = []
            for flow, how in runs:
                before = len(await triggered(own))
                id = await upstream(own, flow, **how)
                found = await triggered(own)
                names = {"upstream id": id, "upstream flow": flow, "upstream namespace": NAMESPACE}
                state = "FAILED" if how.get("inputs") else "SUCCESS"
                wanted = expect.get("executions_for", {}).get(state, len(found) - before)
                problems.append(difference(len(found) - before, wanted, {}))
                if f"after {flow}" in expect:
                    problems += await _progress(own, expect[f"after {flow}"])
                for record in found if "execution" in expect else ():
                    shown = {
                        "state": record.execution.history[0].state.value,
                        "trigger_vars_contain": _shown(record)["trigger"],
                    }
                    problems.append(difference(shown, expect["execution"], names))
            return [problem for problem in problems + await _progress(own, expect) if problem]

    return run


async def _progress(bench: Bench, expect: Mapping[str, Any]) -> list[str]:
    """What is wrong with how much followed, and with what is waited for still."""
    found = await triggered(bench)
    problems = [difference(len(found), expect.get("executions", len(found)), {})]
    states = await bench.engine.store.triggers.list(NAMESPACE, LISTENER)
    windows = states[0].windows if states else ()
    met = sum(len(window.met) for window in windows)
    text = str(expect.get("window", ""))
    if text.startswith("deleted") and windows:
        problems.append(f"there are windows: {windows}")
    wanted = 2 if text.startswith("kept with 2") else expect.get("satisfied", met)
    problems.append(difference(met, wanted, {}))
    return [*problems, difference(len(windows), expect.get("windows", len(windows)), {})]


async def purged(bench: Bench) -> list[str]:
    """A window of the past is there, and something happens."""
    async with alone(bench) as own:
        await listen(own, own.case["start"]["trigger"]["properties"])
        (state,) = await own.engine.store.triggers.list(NAMESPACE, LISTENER)
        old = Window("dependsOn", own.since - 48 * HOUR, own.since - 24 * HOUR, {"x": Met(ExecutionId("x"), 0)})
        await own.engine.store.triggers.save(msgspec.structs.replace(state, windows=(old,), version=state.version + 1))
        await upstream(own, "A")
        (state,) = await own.engine.store.triggers.list(NAMESPACE, LISTENER)
        problems = await _progress(own, own.case["expect"])
        return [*filter(None, problems), *(["the old one is left"] if old in state.windows else [])]


SUCCESS: Mapping[str, Any] = {}
FAILED = {"inputs": {"fails": True}}
FAR = {"scheduled": 4_000_000_000_000}
TEST = {"kind": ExecutionKind.TEST}

BINDINGS: Mapping[str, Run] = {
    "flow-trigger-basic": chain,
    "flow-trigger-on-pause-states": chain,
    "flow-trigger-queued-states": chain,
    "flow-trigger-depends-on-stable": chain,
    "flow-trigger-preconditions-outputs": chain,
    "flow-trigger-on-paused": chain,
    "flow-trigger-on-foreachitem-children": chain,
    "flow-trigger-two-triggers-preconditions": chain,
    "flow-trigger-two-triggers-depends-on": chain,
    "flow-trigger-evaluate": evaluated,
    "flow-trigger-evaluate-labels": evaluated,
    "flow-trigger-rule-no-conditions": rule(("A", SUCCESS)),
    "flow-trigger-rule-flow-without-trigger": rule(("A", SUCCESS)),
    "flow-trigger-rule-own-execution": rule((LISTENER, SUCCESS)),
    "flow-trigger-rule-created-state": rule(("A", FAR)),
    "flow-trigger-rule-states-filter": rule(("A", SUCCESS), ("A", FAILED)),
    "flow-trigger-rule-test-kind": rule(("A", TEST)),
    "flow-trigger-rule-disabled-flow": rule(("A", SUCCESS), disabled=True),
    "flow-trigger-rule-disabled-trigger": rule(("A", SUCCESS)),
    "flow-trigger-rule-when-false": rule(("A", SUCCESS)),
    "flow-trigger-rule-when-truthy": rule(("A", SUCCESS)),
    "flow-trigger-rule-depends-on-both": rule(("A", SUCCESS), ("B", SUCCESS)),
    "flow-trigger-rule-depends-on-explicit-window": rule(("A", SUCCESS), ("B", SUCCESS)),
    "flow-trigger-rule-expired-window-purged": purged,
}
