"""Pages of other sites in a real browser: none of them starts anything here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser

from engine.api.server import serving
from engine.runtime.engine import Engine
from engine.settings import Oidc, Server
from engine.store.rows import ExecutionFilter
from support.browser import chromium, page_server
from support.oidc_provider import CLIENT, SECRET, TestProvider
from support.signing_in import PASSWORD, ROOT

FLOW = """
id: shell
namespace: n
tasks:
  - {id: say, type: core.log.Log, message: hello}
"""

# What a page can send without asking first; the answer stays hidden from it, but what it did would be done.
POST = """async url => {
    try { await fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'}); return 'sent'; }
    catch (error) { return 'hidden'; }
}"""
LOGIN = """async ([url, username, password]) => {
    const answer = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json'},
                                     body: JSON.stringify({username, password})});
    return (await answer.json()).csrfToken;
}"""
WITH_CSRF = """async ([url, csrf]) =>
    (await fetch(url, {method: 'POST', headers: csrf ? {'X-CSRF-TOKEN': csrf} : {}})).status"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@asynccontextmanager
async def server(engine: Engine, *origins: str) -> AsyncIterator[int]:
    """The port of a server that has the flow."""
    await engine.control.save_flow(FLOW)
    async with serving(engine, Server(port=0, shutdown_seconds=1.0, origins=origins)) as url:
        found = urlsplit(url).port
        assert found is not None
        yield found


@pytest.fixture
async def port(engine: Engine) -> AsyncIterator[int]:
    async with server(engine) as found:
        yield found


async def started(engine: Engine) -> int:
    return await engine.store.executions.count(ExecutionFilter())


async def test_a_page_of_another_site_starts_nothing(engine: Engine, port: int, browser: Browser) -> None:
    async with page_server() as other:
        page = await browser.new_page()
        await page.goto(f"http://evil.example:{other}/")
        for host in ("127.0.0.1", "localhost", "evil.example"):
            assert await page.evaluate(POST, f"http://{host}:{port}/api/v1/executions/n/shell") == "hidden"
    assert await started(engine) == 0


async def test_a_page_that_the_settings_name_does(engine: Engine, browser: Browser) -> None:
    async with page_server() as other, server(engine, f"http://ui.example:{other}") as port:
        page = await browser.new_page()
        await page.goto(f"http://ui.example:{other}/")
        assert await page.evaluate(POST, f"http://localhost:{port}/api/v1/executions/n/shell") == "sent"
    assert await started(engine) == 1


async def test_a_form_of_another_site_starts_nothing(engine: Engine, port: int, browser: Browser) -> None:
    async with page_server() as other:
        page = await browser.new_page()
        await page.goto(f"http://evil.example:{other}/")
        form = f'<form method="post" action="http://127.0.0.1:{port}/api/v1/executions/n/shell"><button></form>'
        await page.evaluate("form => { document.body.innerHTML = form; }", form)
        async with page.expect_navigation() as arrived:
            await page.click("button")
        answer = await arrived.value
        assert answer is not None
        assert answer.status == 403
    assert await started(engine) == 0


async def test_a_name_that_was_made_to_lead_here_is_not_served(engine: Engine, port: int, browser: Browser) -> None:
    page = await browser.new_page(bypass_csp=True)
    answer = await page.goto(f"http://rebound.example:{port}/api/v1/configs")
    assert answer is not None
    assert answer.status == 403
    # For the browser this page is of the same site as the server.
    url = f"http://rebound.example:{port}/api/v1/executions/n/shell"
    assert await page.evaluate(WITH_CSRF, [url, None]) == 403
    assert await started(engine) == 0


async def test_who_is_signed_in_can_not_be_used_by_pages_of_others(engine: Engine, port: int, browser: Browser) -> None:
    await engine.users.add(ROOT, PASSWORD, {})
    context = await browser.new_context(bypass_csp=True)
    home = await context.new_page()
    await home.goto(f"http://localhost:{port}/ping")
    csrf = await home.evaluate(LOGIN, [f"http://localhost:{port}/api/v1/login", ROOT, PASSWORD])
    url = f"http://localhost:{port}/api/v1/executions/n/shell"
    assert await home.evaluate(WITH_CSRF, [url, None]) == 403
    assert await home.evaluate(WITH_CSRF, [url, csrf]) == 200
    assert await started(engine) == 1
    async with page_server() as other:
        # To the browser another port is the same site: it sends the cookie along.
        for place in (f"http://localhost:{other}/", f"http://evil.example:{other}/"):
            page = await context.new_page()
            await page.goto(place)
            assert await page.evaluate(POST, url) == "hidden"
            assert await page.evaluate("document.cookie") == ""
    assert await started(engine) == 1


async def test_a_page_signs_in_at_a_provider(engine: Engine, browser: Browser) -> None:
    await engine.control.save_flow(FLOW)
    provider = TestProvider()
    async with provider.serving() as issuer:
        oidc = Oidc(issuer=issuer, client_id=CLIENT, client_secret=SECRET, roles={"ops": {"n": "OPERATOR"}})
        async with serving(engine, Server(port=0, shutdown_seconds=1.0, oidc=oidc)) as url:
            context = await browser.new_context(bypass_csp=True)
            page = await context.new_page()
            await page.goto(f"{url}/api/v1/oidc/login?next=/ping")
            assert page.url == f"{url}/ping"
            me = await page.evaluate("async url => (await fetch(url)).json()", f"{url}/api/v1/me")
            assert (me["username"], me["roles"]) == ("ann@example.com", {"n": "OPERATOR"})
            execution = f"{url}/api/v1/main/executions/n/shell"
            assert await page.evaluate(WITH_CSRF, [execution, me["csrfToken"]]) == 200
            assert await page.evaluate(WITH_CSRF, [f"{url}/api/v1/logout", me["csrfToken"]]) == 200
            assert await page.evaluate(WITH_CSRF, [execution, me["csrfToken"]]) == 401
    assert await started(engine) == 1
