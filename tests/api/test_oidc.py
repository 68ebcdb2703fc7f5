"""Signing in by OpenID Connect, at real providers of this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec
import pytest
from aiohttp import ClientSession

from engine.api.server import serving
from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.settings import Oidc, Server
from engine.state.user import Role
from engine.store.rows import AuditFilter
from support.oidc_provider import AUDIENCE, CLIENT, SECRET, TestProvider
from support.signing_in import PASSWORD, bearer

LOGIN = "/api/v1/oidc/login"
ME = "/api/v1/me"
ROLES = {"ops": {"shop": "OPERATOR", "": "VIEWER"}, "boss": {"": "ADMIN"}, "shops": {"shop": "EDITOR"}}


class Browser:
    """As much of a browser as signing in needs: it keeps cookies by host and follows where it is sent."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._cookies: dict[str, str] = {}

    async def get(self, url: str) -> tuple[int, str, str]:
        """Status, text, and where it leads."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            for line in answer.headers.getall("Set-Cookie", ()):
                for name, morsel in SimpleCookie(line).items():
                    self._cookies[name] = morsel.value
                    assert morsel["httponly"] or not morsel.value
            return answer.status, await answer.text(), answer.headers.get("Location", "")

    async def sign_in(self, url: str) -> tuple[int, str]:
        """Status and text of the answer to coming back from the provider."""
        _, _, there = await self.get(url)
        _, _, back = await self.get(there)
        status, text, _ = await self.get(back)
        return status, text

    def headers(self, csrf: str = "") -> dict[str, str]:
        return {"Cookie": f"tidegate_session={self._cookies['tidegate_session']}", "X-CSRF-TOKEN": csrf}


@pytest.fixture
async def provider() -> AsyncIterator[TestProvider]:
    made = TestProvider()
    async with made.serving():
        yield made


def options(issuer: str, **more: Any) -> Server:
    oidc = Oidc(issuer=issuer, client_id=CLIENT, client_secret=SECRET, roles=ROLES, audience=AUDIENCE)
    return Server(port=0, shutdown_seconds=1.0, oidc=msgspec.structs.replace(oidc, **more))


@asynccontextmanager
async def signing_in(engine: Engine, issuer: str, **more: Any) -> AsyncIterator[tuple[ClientSession, Browser]]:
    async with serving(engine, options(issuer, **more)) as url, ClientSession(url) as client, ClientSession(url) as own:
        yield client, Browser(own)


async def test_a_user_signs_in_with_the_roles_of_his_groups(engine: Engine, provider: TestProvider) -> None:
    async with signing_in(engine, provider.issuer) as (client, browser):
        async with client.get(ME) as answer:
            assert answer.status == 401
        async with client.get("/api/v1/configs/login") as answer:
            assert (await answer.json())["oidcLogin"] == LOGIN
        assert (await browser.sign_in(f"{LOGIN}?next=/ui/flows"))[0] == 302
        async with client.get(ME, headers=browser.headers()) as answer:
            me = await answer.json()
        assert (me["username"], me["roles"]) == ("ann@example.com", {"": "VIEWER", "shop": "OPERATOR"})
        provider.user["groups"] = ["shops", "unknown"]
        assert (await browser.sign_in(LOGIN))[0] == 302
        async with client.get(ME, headers=browser.headers()) as answer:
            me = await answer.json()
        assert me["roles"] == {"shop": "EDITOR"}
        async with client.post("/api/v1/logout", headers=browser.headers(me["csrfToken"])) as answer:
            leaving = (await answer.json())["redirect"]
        assert leaving.startswith(f"{provider.issuer}/logout?")
        async with client.get(ME, headers=browser.headers()) as answer:
            assert answer.status == 401
    await engine.audit.flush()
    noted = await engine.store.audit.list(AuditFilter(user="ann@example.com"))
    assert [(entry.resource, entry.token, entry.status) for entry in noted][-1] == ("/oidc/callback", "oidc", 302)


async def test_groups_may_come_from_the_place_for_users(engine: Engine, provider: TestProvider) -> None:
    provider.in_token = False
    provider.user |= {"realm": {"roles": ["boss"]}}
    async with signing_in(engine, provider.issuer, groups_claim="realm.roles") as (client, browser):
        assert (await browser.sign_in(LOGIN))[0] == 302
        async with client.get(ME, headers=browser.headers()) as answer:
            assert (await answer.json())["roles"] == {"": "ADMIN"}


async def test_without_groups_an_admin_gives_the_roles(engine: Engine, provider: TestProvider) -> None:
    async with signing_in(engine, provider.issuer, roles={}) as (client, browser):
        status, text = await browser.sign_in(LOGIN)
        assert (status, "has no role here" in text) == (403, True)
        await engine.users.set_roles("ann@example.com", {"shop": Role.VIEWER})
        assert (await browser.sign_in(LOGIN))[0] == 302
        async with client.get(ME, headers=browser.headers()) as answer:
            assert (await answer.json())["roles"] == {"shop": "VIEWER"}


async def test_nobody_becomes_the_user_with_a_password_or_without_a_role(
    engine: Engine, provider: TestProvider
) -> None:
    await engine.users.add("ann@example.com", PASSWORD, {})
    async with signing_in(engine, provider.issuer) as (client, browser):
        status, text = await browser.sign_in(LOGIN)
        assert (status, "signs in with that" in text) == (403, True)
        async with client.get(ME, headers=bearer(provider.token(AUDIENCE))) as answer:
            assert answer.status == 401
        for user in ({"email": "ben@x", "groups": []}, {"email": "ben@x", "email_verified": False}, {"email": None}):
            provider.user = {"sub": "2", "groups": ["boss"], **user}
            assert (await browser.sign_in(LOGIN))[0] == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"aud": "another client"},
        {"azp": "another client"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1_700_000_000},
        {"exp": None},
    ],
    ids=str,
)
async def test_a_token_for_something_else_is_not_believed(
    engine: Engine, provider: TestProvider, claims: dict[str, Any]
) -> None:
    async with signing_in(engine, provider.issuer) as (_, browser):
        provider.claims = claims
        assert (await browser.sign_in(LOGIN))[0] == 401


async def test_a_token_of_another_key_is_not_believed_and_a_new_key_is(
    engine: Engine, provider: TestProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.api.oidc_provider.ASK_AGAIN_SECONDS", 0.0)
    async with signing_in(engine, provider.issuer) as (_, browser):
        published = provider.published
        provider.rotate()
        provider.published = published
        assert (await browser.sign_in(LOGIN))[0] == 401
        provider.published = provider.key
        assert (await browser.sign_in(LOGIN))[0] == 302


async def test_made_up_keys_do_not_make_it_ask_again_and_again(engine: Engine, provider: TestProvider) -> None:
    async with signing_in(engine, provider.issuer) as (client, _):
        for wanted in (200, 401, 401, 401):
            async with client.get(ME, headers=bearer(provider.token(AUDIENCE))) as answer:
                assert answer.status == wanted
            published = provider.published
            provider.rotate()
            provider.published = published
        assert provider.keys_asked == 1


async def test_only_the_browser_that_began_a_sign_in_ends_it_and_once(engine: Engine, provider: TestProvider) -> None:
    async with signing_in(engine, provider.issuer) as (client, browser):
        _, _, there = await browser.get(LOGIN)
        _, _, back = await browser.get(there)
        async with client.get(back) as answer:
            assert answer.status == 401
        state = parse_qs(urlsplit(back).query)["state"][0]
        assert (await browser.get(back.replace(state, "another")))[0] == 401
        assert (await browser.get(back.replace("iss=http", "iss=https")))[0] == 401
        assert (await browser.get(f"/api/v1/oidc/callback?state={state}&error=access_denied"))[0] == 403
        assert (await browser.get(back))[0] == 302
        assert (await browser.get(back))[0] == 401


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\tx"])
async def test_it_leads_to_no_other_site(engine: Engine, provider: TestProvider, next: str) -> None:
    async with signing_in(engine, provider.issuer) as (client, browser):
        async with client.get(LOGIN, params={"next": next}, allow_redirects=False) as answer:
            there = answer.headers["Location"]
            browser._cookies["tidegate_oidc"] = SimpleCookie(answer.headers["Set-Cookie"])["tidegate_oidc"].value
        _, _, back = await browser.get(there)
        assert (await browser.get(back))[::2] == (302, "/")


async def test_bearer_tokens_of_the_provider_are_taken_for_their_audience(
    engine: Engine, provider: TestProvider
) -> None:
    async with signing_in(engine, provider.issuer) as (client, _):
        for token, wanted in (
            (provider.token(AUDIENCE), 200),
            (provider.token(CLIENT), 401),
            (provider.token(AUDIENCE, exp=1_700_000_000), 401),
            (provider.token(AUDIENCE, groups=["unknown"]), 403),
            (f"{provider.token(AUDIENCE)}x", 401),
            ("a.b.c", 401),
        ):
            async with client.get(ME, headers=bearer(token)) as answer:
                assert answer.status == wanted
        async with client.get(ME, headers=bearer(provider.token(AUDIENCE))) as answer:
            assert (await answer.json())["roles"] == {"": "VIEWER", "shop": "OPERATOR"}
    async with (
        signing_in(engine, provider.issuer, audience="") as (client, _),
        client.get(ME, headers=bearer(provider.token(AUDIENCE))) as answer,
    ):
        assert answer.status == 401


async def test_nobody_else_becomes_the_first_user(engine: Engine, provider: TestProvider) -> None:
    async with signing_in(engine, provider.issuer) as (client, browser):
        first = {"username": "eve@example.com", "password": PASSWORD}
        async with client.post("/api/v1/basicAuth", json=first) as answer:
            assert answer.status == 401
        assert (await browser.sign_in(LOGIN))[0] == 302
        assert dict((await engine.users.get("ann@example.com")).roles) == {"": Role.VIEWER, "shop": Role.OPERATOR}


async def test_a_provider_that_is_away_is_told(engine: Engine) -> None:
    async with signing_in(engine, "http://127.0.0.1:1") as (client, _), client.get(LOGIN) as answer:
        assert answer.status == 503
        assert "can't be asked" in (await answer.json())["message"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"issuer": "http://login.example.com"}, "https"),
        ({"client_id": ""}, "client_id"),
        ({"roles": {"ops": {"": "KING"}}}, "group 'ops'.*VIEWER"),
    ],
)
async def test_settings_that_can_not_work_are_refused(engine: Engine, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        async with serving(engine, options(**{"issuer": "https://login.example.com", **wrong})):
            pass


@asynccontextmanager
async def foreign_provider(user: dict[str, Any]) -> AsyncIterator[str]:
    """The issuer of a provider that others wrote, as a process."""
    claims = json.dumps(user)
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", "0", "-n", "true", "--user-claims", claims]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                line = await anyio.to_thread.run_sync(process.stdout.readline)
                assert line, "the provider ended"
                found = re.search(r"running on (http://127\.0\.0\.1:\d+)", line)
            yield found[1]
        finally:
            process.kill()


async def test_a_provider_that_others_wrote(engine: Engine) -> None:
    user = {"sub": "ann", "email": "ann@example.com", "groups": ["ops"]}
    async with foreign_provider(user) as issuer, signing_in(engine, issuer) as (client, browser):
        _, _, there = await browser.get(LOGIN)
        async with client.post(there, data={"sub": "ann"}, allow_redirects=False) as answer:
            assert answer.status == 302
            back = answer.headers["Location"]
        status, text, _ = await browser.get(back)
        assert status == 302, text
        async with client.get(ME, headers=browser.headers()) as answer:
            assert (await answer.json())["roles"] == {"": "VIEWER", "shop": "OPERATOR"}
