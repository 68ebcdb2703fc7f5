"""The API held against its own description, with made-up requests: no fault, no status that is not told."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.api.server import serving
from engine.runtime.engine import Engine
from engine.settings import Limits, Server
from engine.state.user import EVERYWHERE, Role
from support.signing_in import PASSWORD, ROOT, basic

FLOW = """id: hello
namespace: company.team
inputs: [{id: who, type: STRING, required: false}]
tasks:
  - {id: say, type: core.log.Log, message: hi}
"""
UNBOUNDED = Server(port=0, shutdown_seconds=1.0, limits=Limits(requests_per_second=0, unknown_per_second=0, failures=0))


@pytest.fixture
async def url(engine: Engine) -> AsyncIterator[str]:
    """A server that never says that it is asked too much, with a user."""
    await engine.users.add(ROOT, PASSWORD, {EVERYWHERE: Role.ADMIN})
    async with serving(engine, UNBOUNDED) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("known", [False, True])
async def test_made_up_requests_are_answered_as_described(
    engine: Engine, url: str, tmp_path: Path, known: bool
) -> None:
    """With made-up names in the paths, and with those of what is there."""
    await engine.control.save_flow(FLOW)
    await engine.keys.set("company.team", "k", 1)
    execution = await engine.control.create("company.team", "hello")
    names = {"namespace": "company.team", "id": "hello", "execution": execution.id, "key": "k", "task": "say"}
    config = {
        "headers": basic(),
        "parameters": {f"path.{name}": value for name, value in names.items()} if known else {},
        "warnings": False,
    }
    file = tmp_path / "schemathesis.toml"
    file.write_text(_toml(config), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(file),
        "run",
        f"{url}/api/v1/openapi.json",
    ]
    command += ["--url", f"{url}/api/v1/main", "--checks", "not_a_server_error,status_code_conformance"]
    command += ["--phases", "fuzzing" if known else "coverage", "--max-examples", "4", "--seed", "1"]
    command += ["--generation-deterministic", "--suppress-health-check", "all", "--request-timeout", "20"]
    # What would leave nobody who may ask, or never ends.
    command += ["--exclude-path-regex", "^/users|^/logout|/follow"]
    done = await anyio.run_process(command, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout.decode()[-6000:] + done.stderr.decode()[-2000:]


def _toml(values: dict[str, object]) -> str:
    """Maps of one level and plain values."""
    plain = [f"{name} = {json.dumps(value)}" for name, value in values.items() if not isinstance(value, dict)]
    tables = [
        "\n".join([f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(below)}" for key, below in value.items())])
        for name, value in values.items()
        if isinstance(value, dict)
    ]
    return "\n\n".join(["\n".join(plain), *tables])
