"""The tables of flows, each case run by a real engine."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from conformance import tables
from conformance.bench import Bench
from conformance.flow_cases import Unbound, load_tables
from conformance.flow_kinds import run_case
from conformance.flow_plugins.index import index
from engine.clock import SystemClock
from engine.runtime.engine import Engine, open_engine
from engine.runtime.vault import Vault
from engine.settings import Settings

TABLES = load_tables()
SECONDS = 15.0
"""What one case may take."""
DATA = "data-of-flows"
SECRET = re.compile(r"secret\('([^']+)'\)")


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path_factory.getbasetemp() / DATA, Settings(), index=index()) as opened:
        yield opened


@pytest.mark.parametrize("case", TABLES.counted, ids=lambda case: case["id"])
async def test_case(
    case: tables.Case,
    engine: Engine,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    for name in SECRET.findall(str(case["start"])):
        monkeypatch.setenv(f"SECRET_{name.upper()}", base64.b64encode(b"the secret value").decode())
    vault = Vault(tmp_path_factory.getbasetemp() / DATA / "key")
    bench = Bench(engine, tmp_path, case, TABLES.cases, SystemClock().now(), vault)
    reason = TABLES.reason(case)
    problem = await _problem(bench)
    if reason is None and problem:
        pytest.fail(problem, pytrace=False)
    if reason is not None:
        if problem:
            pytest.xfail(reason)
        pytest.fail(f"{case['id']} passes: take it off the list that says '{reason}'", pytrace=False)


async def _problem(bench: Bench) -> str:
    """What is wrong with the outcome of a case; empty when nothing is."""
    try:
        with anyio.fail_after(SECONDS):
            return "\n".join(await run_case(bench))
    except Unbound as unbound:
        return f"not run: {unbound}"
    except TimeoutError:
        return f"did not end within {SECONDS:g} s"
    finally:
        await bench.clean()
