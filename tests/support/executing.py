"""How tests of the API start executions and act on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import ClientSession, FormData

EXECUTIONS = "/api/v1/main/executions"
HELLO = """
id: hello
namespace: company.team
labels: {team: a}
inputs:
  - {id: n, type: INT, defaults: 1}
  - {id: file, type: FILE, required: false}
  - {id: fails, type: BOOL, defaults: false}
tasks:
  - {id: say, type: core.debug.Return, format: "{{ inputs.n + 1 }}"}
  - {id: fail, type: core.execution.Fail, runIf: "{{ inputs.fails }}"}
outputs:
  - {id: said, type: INT, value: "{{ outputs.say.value }}"}
"""
WAITING = """
id: waiting
namespace: company.team
tasks:
  - {id: wait, type: core.flow.Pause, onResume: [{id: who, type: STRING}]}
  - {id: long, type: core.flow.Sleep, duration: PT1H}
"""


def form_of(inputs: dict[str, Any]) -> FormData | None:
    """Inputs as a form: bytes as a file, anything else as text; None where there are none."""
    if not inputs:
        return None
    form = FormData(default_to_multipart=True)
    for name, value in inputs.items():
        if isinstance(value, bytes):
            form.add_field(name, value, filename=f"{name}.txt")
        else:
            form.add_field(name, str(value))
    return form


async def ask(client: ClientSession, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """Status and JSON of an answer to a request below the executions."""
    async with client.request(method, f"{EXECUTIONS}{path}", **more) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else await answer.text()


async def start(client: ClientSession, flow: str = "hello", query: str = "", **inputs: Any) -> tuple[int, Any]:
    """Start an execution of a flow of company.team."""
    return await ask(client, "POST", f"/company.team/{flow}{query}", data=form_of(inputs))


async def run(client: ClientSession, flow: str = "hello", **inputs: Any) -> Any:
    """An execution of a flow of company.team that has ended."""
    status, shown = await start(client, flow, "?wait=true", **inputs)
    assert status == 200, shown
    return shown


async def act(client: ClientSession, method: str, id: str, action: str, **more: Any) -> tuple[int, Any]:
    """Do something to an execution."""
    return await ask(client, method, f"/{id}/actions/{action}", **more)


async def until(client: ClientSession, id: str, state: str) -> Any:
    """The execution once it is in a state."""
    while True:
        _, shown = await ask(client, "GET", f"/{id}")
        if shown["state"]["current"] == state:
            return shown


def ids_of(page: Any) -> list[str]:
    return [item["id"] for item in page["results"]]


def labels_of(shown: Any) -> dict[str, str]:
    labels: Iterable[dict[str, str]] = shown.get("labels", ())
    return {label["key"]: label["value"] for label in labels if not label["key"].startswith("system.")}
