"""A server over an engine of its own, on a free port, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from engine.api.server import serving
from engine.runtime.accounts import passwords
from engine.runtime.engine import Engine, open_engine
from engine.settings import Server, Settings

OPTIONS = Server(port=0, shutdown_seconds=1.0)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords as always, with less work: most of these tests sign in."""
    monkeypatch.setattr(passwords, "LOG_N", 6)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings()) as opened:
        yield opened


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(engine, OPTIONS) as url, aiohttp.ClientSession(url) as session:
        yield session
