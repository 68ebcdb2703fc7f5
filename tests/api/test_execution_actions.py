"""What is done to one execution over the API."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from engine.files.addresses import namespace_folder
from engine.runtime.engine import Engine
from engine.state.user import Role
from support.executing import HELLO, WAITING, act, ask, form_of, labels_of, run, start, until
from support.signing_in import PASSWORD, ROOT, basic

QUEUED = """
id: one
namespace: company.team
concurrency: {limit: 1, behavior: QUEUE}
tasks:
  - {id: long, type: core.flow.Sleep, duration: PT1H}
"""


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    for source in (HELLO, WAITING, QUEUED):
        await engine.control.save_flow(source)


async def test_a_restart_is_seen_as_it_begins(client: ClientSession, engine: Engine) -> None:
    failed = await run(client, fails="true")
    status, again = await act(client, "POST", failed["id"], "restart")
    assert (status, again["id"], again["state"]["current"]) == (200, failed["id"], "RESTARTED")
    assert [run["state"]["current"] for run in again["taskRunList"]] == ["SUCCESS", "RESTARTED"]
    assert again["metadata"]["attemptNumber"] == 2
    await engine.control.wait(failed["id"])


async def test_a_restart_with_another_revision_is_another_execution(client: ClientSession, engine: Engine) -> None:
    failed = await run(client, fails="true")
    await engine.control.save_flow(HELLO.replace("core.execution.Fail", "core.debug.Return"))
    status, other = await act(client, "POST", failed["id"], "restart?revision=2")
    assert (status, other["parentId"], other["flowRevision"]) == (200, failed["id"], 2)
    assert (await engine.control.wait(other["id"])).state == "SUCCESS"


async def test_where_nothing_failed_there_is_nothing_to_restart(client: ClientSession) -> None:
    shown = await run(client)
    status, told = await act(client, "POST", shown["id"], "restart")
    assert (status, told["detail"]) == (422, "No task found to restart execution from!")
    _, waiting = await start(client, "one")
    status, told = await act(client, "POST", waiting["id"], "restart")
    assert (status, "must be terminated" in told["detail"]) == (409, True)


async def test_a_replay_takes_other_inputs(client: ClientSession, engine: Engine) -> None:
    shown = await run(client, n=2, file=b"before")
    status, other = await act(
        client, "POST", shown["id"], "replay-with-inputs", data=form_of({"n": 5, "file": b"after"})
    )
    assert (status, other["parentId"], other["inputs"]["n"]) == (200, shown["id"], 5)
    ended = await engine.control.wait(other["id"])
    assert ended.outputs == {"said": 6}
    content = b"".join([part async for part in engine.files.read(other["inputs"]["file"])])
    assert content == b"after"
    status, told = await act(client, "POST", shown["id"], "replay-with-inputs", data=form_of({"n": "x"}))
    assert (status, told["errors"][0]["path"]) == (422, "n")
    status, same = await act(client, "POST", shown["id"], "replay-with-inputs")
    assert (status, same["inputs"]["n"]) == (200, 2)


async def test_a_replay_begins_at_a_task_run(client: ClientSession, engine: Engine) -> None:
    shown = await run(client)
    status, other = await act(client, "POST", shown["id"], f"replay?taskRunId={shown['taskRunList'][1]['id']}")
    assert status == 200
    assert [run["state"]["current"] for run in other["taskRunList"]] == ["SUCCESS", "RESTARTED"]
    await engine.control.wait(other["id"])


async def test_a_task_run_that_failed_is_said_to_have_done_well(client: ClientSession, engine: Engine) -> None:
    failed = await run(client, fails="true")
    body = {"taskRunId": failed["taskRunList"][1]["id"], "state": "SUCCESS"}
    status, _ = await act(client, "POST", failed["id"], "state", json=body)
    assert status == 200
    assert (await engine.control.wait(failed["id"])).state == "SUCCESS"
    status, told = await act(client, "POST", failed["id"], "state", json={**body, "taskRunId": "nix"})
    assert (status, "nix" in told["detail"]) == (404, True)
    status, _ = await act(client, "POST", failed["id"], "state", json={**body, "state": "GOOD"})
    assert status == 422


async def test_what_has_ended_is_said_to_have_ended_otherwise(client: ClientSession) -> None:
    shown = await run(client)
    status, other = await act(client, "POST", shown["id"], "change-status?status=WARNING")
    assert (status, other["state"]["current"]) == (200, "WARNING")
    status, told = await act(client, "POST", shown["id"], "change-status?status=RUNNING")
    assert (status, "only change the status to a terminal state" in told["detail"]) == (422, True)
    status, _ = await act(client, "POST", shown["id"], "change-status?status=GOOD")
    assert status == 400
    _, waiting = await start(client, "waiting")
    status, _ = await act(client, "POST", waiting["id"], "change-status?status=WARNING")
    assert status == 409


async def test_labels_of_what_has_ended_are_set_in_the_place_of_others(client: ClientSession) -> None:
    _, shown = await start(client, query="?wait=true&labels=a:1&labels=b:2")
    status, labelled = await act(client, "POST", shown["id"], "labels", json=[{"key": "a", "value": "x:y"}])
    assert (status, labels_of(labelled)) == (200, {"a": "x:y"})
    assert any(label["key"] == "system.correlationId" for label in labelled["labels"])
    for wrong in ({"key": None, "value": None}, {"key": "system.x", "value": "1"}, {"key": "", "value": ""}):
        status, _ = await act(client, "POST", shown["id"], "labels", json=[wrong])
        assert status == 422
    _, waiting = await start(client, "waiting")
    status, told = await act(client, "POST", waiting["id"], "labels", json=[{"key": "a", "value": "1"}])
    assert (status, told["message"]) == (400, "Bad Request: The execution is not terminated")


async def test_an_execution_is_paused_and_goes_on(client: ClientSession) -> None:
    _, shown = await start(client, "one")
    await until(client, shown["id"], "RUNNING")
    status, _ = await act(client, "POST", shown["id"], "pause")
    assert status == 200
    status, _ = await act(client, "POST", shown["id"], "resume")
    assert status == 200
    _, waiting = await start(client, "one")
    status, _ = await act(client, "POST", waiting["id"], "pause")
    assert status == 409


async def test_inputs_to_resume_with_are_checked_beforehand(client: ClientSession) -> None:
    _, shown = await start(client, "waiting")
    await until(client, shown["id"], "PAUSED")
    status, checked = await act(client, "POST", shown["id"], "resume/validate", data=form_of({"who": "me"}))
    assert (status, checked["id"]) == (200, "waiting")
    (who,) = checked["inputs"]
    assert (who["input"]["id"], who["value"], who["enabled"], who["errors"]) == ("who", "me", True, [])
    status, checked = await act(client, "POST", shown["id"], "resume/validate")
    assert "who" in checked["inputs"][0]["errors"][0]["message"]


async def test_a_queued_execution_is_taken_out_or_forced(client: ClientSession, engine: Engine) -> None:
    _, first = await start(client, "one")
    await until(client, first["id"], "RUNNING")
    _, second = await start(client, "one")
    _, third = await start(client, "one")
    await until(client, third["id"], "QUEUED")
    status, out = await act(client, "POST", second["id"], "unqueue?state=CANCELLED")
    assert (status, out["state"]["current"]) == (200, "CANCELLED")
    status, told = await act(client, "POST", second["id"], "unqueue")
    assert (status, "not queued" in told["detail"]) == (422, True)
    status, _ = await act(client, "POST", third["id"], "force-run")
    assert status == 200
    await until(client, third["id"], "RUNNING")
    status, _ = await act(client, "POST", second["id"], "force-run")
    assert status == 409


async def test_expressions_are_rendered_as_a_task_would(client: ClientSession, engine: Engine) -> None:
    await engine.secrets.set("KEY", "top secret value", "company.team")
    shown = await run(client, n=2)
    text = {"Content-Type": "text/plain"}

    async def evaluated(expression: str, path: str = "eval") -> dict[str, str]:
        status, found = await act(client, "POST", shown["id"], path, data=expression, headers=text)
        assert status == 200
        return dict(found)

    assert await evaluated("{{ inputs.n + 1 }} ü") == {"result": "3 ü"}
    assert (await evaluated("{{ taskrun.id }}", f"eval/{shown['taskRunList'][0]['id']}")) == {
        "result": shown["taskRunList"][0]["id"]
    }
    failed = await evaluated("{{ nix }}")
    assert "Unable to find `nix` used in the expression `{{ nix }}` at line 1" in failed["error"]
    assert await evaluated("{{ secret('KEY') }}") == {"result": "******"}
    # Nobody reads it letter by letter, or has it sent somewhere.
    assert await evaluated("{{ secret('KEY') | slice(0, 3) }}") == {"result": "***"}
    assert "not available where an expression is only tried" in (await evaluated("{{ http(uri='http://x') }}"))["error"]
    status, _ = await act(client, "POST", shown["id"], "eval/nix", data="{{ 1 }}", headers=text)
    assert status == 404


@pytest.mark.parametrize(
    "expression",
    [
        "{{ read('kestra:///company/other/_files/x.txt') }}",
        "{{ read('x.txt', namespace='company.other') }}",
        "{{ fileSize('kestra:///company/other/_files/x.txt') }}",
        "{{ read('file:///etc/passwd') }}",
        "{{ kv('k', namespace='company.other') }}",
        "{{ secret('KEY', namespace='company.other') | length }}",
    ],
)
async def test_expressions_see_nothing_of_other_namespaces(
    client: ClientSession, engine: Engine, expression: str
) -> None:
    await engine.files.put(f"{namespace_folder('company.other')}/x.txt", b"theirs")
    await engine.keys.set("company.other", "k", "theirs")
    await engine.secrets.set("KEY", "theirs", "company.other")
    await engine.control.save_flow(HELLO.replace("company.team", "company.other"))
    shown = await run(client)
    _, found = await act(client, "POST", shown["id"], "eval", data=expression, headers={"Content-Type": "text/plain"})
    assert "theirs" not in str(found)
    assert "error" in found or found["result"] == "6"


async def test_expressions_see_the_namespace(client: ClientSession, engine: Engine) -> None:
    await engine.files.put(f"{namespace_folder('company.team')}/x.txt", b"ours")
    shown = await run(client, file=b"content")
    for path, content in (("x.txt", "ours"), (shown["inputs"]["file"], "content")):
        expression = f"{{{{ read('{path}') }}}}"
        _, found = await act(
            client, "POST", shown["id"], "eval", data=expression, headers={"Content-Type": "text/plain"}
        )
        assert found == {"result": content}


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("DELETE", "kill"),
        *(("POST", action) for action in ("pause", "resume", "restart", "replay", "replay-with-inputs", "force-run")),
        *(("POST", action) for action in ("unqueue", "change-status?status=WARNING", "eval", "resume/validate")),
    ],
)
async def test_whoever_only_looks_does_nothing(client: ClientSession, engine: Engine, method: str, action: str) -> None:
    shown = await run(client)
    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("viewer", PASSWORD, {"company": Role.VIEWER, "other": Role.ADMIN})
    viewer = basic("viewer")
    status, told = await act(client, method, shown["id"], action, headers=viewer)
    assert (status, "OPERATOR in namespace 'company.team'" in told["detail"]) == (403, True)
    status, _ = await ask(client, "GET", f"/{shown['id']}", headers=viewer)
    assert status == 200


async def test_the_earlier_paths_of_actions_are_answered(client: ClientSession) -> None:
    shown = await run(client)
    status, other = await ask(client, "POST", f"/{shown['id']}/change-status?status=WARNING")
    assert (status, other["state"]["current"]) == (200, "WARNING")
    status, _ = await ask(client, "POST", "/nix/replay")
    assert status == 404
