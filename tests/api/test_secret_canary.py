"""A secret that a flow uses in every way shows nowhere: not in logs, outputs, errors, metrics, files or answers."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession

from engine.api.server import serving
from engine.runtime.engine import Engine, open_engine
from engine.settings import Server, Settings
from engine.state.status import Status

SECRET = 'Canary/4711+"so secret"=='
FORMS = {
    "plain": SECRET,
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "hex": SECRET.encode().hex(),
    "URL-encoded": quote(SECRET, safe=""),
    "JSON": SECRET.replace('"', '\\"'),
}
FLOW = """
id: canary
namespace: shop
inputs: [{id: given, type: SECRET}]
variables: {held: "{{ secret('CANARY') }}"}
labels: {of: "nothing"}
tasks:
  - id: say
    type: core.log.Log
    message: ["it is {{ secret('CANARY') }}", "and {{ vars.held }}", "{{ inputs.given }}"]
  - {id: keep, type: core.output.OutputValues, values: {kept: "{{ secret('CANARY') }}", part: "x{{ inputs.given }}y"}}
  - id: script
    type: scripts.shell.Commands
    taskRunner: {type: core.runner.Process}
    env: {CANARY: "{{ outputs.keep.values.kept }}"}
    commands:
      - printf '%s\\n' "$CANARY"
      - printf '%s' "$CANARY" | base64 -w0; echo
      - printf '%s' "$CANARY" | od -An -tx1 | tr -d ' \\n'; echo
      - printf '%s' "$CANARY" | head -c 12; sleep 0.1; printf '%s' "$CANARY" | tail -c +13; echo
      - printf '%s' "$CANARY" > /dev/stderr
      - echo "::{\\"outputs\\":{\\"length\\":\\"$(printf '%s' "$CANARY" | wc -c)\\"}}::"
  - id: fetch
    type: core.http.Request
    uri: "http://127.0.0.1:1/?token={{ secret('CANARY') | urlencode }}"
    allowFailure: true
  - {id: fails, type: core.execution.Fail, errorMessage: "not with {{ secret('CANARY') }}", allowFailure: true}
  - {id: broken, type: core.debug.Return, format: "{{ secret('CANARY') | toLong }}", allowFailure: true}
  - {id: last, type: core.debug.Return, format: "{{ outputs.keep.values.kept | length }}"}
outputs:
  - {id: told, type: STRING, value: "{{ outputs.keep.values.kept }}"}
"""


PATHS = (
    "executions/ID", "executions/search", "logs/ID", "logs/search", "logs/ID/download", "metrics/ID",
    "flows/shop/canary", "outputs/executions/ID", "outputs/tasks/ID",
)  # fmt: skip
EVALUATED = ("{{ outputs.keep }}", "{{ secret('CANARY') }}", "{{ vars }}", "{{ secret('CANARY') | toLong }}")


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    monkeypatch.setenv("SECRET_CANARY", base64.b64encode(SECRET.encode()).decode())
    async with open_engine(tmp_path / "data", Settings()) as opened:
        yield opened


async def test_it_shows_nowhere_and_later_tasks_still_get_it(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await engine.control.save_flow(FLOW)
    execution = await engine.control.create("shop", "canary", inputs={"given": SECRET})
    ended = await engine.control.wait(execution.id, wholly=True)
    record = (await engine.store.executions.load(execution.id)).record
    assert ended.state is Status.WARNING, {path: run.state for path, run in record.runs.items()}
    assert (record.runs["last"].outputs or {})["value"] == str(len(SECRET))
    assert (record.runs["script"].outputs or {})["vars"]["length"] == str(len(SECRET))
    shown = {"the log of the process": caplog.text}
    async with serving(engine, Server(port=0)) as url, ClientSession(url) as client:
        for path in (*PATHS, f"outputs/tasks/{execution.id}/{record.runs['keep'].id}"):
            async with client.get(f"/api/v1/main/{path.replace('ID', execution.id)}") as answer:
                assert answer.status == 200, (path, await answer.text())
                shown[path] = await answer.text()
        for expression in EVALUATED:
            async with client.post(f"/api/v1/main/executions/{execution.id}/actions/eval", data=expression) as answer:
                shown[expression] = await answer.text()
        async with client.get("/metrics") as answer:
            shown["metrics"] = await answer.text()
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            shown[f"the file {file.name}"] = file.read_bytes().decode("latin-1")
    found = [(place, form) for place, text in shown.items() for form, secret in FORMS.items() if secret in text]
    assert found == []
