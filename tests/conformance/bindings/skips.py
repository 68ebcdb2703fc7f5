"""Cases about executions that are left alone."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from conformance.bench import Bench
from conformance.flow_cases import sources
from engine.ids import ExecutionId, random_id
from engine.runtime.driving.skips import Skips
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings, Skip
from engine.state.event import Started
from engine.state.execution import Change, Execution
from engine.state.status import Status

# `(no tenant) namespace/skip`, `tenant namespace/skip`, `wrong tenant namespace/skip`, `tenant namespace`
ASKED = re.compile(r"(?:(?P<tenant>\(no tenant\)|[\w ]+) )?(?P<namespace>[\w.]+)(?:/(?P<flow>\w+))?")


async def _executions(bench: Bench) -> list[str]:
    return _differences(bench, lambda words: (words, "", "", "main"))


async def _flows(bench: Bench) -> list[str]:
    return _differences(bench, _asked)


def _asked(words: str) -> tuple[str, str, str, str]:
    """The id, namespace, flow and tenant that words speak of."""
    found = ASKED.fullmatch(words)
    assert found is not None, words
    tenant = found["tenant"] or "(no tenant)"
    return "", found["namespace"], found["flow"] or "", "main" if tenant == "(no tenant)" else tenant


def _differences(bench: Bench, meant: Callable[[str], tuple[str, str, str, str]]) -> list[str]:
    given = bench.case["start"]["unit"]
    skips = Skips(Skip(**{name.removeprefix("skip_"): tuple(listed) for name, listed in given.items()}))
    found = {words: skips.covers(*meant(words)) for words in bench.case["expect"]["result"]}
    return [
        f"{words}: {found[words]}, not {wanted}"
        for words, wanted in bench.case["expect"]["result"].items()
        if found[words] is not wanted
    ]


async def _one(bench: Bench) -> list[str]:
    """The first execution stays as it was made, the second runs to its end."""
    first, second = ExecutionId(random_id()), ExecutionId(random_id())
    async with open_engine(bench.folder / "skipping", Settings(skip=Skip(executions=(first,)))) as engine:
        for id in (first, second):
            await _begin(engine, id, sources(bench.case)[0].replace("<random>", "minimal"))
        await engine.control.wait(second)
        heads = {head.id: head for head in await engine.store.executions.heads([first, second])}
    found = {"A": heads[first], "B": heads[second]}
    return [
        f"{wanted['id']} is {found[wanted['id']].state}, not {wanted['state']}"
        for wanted in bench.case["expect"]["executions"]
        if found[wanted["id"]].state != wanted["state"]
    ]


async def _begin(engine: Engine, id: ExecutionId, source: str) -> None:
    flow = await engine.control.save_flow(source)
    compiled = await engine.plans.get(flow.namespace, flow.id)
    now = 1
    execution = Execution(
        id=id,
        namespace=flow.namespace,
        flow=flow.id,
        revision=flow.revision,
        history=(Change(Status.CREATED, now),),
        inputs={"testInputs": "a value"},
        original=id,
        created=now,
    )
    await engine.driver.begin(execution, compiled, Started(at=now))


BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    "skip-by-execution-id": _executions,
    "skip-by-flow": _flows,
    "skip-by-namespace": _flows,
    "skip-execution": _one,
}
