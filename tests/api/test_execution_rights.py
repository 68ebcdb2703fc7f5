"""Nobody learns or does anything about an execution of a namespace in which he has no role."""

from __future__ import annotations

from aiohttp import ClientSession

from engine.runtime.engine import Engine
from engine.state.user import Role
from support.api_routes import all_routes
from support.executing import HELLO, run
from support.signing_in import PASSWORD, ROOT, basic

V1 = "/api/v1/main"
QUERIES = {"path": "kestra:///company/team/x", "status": "WARNING", "newStatus": "WARNING", "state": "RUNNING"}
BODIES = {"labels": '[{"key": "a", "value": "b"}]', "state": '{"taskRunId": "x", "state": "SUCCESS"}'}


async def test_an_execution_of_others_is_closed(client: ClientSession, engine: Engine) -> None:
    await engine.control.save_flow(HELLO)
    shown = await run(client)
    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("other", PASSWORD, {"company.other": Role.ADMIN})
    headers = {**basic("other"), "Content-Type": "text/plain"}
    answers = {}
    for route in all_routes(engine):
        if "{execution}" in route.path:
            path = route.path.replace("{execution}", shown["id"]).replace("{taskRun}", shown["taskRunList"][0]["id"])
            body = BODIES.get(path.rpartition("/")[2], "{{ 1 }}") if route.method == "POST" else None
            url = f"{V1}{path}"
            async with client.request(route.method, url, params=QUERIES, data=body, headers=headers) as answer:
                answers[f"{route.method} {route.path}"] = answer.status
    assert len(answers) > 25
    assert {name: status for name, status in answers.items() if status != 403} == {}
    execution, _ = await engine.store.executions.head(shown["id"])
    assert execution.state == "SUCCESS"
