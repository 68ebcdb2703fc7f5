"""Users, tokens, sessions: who may call the API, and how he says who he is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from engine.api.server import serving
from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.settings import Auth, BasicAuth, Server
from engine.state.user import Role
from support.signing_in import PASSWORD, ROOT, basic, bearer

ADMIN = basic()
ME = "/api/v1/me"


@pytest.fixture
async def root(engine: Engine) -> str:
    await engine.users.add(ROOT, PASSWORD, {})
    return ROOT


async def status(client: ClientSession, method: str, path: str, **more: Any) -> int:
    async with client.request(method, path, **more) as answer:
        await answer.read()
        return answer.status


async def told(client: ClientSession, method: str, path: str, **more: Any) -> Any:
    async with client.request(method, path, **more) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def test_nobody_is_asked_until_there_is_a_user_and_then_everybody(client: ClientSession, engine: Engine) -> None:
    assert await status(client, "GET", "/api/v1/flows/n") == 200
    await engine.users.add(ROOT, PASSWORD, {})
    async with client.get("/api/v1/flows/n") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "say who you are" in (await answer.json())["message"]
    assert await status(client, "GET", "/api/v1/flows/n", headers=ADMIN) == 200
    assert await status(client, "GET", "/ping") == 200
    assert await status(client, "GET", "/api/v1/configs") == 200


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "header",
    [
        "Basic cm9vdEByb290LmNvbTp3cm9uZw==",
        "Basic ZXZlOlJvb3QhMTIzNA==",
        "Basic !",
        "Basic",
        "Bearer tdg_nix",
        "Bearer",
        "Basic \xff",
        "Basic /w==",
        "Bearer \udcff",
        "Digest x",
        "\udcff x",
        "",
    ],
)
async def test_what_is_not_so_is_answered_with_401(client: ClientSession, header: str) -> None:
    assert await status(client, "GET", ME, headers={"Authorization": header}) == 401


async def test_the_first_user_is_made_once(client: ClientSession) -> None:
    assert (await told(client, "GET", "/api/v1/configs"))["isBasicAuthInitialized"] is False
    assert await told(client, "GET", "/api/v1/basicAuthValidationErrors") == []
    for name, password in (("ops", PASSWORD), (ROOT, "short"), (ROOT, ""), ("", PASSWORD)):
        given = {"uid": "x", "username": name, "password": password}
        assert await status(client, "POST", "/api/v1/main/basicAuth", json=given) == 422
    first = {"uid": "x", "username": ROOT, "password": PASSWORD}
    assert await status(client, "POST", "/api/v1/main/basicAuth", json=first) == 204
    assert await status(client, "POST", "/api/v1/main/basicAuth", json=first) == 401
    assert (await told(client, "GET", "/api/v1/configs"))["isBasicAuthInitialized"] is True
    assert await told(client, "GET", ME, headers=ADMIN) == {
        "id": ROOT,
        "username": ROOT,
        "roles": {"": "ADMIN"},
        "instanceOwner": True,
    }


@pytest.mark.usefixtures("root")
async def test_a_token_stands_for_its_user_until_it_is_revoked(client: ClientSession, engine: Engine) -> None:
    made = await told(client, "POST", f"{ME}/api-tokens", json={"name": "ci", "maxAge": "P1D"}, headers=ADMIN)
    by_token = bearer(made["fullToken"])
    assert made["fullToken"].startswith(made["prefix"])
    assert (await told(client, "GET", ME, headers=by_token))["username"] == ROOT
    assert await status(client, "POST", f"{ME}/api-tokens", json={"name": "ci"}, headers=ADMIN) == 409
    assert await status(client, "POST", f"{ME}/api-tokens", json={"name": "x", "maxAge": "soon"}, headers=ADMIN) == 422
    listed = await told(client, "GET", f"{ME}/api-tokens", headers=by_token)
    assert [(one["name"], "fullToken" in one) for one in listed["results"]] == [("ci", False)]
    assert made["fullToken"] not in str(await engine.store.tokens.list())
    assert await status(client, "DELETE", f"{ME}/api-tokens/{made['id']}", headers=by_token) == 204
    assert await status(client, "GET", ME, headers=by_token) == 401
    assert await status(client, "DELETE", f"{ME}/api-tokens/{made['id']}", headers=ADMIN) == 404


@pytest.mark.usefixtures("root")
async def test_a_page_signs_in_and_needs_its_csrf_token_to_change_anything(client: ClientSession) -> None:
    async with client.post("/api/v1/login", json={"username": ROOT.upper(), "password": PASSWORD}) as answer:
        me, cookie = await answer.json(), answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = {"Cookie": cookie.partition(";")[0]}
    assert (await told(client, "GET", ME, headers=page))["csrfToken"] == me["csrfToken"]
    new = {"name": "page"}
    assert await status(client, "POST", f"{ME}/api-tokens", json=new, headers=page) == 403
    assert await status(client, "POST", f"{ME}/api-tokens", json=new, headers={**page, "X-CSRF-TOKEN": "x"}) == 403
    csrf = {**page, "X-CSRF-TOKEN": me["csrfToken"]}
    assert await status(client, "POST", f"{ME}/api-tokens", json=new, headers=csrf) == 200
    assert await status(client, "POST", "/api/v1/logout", headers=csrf) == 204
    # Also for who kept the cookie.
    assert await status(client, "GET", ME, headers=page) == 401


@pytest.mark.usefixtures("root")
async def test_a_session_is_no_token_and_a_token_no_session(client: ClientSession) -> None:
    async with client.post("/api/v1/login", json={"username": ROOT, "password": PASSWORD}) as answer:
        session = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    client.cookie_jar.clear()
    made = await told(client, "POST", f"{ME}/api-tokens", json={"name": "ci"}, headers=ADMIN)
    assert await status(client, "GET", ME, headers=bearer(session)) == 401
    assert await status(client, "GET", ME, headers={"Cookie": f"tidegate_session={made['fullToken']}"}) == 401


@pytest.mark.usefixtures("root")
async def test_a_user_sets_his_password_if_he_knows_it(client: ClientSession) -> None:
    for old, new, wanted in (("Wrong!1234", "Next!1234", 401), (PASSWORD, "weak", 422), (PASSWORD, "Next!1234", 204)):
        given = {"oldPassword": old, "newPassword": new}
        assert await status(client, "PUT", f"{ME}/password", json=given, headers=ADMIN) == wanted
    assert await status(client, "GET", ME, headers=ADMIN) == 401
    assert await status(client, "GET", ME, headers=basic(password="Next!1234")) == 200


@pytest.mark.usefixtures("root")
async def test_a_wrong_login_is_the_same_for_unknown_users(client: ClientSession) -> None:
    answers = []
    for name, password in ((ROOT, "Wrong!1234"), ("eve@root.com", PASSWORD)):
        async with client.post("/api/v1/login", json={"username": name, "password": password}) as answer:
            answers.append((answer.status, await answer.json(), "Set-Cookie" in answer.headers))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


@pytest.mark.usefixtures("root")
async def test_only_an_admin_of_all_handles_users(client: ClientSession, engine: Engine) -> None:
    new = {"username": "Ann", "password": "Shop!1234", "roles": {"shop": "ADMIN"}}
    made = await told(client, "POST", "/api/v1/users", json=new, headers=ADMIN)
    assert (made["username"], made["roles"], made["hasPassword"]) == ("ann", {"shop": "ADMIN"}, True)
    ann = basic("ann", "Shop!1234")
    assert await status(client, "GET", "/api/v1/users", headers=ann) == 403
    assert await status(client, "POST", "/api/v1/users", json=new, headers=ADMIN) == 409
    assert await status(client, "POST", "/api/v1/users", json={**new, "username": " "}, headers=ADMIN) == 422
    assert await status(client, "PUT", "/api/v1/users/ann/roles", json={"shop": "KING"}, headers=ADMIN) == 422
    roles = await told(client, "PUT", "/api/v1/users/ann/roles", json={"attic": "VIEWER"}, headers=ADMIN)
    assert roles["roles"] == {"attic": "VIEWER"}
    assert (
        await status(client, "PUT", "/api/v1/users/ann/password", json={"password": "New!12345"}, headers=ADMIN) == 204
    )
    assert await status(client, "GET", ME, headers=ann) == 401
    assert await status(client, "GET", ME, headers=basic("ann", "New!12345")) == 200
    assert await status(client, "DELETE", f"/api/v1/users/{ROOT}", headers=ADMIN) == 409
    assert await status(client, "DELETE", "/api/v1/users/ann", headers=ADMIN) == 204
    assert [account.name for account in await engine.users.list()] == [ROOT]


@pytest.mark.usefixtures("root")
async def test_an_admin_makes_and_revokes_tokens_of_others(client: ClientSession, engine: Engine) -> None:
    await engine.users.add("ann", None, {"shop": Role.VIEWER})
    tokens = "/api/v1/users/ann/api-tokens"
    made = await told(client, "POST", tokens, json={"name": "ci"}, headers=ADMIN)
    assert (await told(client, "GET", ME, headers=bearer(made["fullToken"])))["username"] == "ann"
    assert [one["name"] for one in await told(client, "GET", tokens, headers=ADMIN)] == ["ci"]
    assert await status(client, "GET", tokens, headers=bearer(made["fullToken"])) == 403
    assert await status(client, "DELETE", f"{tokens}/ci", headers=ADMIN) == 204
    assert await status(client, "GET", ME, headers=bearer(made["fullToken"])) == 401
    assert await status(client, "GET", tokens.replace("ann", "eve"), headers=ADMIN) == 404
    assert await status(client, "POST", tokens.replace("ann", "eve"), json={"name": "x"}, headers=ADMIN) == 404


async def test_with_nobody_there_only_the_first_user_can_be_made_where_that_is_asked_for(engine: Engine) -> None:
    options = Server(port=0, auth=Auth(required=True))
    first = {"username": ROOT, "password": PASSWORD}
    async with serving(engine, options) as url, ClientSession(url) as client:
        assert await status(client, "GET", "/api/v1/flows/n") == 401
        assert await status(client, "GET", "/ping") == 200
        assert await status(client, "POST", "/api/v1/basicAuth", json=first, headers={"Host": "evil.example"}) == 403
        assert await status(client, "POST", "/api/v1/basicAuth", json=first) == 204
        assert await status(client, "GET", "/api/v1/flows/n", headers=ADMIN) == 200


async def test_a_user_of_the_settings_that_is_none_is_told(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    wrong = Server(port=0, basic_auth=BasicAuth(username="ops", password="secret"))
    async with serving(engine, wrong) as url, ClientSession(url) as client:
        errors = await told(client, "GET", "/api/v1/basicAuthValidationErrors")
        assert [error.partition(" for ")[0] for error in errors] == ["Invalid username", "Invalid password"]
        assert "server.basic_auth is not made: Invalid username" in caplog.text
        # It was meant to ask everybody who he is.
        assert await status(client, "GET", "/api/v1/flows/n") == 401
    with pytest.raises(Refused, match="other machines reach"):
        async with serving(engine, msgspec.structs.replace(wrong, host="0.0.0.0")):
            pass


async def test_a_role_holds_in_its_namespace_and_those_below_it(
    client: ClientSession, engine: Engine, root: str
) -> None:
    await engine.users.add("ann", PASSWORD, {"shop.eu": Role.VIEWER})
    ann = basic("ann", PASSWORD)
    for namespace, wanted in (("shop.eu", 200), ("shop.eu.fr", 200), ("shop", 403), ("shop.europe", 403)):
        assert await status(client, "GET", f"/api/v1/main/flows/{namespace}", headers=ann) == wanted
    assert await status(client, "DELETE", "/api/v1/main/flows/shop.eu/x", headers=ann) == 403


async def test_what_another_process_changes_is_seen(client: ClientSession, engine: Engine, root: str) -> None:
    assert await status(client, "GET", ME, headers=ADMIN) == 200
    await engine.store.accounts.remove(root)
    while await status(client, "GET", ME, headers=ADMIN) == 200:
        pass
    # Without users it still asks: it may be reached by others.
    assert await status(client, "GET", ME) == 401
