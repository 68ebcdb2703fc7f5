"""Webhooks: requests that start executions, and how they are answered."""

from __future__ import annotations

import hmac
import json
from io import BytesIO
from typing import Any

import aiohttp
import anyio
import pytest

from engine.errors import InvalidFlow
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.settings import Webhooks
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.rows import ExecutionFilter

HOOK = "/api/v1/main/executions/webhook/shop.orders/hook"
KEY = "a-secret-key"
URL = f"{HOOK}/{KEY}"
TASK = '{id: say, type: core.debug.Return, format: "{{ trigger.body.name ?? null }}"}'


def flow(*lines: str, more: str = "", task: str = TASK, id: str = "hook") -> str:
    own = "".join(f"    {line}\n" for line in lines)
    return f"""
id: {id}
namespace: shop.orders
labels: {{of: flow}}
{more}
tasks: [{task}]
triggers:
  - id: called
    type: core.trigger.Webhook
    key: {KEY}
{own}
"""


async def started(engine: Engine, flow: str = "hook") -> list[Execution]:
    return list(await engine.store.executions.list(ExecutionFilter(flow=flow)))


async def variables(engine: Engine) -> dict[str, Any]:
    """What the only execution sees as `trigger.*`."""
    (execution,) = await started(engine)
    assert execution.trigger is not None
    return execution.trigger.variables


