"""Runs a case of kind api: its steps one after another against a server over the engine of the case."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import ClientSession, FormData
from yarl import URL

from conformance import tables
from conformance.api_answers import Answer, problems_of
from conformance.api_setups import SETUPS
from conformance.bench import Bench
from conformance.flow_cases import Unbound, expand_inputs, sources, steps
from conformance.flow_checks import problems_of as problems_of_execution
from conformance.flow_matching import difference
from engine.api.server import serving
from engine.definition.inputs import Upload
from engine.ids import ExecutionId
from engine.settings import Server
from engine.state.status import Status
from engine.store.rows import StoredFlow

OPTIONS = Server(port=0, shutdown_seconds=0.5)
ADDRESS = "kestra.url"
"""A setting that the server of these tests can be given."""
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
MANY = re.compile(r"\{\d+ ids\}")
AS = re.compile(r"as (\S+)")
STARTED_AS = "api-create-execution-wait"
"""The case whose request others name that start its flow as it does."""
REMARKS = frozenset({"expect", "note"})
YAML = "application/x-yaml"
CONTENTS = {"hello.txt": b"hello", "iso88591.txt": "Düsseldorf".encode("iso-8859-1")}
"""What files hold of which the cases say more than their names."""


@dataclass
class Talk:
    """How far a case has come. `names` are what placeholders of paths and bodies stand for."""

    bench: Bench
    client: ClientSession
    flows: list[StoredFlow] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    current: ExecutionId | None = None
    answer: Answer | None = None


async def run_api(bench: Bench) -> list[str]:
    """What is wrong with the outcome of a case of kind api. Raises Unbound for what the runner has no meaning for."""
    config = bench.case.get("config", {})
    if config.keys() - {ADDRESS}:
        raise Unbound(f"there is no setting for {', '.join(config)}")
    options = msgspec.structs.replace(OPTIONS, url=config.get(ADDRESS, ""))
    async with serving(bench.engine, options) as url, ClientSession(url) as client:
        talk = Talk(bench, client)
        talk.flows = [await bench.engine.control.save_flow(text) for text in _stored(bench)]
        problems: list[str] = []
        parts = steps(bench.case)
        for number, step in enumerate(parts):
            await _do(talk, step)
            expect = step.get("expect")
            if expect is None and number + 1 < len(parts):
                expect = {}
            if expect is not None:
                problems += [f"step {number + 1}: {problem}" for problem in await _check(talk, expect)]
        return problems + await _check(talk, bench.case["expect"] or {})


def _stored(bench: Bench) -> list[str]:
    """The flows of a case, but those that its requests send."""
    sent = {str((step.get("request") or {}).get("body")) for step in steps(bench.case)}
    texts = sources(bench.case)
    files = [None] * len(bench.case.get("flow_yaml", ())) + [Path(name).name for name in bench.case.get("flows", ())]
    return [text for text, file in zip(texts, files, strict=True) if file not in sent]


async def _do(talk: Talk, step: Mapping[str, Any]) -> None:
    actions = [name for name in step if name not in REMARKS]
    if not actions:
        return
    if len(actions) != 1 or actions[0] not in ACTIONS:
        raise Unbound(f"no step does {', '.join(actions) or 'this'}")
    talk.answer = None
    await ACTIONS[actions[0]](talk, step[actions[0]])


async def _execute(talk: Talk, options: Any) -> None:
    if isinstance(options, str):
        if not AS.fullmatch(options):
            raise Unbound(f"nothing starts an execution '{options}'")
        await _request(talk, steps(talk.bench.cases[STARTED_AS])[0]["request"])
        assert talk.answer is not None
        if talk.answer.is_execution:
            await talk.bench.engine.control.wait(ExecutionId(talk.answer.json["id"]), wholly=True)
            talk.answer = None
        return
    flow = next((it for it in talk.flows if it.id == options.get("flow")), talk.flows[0])
    inputs = expand_inputs(options.get("inputs"), talk.bench.cases, talk.bench.folder)
    for upload in inputs.values():
        if isinstance(upload, Upload) and Path(upload).name in CONTENTS:
            Path(upload).write_bytes(CONTENTS[Path(upload).name])
    until = options.get("until")
    for _ in range(options.get("times", 1)):
        id = await talk.bench.create(flow, inputs, options.get("labels") or {}, raw=False)
        talk.current = id
        talk.names |= {"id": id, f"id {options.get('id')}": id, f"id of {flow.id}": id}
        if until is None:
            await talk.bench.engine.control.wait(id, wholly=True)
        elif until != "CREATED":
            await talk.bench.until(id, Status(until), passed=True)


async def _request(talk: Talk, options: Mapping[str, Any]) -> None:
    if more := options.keys() - {"method", "path", "body", "content_type", "multipart", "headers", "accept"}:
        raise Unbound(f"nothing sends a request with {', '.join(sorted(more))}")
    await _name_execution(talk)
    headers = dict(options.get("headers") or {})
    if "accept" in options:
        headers["Accept"] = options["accept"]
    path = PLACEHOLDER.sub(lambda found: quote(str(_named(talk, found[1])), safe=""), options["path"])
    if "<" in path:
        path = path.replace("<same path with another execution id>", quote(_other_uri(talk), safe=""))
    data: Any = None
    if "multipart" in options:
        data = _form(options["multipart"])
    elif "body" in options:
        data, kind = _body(talk, options["body"])
        headers["Content-Type"] = options.get("content_type", kind)
    async with talk.client.request(options["method"], _encoded(path), data=data, headers=headers) as answer:
        talk.answer = Answer(answer.status, await answer.read(), talk.names)
    if talk.answer.status == 200 and talk.answer.is_execution:
        talk.current = ExecutionId(talk.answer.json["id"])
        talk.names["id"] = talk.current


def _encoded(path: str) -> Any:

    # As it stands in the table, where it is encoded already.
    return URL(path.replace(" ", "%20"), encoded=True)


async def _webhook(talk: Talk, options: Any) -> None:
    if isinstance(options, str) and (named := AS.fullmatch(options)):
        options = talk.bench.cases[named[1]]["start"]["webhook"]
    if more := options.keys() - {"namespace", "flow", "key", "method", "query", "body"}:
        raise Unbound(f"nothing calls a webhook with {', '.join(sorted(more))}")
    path = f"/api/v1/executions/webhook/{options['namespace']}/{options['flow']}/{options['key']}"
    request = {"method": options["method"], "path": f"{path}?{options.get('query', '')}"}
    if "body" in options:
        request["body"] = options["body"]
    await _request(talk, request)


async def _setup(talk: Talk, words: Any) -> None:
    setup = SETUPS.get(words if isinstance(words, str) else "")
    if setup is None:
        raise Unbound(f"nothing sets up '{words}'")
    talk.names |= await setup(talk.bench)


ACTIONS: Mapping[str, Callable[[Talk, Any], Awaitable[None]]] = {
    "execute": _execute,
    "request": _request,
    "webhook": _webhook,
    "setup": _setup,
}


async def _name_execution(talk: Talk) -> None:
    """Let placeholders stand for what the current execution holds, as long as it is there."""
    if talk.current is None or not await talk.bench.engine.control.exists(talk.current):
        return
    record = await talk.bench.record(talk.current)
    execution, runs = record.execution, sorted(record.runs.values(), key=lambda run: run.order)
    talk.names |= {"id": talk.current, "source id": talk.current}
    talk.names |= {f"inputs.{name}": value for name, value in execution.inputs.items()}
    talk.names |= {f"task_run_id[{index}]": run.id for index, run in enumerate(runs)}
    talk.names |= {f"task run id of {run.node}": run.id for run in runs}
    talk.names["flow id of the execution"] = execution.flow


def _named(talk: Talk, name: str) -> Any:
    if name not in talk.names:
        raise Unbound(f"nothing is known of {{{name}}}")
    return talk.names[name]


def _other_uri(talk: Talk) -> str:
    other = str(talk.names["id"])[::-1]
    talk.names["other id"] = other
    return str(talk.names["inputs.file"]).replace(str(talk.names["id"]), other)


def _form(parts: Mapping[str, Any]) -> FormData:
    form = FormData(default_to_multipart=True)
    for name, value in parts.items():
        if isinstance(value, Mapping):
            if more := value.keys() - {"file_path", "part_name", "file_name"}:
                raise Unbound(f"nothing sends a part with {', '.join(sorted(more))}")
            # The file is called as its input is.
            form.add_field(value["part_name"], b"the content of a file", filename=name)
        else:
            form.add_field(name, str(value))
    return form


def _body(talk: Talk, body: Any) -> tuple[Any, str]:
    """A body as it is sent, and its content type. Raises Unbound for one that is only described."""
    if not isinstance(body, str):
        return json.dumps(_filled(talk, body)), "application/json"
    if file := next((name for name in talk.bench.case.get("flows", ()) if name.endswith(f"/{body}")), None):
        return (tables.folder() / "flows" / file).read_bytes(), "application/json" if body.endswith("json") else YAML
    if " " in body and not body.startswith(("{", "[", '"')):
        raise Unbound(f"nothing sends '{body}'")
    return body, "text/plain"


def _filled(talk: Talk, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(talk, item) for key, item in value.items()}
    if isinstance(value, list) and len(value) == 1 and MANY.fullmatch(str(value[0])):
        return list(talk.bench.started[-int(re.findall(r"\d+", value[0])[0]) :])
    if isinstance(value, list):
        return [_filled(talk, item) for item in value]
    if isinstance(value, str) and (found := PLACEHOLDER.fullmatch(value)):
        return _named(talk, found[1])
    return value


async def _check(talk: Talk, expect: Mapping[str, Any]) -> list[str]:
    rest = dict(expect)
    if last := rest.pop("last_request", None):
        await _request(talk, {"method": "GET", "path": last["path"]})
        rest["status"] = last["status"]
    if talk.answer is None:
        if not rest:
            return []
        rest = {"execution": rest}
    problems = list(problems_of(talk.answer, rest)) if talk.answer is not None else []
    return problems + await _check_executions(talk, rest)


async def _check_executions(talk: Talk, expect: Mapping[str, Any]) -> list[str]:
    problems = []
    if wanted := expect.get("execution"):
        problems += await _check_execution(talk, wanted)
    for id in talk.bench.started if expect.keys() & {"executions", "both_state_not"} else ():
        state = (await talk.bench.record(id)).execution.state.value
        if "both_state_not" in expect and state == expect["both_state_not"]:
            problems.append(f"the state of {id} is {state}")
        if state != expect.get("executions", {}).get("all_state", state):
            problems.append(f"the state of {id} is {state}, not {expect['executions']['all_state']}")
    return problems


async def _check_execution(talk: Talk, wanted: Any) -> list[str]:
    if talk.current is None:
        return ["there is no execution"]
    if wanted == "created":
        return []
    if unlike := wanted.get("state_not"):
        execution = (await talk.bench.record(talk.current)).execution
        return [f"its state is {unlike}"] if execution.state == unlike else []
    await talk.bench.engine.control.wait(talk.current, wholly=True)
    if wanted.keys() == {"child"}:
        return []
    seen = await talk.bench.look(talk.current)
    seen.names |= talk.names
    parent = wanted.get("parentId")
    problems = [difference(seen.record.execution.parent, parent, seen.names)] if parent else []
    rest = {key: item for key, item in wanted.items() if key != "parentId"}
    return [*filter(None, problems), *problems_of_execution(seen, rest)]
