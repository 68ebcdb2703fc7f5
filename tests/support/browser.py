"""A real Chromium, and pages of other sites for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import Browser, async_playwright

# Every name leads to this machine, as an attacker's would.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser for which all names lead to 127.0.0.1. Without one the test is skipped, but fails in CI."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium: apt-get install chromium")
        pytest.skip("there is no Chromium here")
    async with async_playwright() as playwright:
        rules = "--host-resolver-rules=MAP * 127.0.0.1"
        browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS, rules])
        yield browser
        await browser.close()


@asynccontextmanager
async def page_server() -> AsyncIterator[int]:
    """The port of a server that answers everything with an empty page: somebody else's site."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>a page</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{any:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
