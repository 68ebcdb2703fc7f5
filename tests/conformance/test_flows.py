"""The tables of flows, each case run by a real engine."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.abc import TaskGroup

from conformance import tables
from conformance.bench import Bench
from conformance.flow_cases import Unbound, kind_of, load_tables, sources
from conformance.flow_kinds import run_case
from conformance.flow_plugins.index import index
from conformance.flow_runner import GLOBALS
from engine.clock import SystemClock
from engine.runtime.engine import Engine, open_engine
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.variables import ENVIRONMENT_PREFIX
from engine.settings import Settings, Templates, Variables

TABLES = load_tables()
SECONDS = 15.0
"""What one case may take."""
NOT_RUN = "not run: "
SETTINGS = Settings(templates=Templates(enabled=True))
PEER = re.compile("^KESTRA_")
"""The front that variables for flows had in the peer's earlier versions; it is a setting there."""
DATA = "data-of-flows"
SECRET = re.compile(r"secret\('([^']+)'\)")


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path_factory.getbasetemp() / DATA, SETTINGS, index=index()) as opened:
        yield opened


class Ahead:
    """Cases that wait for time to pass, run all at once while the others are run one by one."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._ended: dict[str, anyio.Event] = {}
        self._limited = anyio.Lock()

    def start(self, group: TaskGroup, bench: Bench) -> None:
        self._ended[bench.case["id"]] = anyio.Event()
        group.start_soon(self._run, bench)

    async def problem(self, id: str) -> str | None:
        """What is wrong with a case once it has ended; None for one that was not run ahead."""
        if id not in self._ended:
            return None
        await self._ended[id].wait()
        return self._problems[id]

    async def _run(self, bench: Bench) -> None:
        id = bench.case["id"]
        try:
            async with AsyncExitStack() as stack:
                if any("\nconcurrency:" in text for text in sources(bench.case)):
                    # Cases whose flows are the same must not take each other's slots.
                    await stack.enter_async_context(self._limited)
                self._problems[id] = await _problem(bench)
        except Exception as error:
            self._problems[id] = f"{type(error).__name__}: {error}"
        finally:
            self._ended[id].set()


@pytest.fixture(scope="module")
async def ahead(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Ahead]:
    cases = [item.callspec.params["case"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    begun = Ahead()
    async with anyio.create_task_group() as group:
        for case in cases:
            if "clock" in case.get("needs", ()) and "env" not in case:
                begun.start(group, _bench(case, engine, tmp_path_factory.mktemp("ahead"), tmp_path_factory))
        yield begun


@pytest.mark.parametrize("case", TABLES.counted, ids=lambda case: case["id"])
async def test_case(
    case: tables.Case,
    engine: Engine,
    ahead: Ahead,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(PEER.sub(ENVIRONMENT_PREFIX, name), value)
    for name in SECRET.findall(str(case["start"])):
        monkeypatch.setenv(f"SECRET_{name.upper()}", base64.b64encode(b"the secret value").decode())
    problem = await ahead.problem(case["id"])
    if problem is None:
        problem = await _problem_on(case, engine, tmp_path, tmp_path_factory)
    reason = TABLES.reason(case)
    if reason is None and problem.startswith(NOT_RUN) and tables.are_others():
        # Nobody could have listed it: the lists are about the usual tables.
        pytest.xfail(problem)
    if reason is None and problem:
        pytest.fail(problem, pytrace=False)
    if reason is not None:
        if problem:
            pytest.xfail(reason)
        pytest.fail(f"{case['id']} passes: take it off the list that says '{reason}'", pytrace=False)


async def _problem_on(case: tables.Case, engine: Engine, folder: Path, factory: pytest.TempPathFactory) -> str:
    """What is wrong with a case on the engine of all, or on one that has its settings."""
    values = case.get("config", {}).get(GLOBALS)
    if values is None and kind_of(case) != "api":
        return await _problem(_bench(case, engine, folder, factory))
    # Cases of the API count what there is, so that each has an engine of its own.
    settings = msgspec.structs.replace(SETTINGS, variables=Variables(globals=values or {}))
    async with open_engine(folder / "data", settings, index=index()) as own:
        return await _problem(Bench(own, folder, case, TABLES.cases, SystemClock().now(), own.vault))


def _bench(case: tables.Case, engine: Engine, folder: Path, factory: pytest.TempPathFactory) -> Bench:
    vault = Vault(factory.getbasetemp() / DATA / "key")
    return Bench(engine, folder, case, TABLES.cases, SystemClock().now(), vault)


async def _problem(bench: Bench) -> str:
    """What is wrong with the outcome of a case; empty when nothing is."""
    try:
        with anyio.fail_after(SECONDS):
            return "\n".join(await run_case(bench))
    except Unbound as unbound:
        return f"{NOT_RUN}{unbound}"
    except TimeoutError:
        return f"did not end within {SECONDS:g} s"
    finally:
        await bench.clean()
