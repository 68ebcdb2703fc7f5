"""The store's adapters; every test of this folder runs with each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.store.open import open_store
from engine.store.protocols import Store
from support.steps import Open


@pytest.fixture(params=["sqlite"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_again(adapter: str, tmp_path: Path) -> Open:
    """Opens the test's store, as often as asked: each is what another process would have."""
    openers: dict[str, Open] = {"sqlite": lambda: open_store(tmp_path, Settings())}
    return openers[adapter]


@pytest.fixture
async def store(open_again: Open) -> AsyncIterator[Store]:
    async with open_again() as opened:
        yield opened
