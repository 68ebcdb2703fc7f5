"""Who may reach a server at all: hosts, origins, and what browsers are told."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from engine.api.security import check_bind, is_loopback
from engine.api.server import serving
from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.settings import Server
from support.signing_in import PASSWORD, ROOT, basic, bearer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "http://localhost:8080", "Host": "localhost:8080"}, 200),
        ({"Origin": "http://127.0.0.1:8080", "Host": "localhost:8080"}, 200),
        ({"Origin": "http://localhost:3000", "Host": "localhost:8080"}, 403),
        ({"Origin": "http://localhost", "Host": "localhost:8080"}, 403),
        ({"Origin": "http://localhost", "Host": "127.0.0.1"}, 200),
        ({"Origin": "http://localhost:x", "Host": "localhost:8080"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "\udcff"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_only_this_machine_s_own_programs_are_served(
    client: ClientSession, headers: dict[str, str], status: int
) -> None:
    async with client.get("/api/v1/configs", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.0.1"])
def test_a_loopback_address_needs_no_users(host: str) -> None:
    assert is_loopback(host)
    check_bind(host, authenticates=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", ""])
def test_another_address_does(host: str) -> None:
    with pytest.raises(Refused, match=r"listen on 127\.0\.0\.1"):
        check_bind(host, authenticates=False)
    check_bind(host, authenticates=True)


async def test_what_is_not_there_or_not_possible_is_told(client: ClientSession) -> None:
    async with client.get("/nix") as answer:
        assert (answer.status, (await answer.json())["detail"]) == (404, "There is nothing at /nix")
    async with client.patch("/api/v1/main/flows") as answer:
        told = await answer.json()
        assert (answer.status, told["type"].rpartition("/")[2]) == (405, "method-not-allowed")


async def test_whether_it_answers_can_be_asked_without_the_api(client: ClientSession) -> None:
    async with client.get("/ping") as answer:
        assert (answer.status, await answer.text()) == (200, "pong")


COOKIE = {"Cookie": "tidegate_session=x"}
FOREIGN = {"Origin": "https://evil.example"}
HOOK = """
id: hook
namespace: n
triggers: [{id: called, type: core.trigger.Webhook, key: key-of-the-hook}]
tasks: [{id: say, type: core.log.Log, message: hi}]
"""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "any.example"}, 200),
        ({**FOREIGN}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({**FOREIGN, **COOKIE}, 403),
        ({**FOREIGN, **basic()}, 403),
        ({**FOREIGN, **bearer("nix")}, 200),
        ({"Origin": "null", **COOKIE}, 403),
        ({"Origin": "http://any.example:81", "Host": "any.example:80", **COOKIE}, 403),
        ({"Origin": "https://any.example", "Host": "any.example", **COOKIE}, 200),
        ({"Sec-Fetch-Site": "same-site", **COOKIE}, 403),
        ({"Sec-Fetch-Site": "same-origin", **COOKIE}, 200),
    ],
)
async def test_with_users_a_page_of_another_site_may_not_use_who_is_signed_in(
    client: ClientSession, engine: Engine, headers: dict[str, str], status: int
) -> None:
    await engine.users.add(ROOT, PASSWORD, {})
    # The routes are open, so that only the rules about pages can refuse.
    async with client.post("/api/v1/login", json={"username": ROOT, "password": PASSWORD}, headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize("users", [False, True])
async def test_settings_name_more_hosts_and_origins(engine: Engine, users: bool) -> None:
    if users:
        await engine.users.add(ROOT, PASSWORD, {})
    options = Server(port=0, hosts=("tide.example",), origins=("https://ui.example",))
    page = {"Origin": "https://ui.example", "Sec-Fetch-Site": "cross-site"}
    async with serving(engine, options) as url, ClientSession(url) as client:
        for headers, status in (
            ({"Host": "tide.example:8080"}, 200),
            ({"Host": "evil.example"}, 403),
            ({**page, **COOKIE}, 200),
            ({**FOREIGN, **COOKIE}, 403),
        ):
            async with client.get("/ping", headers=headers) as answer:
                assert answer.status == status
        async with client.get("/ping", headers=page) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://ui.example"
        async with client.get("/ping", headers=COOKIE) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
        preflight = {**page, "Access-Control-Request-Method": "PUT"}
        async with client.options("/api/v1/flows/n/x", headers=preflight) as answer:
            assert answer.status == 204
            assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


async def test_browsers_are_told_to_run_and_keep_nothing(client: ClientSession) -> None:
    for path in ("/ping", "/nix", "/api/v1/configs"):
        async with client.get(path) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Strict-Transport-Security" not in answer.headers


async def test_a_cookie_is_for_https_alone_where_the_page_came_by_it(engine: Engine) -> None:
    await engine.users.add(ROOT, PASSWORD, {})
    given, https = {"username": ROOT, "password": PASSWORD}, {"X-Forwarded-Proto": "https"}
    for proxies, wanted in (((), False), (("127.0.0.1",), True)):
        options = Server(port=0, proxies=proxies)
        async with (
            serving(engine, options) as url,
            ClientSession(url) as client,
            client.post("/api/v1/login", json=given, headers=https) as answer,
        ):
            assert ("Secure" in answer.headers["Set-Cookie"]) is wanted
            assert ("Strict-Transport-Security" in answer.headers) is wanted


async def test_a_proxy_that_is_no_address_is_refused(engine: Engine) -> None:
    with pytest.raises(Refused, match=r"server\.proxies"):
        async with serving(engine, Server(port=0, proxies=("my proxy",))):
            pass


async def test_a_webhook_may_be_called_by_any_page_once_there_are_users(client: ClientSession, engine: Engine) -> None:
    await engine.control.save_flow(HOOK)
    url = "/api/v1/main/executions/webhook/n/hook/key-of-the-hook"
    async with client.post(url, headers={**FOREIGN, **basic()}) as answer:
        assert answer.status == 403
    await engine.users.add(ROOT, PASSWORD, {})
    async with client.post(url, headers={**FOREIGN, **COOKIE, **basic("eve")}) as answer:
        assert answer.status == 200, await answer.text()
