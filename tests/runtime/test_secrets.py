"""Secrets reach the tasks that use them, and nobody else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from aiohttp import web

from engine.runtime.engine import Engine
from engine.state.sealed import SHOWN, is_sealed
from engine.state.status import Status
from support.running import messages, run, runs_of

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", base64.b64encode(SECRET.encode()).decode())


async def test_a_secret_is_used_and_shows_nowhere(engine: Engine, tmp_path: Path) -> None:
    record = await run(
        engine,
        """
id: secrets
namespace: test
tasks:
  - {id: made, type: core.output.OutputValues, values: {deep: ["Bearer {{ secret('TOKEN') }}"], plain: x}}
  - id: used
    type: core.log.Log
    message: "{{ outputs.made.values.deep[0] | length }} {{ outputs.made.values.plain }}"
  - id: script
    type: scripts.shell.Commands
    taskRunner: {type: core.runner.Process}
    env: {TOKEN: "{{ secret('TOKEN') }}"}
    commands: ['echo "token $TOKEN"', 'printf "%s" "$TOKEN" | base64', 'echo "$TOKEN" >&2; exit 4']
""",
    )
    id = record.execution.id
    assert is_sealed((runs_of(record, "made")[0].outputs or {})["values"])
    assert await messages(engine, id, "used") == [f"{len(SECRET) + 7} x"]
    assert (await messages(engine, id, "script"))[:3] == [f"token {SHOWN}", SHOWN, SHOWN]
    assert SECRET not in "\n".join(await messages(engine, id))
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*.db*"))
    assert SECRET.encode() not in stored
    assert SECRET not in await engine.control.evaluate(id, "{{ outputs.made.values.deep[0] }} {{ secret('TOKEN') }}")


async def test_a_secret_input_is_stored_encrypted(engine: Engine) -> None:
    record = await run(
        engine,
        """
id: sealed
namespace: test
inputs: [{id: a.password, type: SECRET}]
tasks:
  - {id: length, type: core.debug.Return, format: "{{ inputs.a.password | length }}"}
outputs: [{id: back, type: SECRET, value: "{{ inputs.a.password }}"}]
""",
        {"a.password": SECRET},
    )
    assert record.execution.state is Status.SUCCESS
    assert runs_of(record, "length")[0].outputs == {"value": str(len(SECRET))}
    assert is_sealed(record.execution.inputs["a"]["password"])
    assert is_sealed((record.execution.outputs or {})["back"])


async def test_an_encrypted_body_reaches_the_next_task_only(engine: Engine) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=SECRET)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        record = await run(
            engine,
            f"""
id: encrypted
namespace: test
tasks:
  - {{id: call, type: core.http.Request, uri: "{address}", encryptBody: true}}
  - {{id: size, type: core.debug.Return, format: "{{{{ outputs.call.encryptedBody | length }}}}"}}
""",
        )
    finally:
        await runner.cleanup()
    assert record.execution.state is Status.SUCCESS
    outputs = runs_of(record, "call")[0].outputs or {}
    assert outputs["body"] is None
    assert is_sealed(outputs["encryptedBody"])
    assert runs_of(record, "size")[0].outputs == {"value": str(len(SECRET))}


async def test_an_output_of_the_flow_that_holds_a_secret_is_stored_encrypted(engine: Engine, tmp_path: Path) -> None:
    await engine.control.save_flow(
        """
id: child
namespace: test
tasks: [{id: made, type: core.output.OutputValues, values: {token: "{{ secret('TOKEN') }}"}}]
outputs:
  - {id: asked, type: STRING, value: "Bearer {{ secret('TOKEN') }}"}
  - {id: made, type: STRING, value: "{{ outputs.made.values.token }}"}
  - {id: plain, type: STRING, value: x}
"""
    )
    record = await run(
        engine,
        """
id: parent
namespace: test
tasks:
  - {id: call, type: core.flow.Subflow, namespace: test, flowId: child}
  - id: used
    type: core.log.Log
    message: "{{ outputs.call.outputs.asked | length }} {{ outputs.call.outputs.made | length }}"
""",
    )
    child = (await engine.store.executions.head((runs_of(record, "call")[0].outputs or {})["executionId"]))[0]
    outputs = child.outputs or {}
    assert [is_sealed(outputs[name]) for name in ("asked", "made", "plain")] == [True, True, False]
    assert await messages(engine, record.execution.id, "used") == [f"{len(SECRET) + 7} {len(SECRET)}"]
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*.db*"))
    assert SECRET.encode() not in stored