async def test_wh_05_body_headers_and_parameters_are_seen_by_the_flow(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("labels: {who: '{{ trigger.body.name }}'}"))
    headers = {"X-Shop": "north"}
    async with client.post(f"{URL}?age=12&age=13", json={"name": "tide"}, headers=headers) as answer:
        assert answer.status == 200
        shown = await answer.json()
    assert (shown["namespace"], shown["flowId"], shown["url"]) == (
        "shop.orders",
        "hook",
        f"/api/v1/executions/{shown['id']}",
    )
    found = await variables(engine)
    assert (found["body"], found["parameters"]) == ({"name": "tide"}, {"age": ["12", "13"]})
    assert found["headers"]["X-Shop"] == found["headers"]["x-shop"] == ["north"]
    ended = await engine.control.wait(ExecutionId(shown["id"]))
    assert {label.key: label.value for label in ended.labels if not label.key.startswith("system.")} == {
        "of": "flow",
        "who": "tide",
    }
    record = (await engine.store.executions.load(ended.id)).record
    assert record.runs["say"].outputs == {"value": "tide"}


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'[{"a": 1}]', [{"a": 1}]),
        (b"bla", "bla"),
        (b'"bla"', '"bla"'),
        (b'{\\"a\\": 1}', '{\\"a\\": 1}'),
        (b"\xff\x00", "/wA="),
        (b'{"n": 12345678901234567890}', {"n": 12345678901234567890}),
    ],
)
async def test_wh_19_what_is_no_json_is_a_text(
    engine: Engine, client: aiohttp.ClientSession, body: bytes, seen: Any
) -> None:
    await engine.control.save_flow(flow(task="{id: say, type: core.debug.Return, format: x}"))
    async with client.put(URL, data=body) as answer:
        assert answer.status == 200, await answer.text()
    assert (await variables(engine))["body"] == seen


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_wh_05_methods_and_what_stands_behind_the_key(
    engine: Engine, client: aiohttp.ClientSession, method: str
) -> None:
    await engine.control.save_flow(flow())
    async with client.request(method, f"{URL}/some/path") as answer:
        assert answer.status == 200
    found = await variables(engine)
    assert found["path"] == "some/path"
    assert "body" not in found
    async with client.delete(URL) as answer:
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST", "PUT"}
        assert KEY not in await answer.text()


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {KEY}"}, {"X-Webhook-Key": KEY}])
async def test_wh_05_the_key_may_come_in_a_header_which_the_flow_does_not_see(
    engine: Engine, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    await engine.control.save_flow(flow())
    async with client.post(HOOK, headers=headers) as answer:
        assert answer.status == 200
    assert KEY not in json.dumps(await variables(engine))
    async with client.post(HOOK, headers={"X-Webhook-Key": "another"}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", [f"{HOOK}/wrong", f"/api/v1/main/executions/webhook/nowhere/hook/{KEY}", HOOK])
async def test_wh_12_whatever_is_unknown_gives_the_same_answer(
    engine: Engine, client: aiohttp.ClientSession, path: str
) -> None:
    await engine.control.save_flow(flow())
    async with client.post(path, data=BytesIO(b"x" * 2_000_000)) as answer:
        shown = await answer.json()
    assert (answer.status, shown["message"]) == (404, "Not Found: Flow not found")
    assert KEY not in json.dumps(shown)
    assert await started(engine) == []


async def test_wh_12_who_knows_the_key_is_told_that_it_is_switched_off(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow())
    await engine.triggers.set_disabled("shop.orders", "hook", "called", True)
    async with client.post(URL) as answer:
        assert answer.status == 409
        assert "switched off" in await answer.text()
    async with client.post(f"{HOOK}/wrong") as answer:
        assert answer.status == 404
    await engine.triggers.set_disabled("shop.orders", "hook", "called", False)
    async with client.post(URL) as answer:
        assert answer.status == 200
    await engine.control.save_flow(flow(more="disabled: true"))
    async with client.post(URL) as answer:
        assert answer.status == 409


async def test_conditions_are_about_the_request(engine: Engine, client: aiohttp.ClientSession) -> None:
    condition = "{type: core.condition.Expression, expression: '{{ trigger.body.hello == \"world\" }}'}"
    await engine.control.save_flow(flow(f"conditions: [{condition}]"))
    async with client.post(URL, json={"hello": "webhook"}) as answer:
        assert (answer.status, await answer.text()) == (204, "")
    assert await started(engine) == []
    async with client.post(URL, json={"hello": "world"}) as answer:
        assert answer.status == 200


async def test_tr_10_a_condition_that_can_not_be_told_is_an_error(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("when: '{{ trigger.body.there.not }}'"))
    async with client.post(URL, json={}) as answer:
        assert answer.status == 422
        assert "when: " in (await answer.json())["message"]
    assert await started(engine) == []


async def test_wh_20_inputs_are_made_of_the_request_and_checked(engine: Engine, client: aiohttp.ClientSession) -> None:
    more = "inputs: [{id: count, type: INT}, {id: who, type: STRING, defaults: nobody}]"
    await engine.control.save_flow(flow("inputs: {count: '{{ trigger.body.count }}'}", more=more))
    async with client.post(URL, json={"count": "many"}) as answer:
        assert answer.status == 422
        assert [fault["path"] for fault in (await answer.json())["errors"]] == ["count"]
    assert await started(engine) == []
    async with client.post(URL, json={"count": 3}) as answer:
        assert answer.status == 200
    (execution,) = await started(engine)
    assert execution.inputs == {"count": 3, "who": "nobody"}


async def test_wh_13_a_request_of_the_same_name_starts_nothing_more(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow())
    headers = {"Idempotency-Key": "delivery-1"}
    answers = []
    for _ in range(2):
        async with client.post(URL, json={"name": "tide"}, headers=headers) as answer:
            answers.append((answer.status, (await answer.json())["id"], answer.headers.get("Idempotent-Replay")))
    assert [status for status, _, _ in answers] == [200, 200]
    assert answers[0][1] == answers[1][1]
    assert [again for _, _, again in answers] == [None, "true"]
    async with client.post(URL, json={"name": "other"}, headers=headers) as answer:
        assert answer.status == 409
    assert len(await started(engine)) == 1


async def test_wh_14_of_many_requests_of_one_name_one_starts_an_execution(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("idempotencyKey: \"{{ trigger.headers['x-delivery'] | first }}\""))
    ids = []

    async def call() -> None:
        async with client.post(URL, json={"name": "tide"}, headers={"X-Delivery": "7"}) as answer:
            assert answer.status == 200, await answer.text()
            ids.append((await answer.json())["id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(call)
    assert len(ids) == 40
    assert len(set(ids)) == len(await started(engine)) == 1


async def test_wh_17_a_body_that_is_too_large_is_refused(engine: Engine, client: aiohttp.ClientSession) -> None:
    await engine.control.save_flow(flow())
    large = b"x" * (Webhooks().body_bytes + 1)

    async def chunks() -> Any:
        yield large

    for data in (BytesIO(large), chunks()):
        async with client.post(URL, data=data) as answer:
            assert answer.status == 413
            assert KEY not in await answer.text()
    assert await started(engine) == []


async def test_wh_17_a_body_may_be_stored_as_a_file(engine: Engine, client: aiohttp.ClientSession) -> None:
    task = '{id: say, type: core.debug.Return, format: "{{ read(trigger.uri) }}"}'
    await engine.control.save_flow(flow("fetchType: STORE", "wait: true", task=task))
    async with client.post(URL, data=b"hello tide") as answer:
        assert answer.status == 200
        id = ExecutionId((await answer.json())["id"])
    record = (await engine.store.executions.load(id)).record
    assert record.execution.state is Status.SUCCESS
    assert record.runs["say"].outputs == {"value": "hello tide"}
    assert f"/executions/{id}/" in str((await variables(engine))["uri"])


async def test_a_stored_body_of_a_request_that_starts_nothing_is_removed(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("fetchType: STORE", "when: false"))
    async with client.post(URL, data=b"hello tide") as answer:
        assert answer.status == 204
    assert await engine.files.list("kestra:///shop/orders/hook/executions") == []


OUTPUTS = "outputs: [{id: said, type: STRING, value: '{{ outputs.say.value }}'}]"


@pytest.mark.parametrize(
    ("lines", "status", "type", "body"),
    [
        (("returnOutputs: true",), 200, "application/json", '{"said":"tide"}'),
        (("returnOutputs: true", "responseContentType: text/plain", "responseCode: 201"), 201, "text/plain", "tide"),
        (("returnOutputs: true", "responseCode: '{{ 200 + 2 }}'"), 202, "application/json", '{"said":"tide"}'),
    ],
)
async def test_wh_21_the_answer_may_be_what_the_flow_gives(
    engine: Engine, client: aiohttp.ClientSession, lines: tuple[str, ...], status: int, type: str, body: str
) -> None:
    await engine.control.save_flow(flow("wait: true", *lines, more=OUTPUTS))
    async with client.post(URL, json={"name": "tide"}) as answer:
        assert (answer.status, answer.content_type, await answer.text()) == (status, type, body)


async def test_an_execution_that_fails_while_somebody_waits_is_told(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("wait: true", task="{id: no, type: core.execution.Fail}"))
    async with client.post(URL) as answer:
        assert answer.status == 500
        assert (await answer.json())["state"]["current"] == "FAILED"


async def test_wh_01_an_answer_comes_after_the_execution_is_stored(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow(task="{id: wait, type: core.flow.Pause}"))
    async with client.post(URL) as answer:
        id = ExecutionId((await answer.json())["id"])
    assert (await engine.store.executions.head(id))[0].id == id


async def test_wh_16_two_triggers_of_one_key_are_refused(engine: Engine) -> None:
    with pytest.raises(InvalidFlow, match="is the key of another trigger too, on line 8"):
        await engine.control.save_flow(flow() + f"  - {{id: other, type: core.trigger.Webhook, key: {KEY}}}\n")


async def test_wh_16_two_triggers_have_different_keys(engine: Engine, client: aiohttp.ClientSession) -> None:
    await engine.control.save_flow(
        flow("when: false") + f"  - {{id: other, type: core.trigger.Webhook, key: '{{{{ \"{KEY}\" ~ 2 }}}}'}}\n"
    )
    async with client.post(f"{URL}2") as answer:
        assert answer.status == 200
    (execution,) = await started(engine)
    assert execution.trigger is not None
    assert execution.trigger.id == "other"


def signature(body: bytes, secret: str = "of-the-sender") -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"}


SIGNED = "auth: {preset: github, secrets: {old: gone, new: of-the-sender}}"


@pytest.mark.parametrize("store", [False, True])
async def test_wh_06_a_request_that_must_be_signed_is_looked_at_before_anything_else(
    engine: Engine, client: aiohttp.ClientSession, store: bool
) -> None:
    more = ("fetchType: STORE",) if store else ()
    task = "{id: say, type: core.debug.Return, format: x}"
    await engine.control.save_flow(flow(SIGNED, "when: '{{ not_there.at.all }}'", *more, task=task))
    for headers in ({}, signature(b"other"), signature(b"hello", "gone-too")):
        async with client.post(URL, data=b"hello", headers=headers) as answer:
            assert answer.status == 401
            assert (await answer.json())["detail"] == "the request is not signed as it must be"
            assert "WWW-Authenticate" not in answer.headers
    assert await engine.files.list("kestra:///shop/orders/hook") == []
    await engine.control.save_flow(flow(SIGNED, *more, task=task))
    async with client.post(URL, data=b"hello", headers=signature(b"hello")) as answer:
        assert answer.status == 200
    found = await variables(engine)
    assert found["signedBy"] == "new"
    assert ("uri" in found) is store


async def test_wh_09_a_secret_that_is_not_there_accepts_nothing(engine: Engine, client: aiohttp.ClientSession) -> None:
    await engine.control.save_flow(flow("auth: {preset: github, secret: \"{{ secret('NOT_THERE') }}\"}"))
    async with client.post(URL, data=b"hello", headers=signature(b"hello", "")) as answer:
        assert answer.status == 503
    assert await started(engine) == []


async def test_wh_11_a_signed_request_that_comes_again_starts_nothing_more(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("auth: {preset: stripe, secret: s}"))
    now = engine.clock.now() // 1000
    sign = hmac.new(b"s", f"{now}.{{}}".encode(), "sha256").hexdigest()
    again = []
    for more in ("", ",v1=00", ",v0=1"):
        headers = {"Stripe-Signature": f"t={now},v1={sign}{more}", "Idempotency-Key": f"another{more}"}
        async with client.post(URL, data=b"{}", headers=headers) as answer:
            assert answer.status == 200
            again.append(answer.headers.get("Idempotent-Replay"))
    assert again == [None, "true", "true"]
    assert len(await started(engine)) == 1


async def test_wh_25_senders_that_ask_whether_the_address_is_wanted_are_answered(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    await engine.control.save_flow(flow("auth: {preset: slack, secret: s}"))
    now = str(engine.clock.now() // 1000)
    body = b'{"type": "url_verification", "challenge": "abc"}'

    def headers(kind: str) -> dict[str, str]:
        sign = hmac.new(b"s", f"v0:{now}:".encode() + body, "sha256").hexdigest()
        front = {"slack": "X-Slack", "zoom": "x-zm"}[kind]
        return {f"{front}-Signature": f"v0={sign}", f"{front}-Request-Timestamp": now}

    async with client.post(URL, data=body, headers=headers("slack")) as answer:
        assert (answer.status, answer.content_type, await answer.text()) == (200, "text/plain", "abc")
    async with client.post(URL, data=body) as answer:
        assert answer.status == 401
    await engine.control.save_flow(flow("auth: {preset: zoom, secret: s}"))
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}'
    async with client.post(URL, data=body, headers=headers("zoom")) as answer:
        encrypted = hmac.new(b"s", b"abc", "sha256").hexdigest()
        assert await answer.json() == {"plainToken": "abc", "encryptedToken": encrypted}
    await engine.control.save_flow(flow("auth: {preset: meta, secret: s}"))
    query = "hub.mode=subscribe&hub.challenge=abc&hub.verify_token="
    async with client.get(f"{URL}?{query}s") as answer:
        assert (answer.status, answer.content_type, await answer.text()) == (200, "text/plain", "abc")
    async with client.get(f"{URL}?{query}wrong") as answer:
        assert answer.status == 401
    assert await started(engine) == []
