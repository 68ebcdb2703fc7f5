"""Secrets of the data folder: whose they are, which one is seen, and that they are stored encrypted."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.state.sealed import SHOWN
from engine.state.status import Status
from support.running import messages, run, runs_of

FLOW = """
id: uses
namespace: shop.team
tasks: [{id: t, type: core.log.Log, message: "it is {{ secret('Token') }}"}]
"""


async def test_the_environment_wins_then_the_nearest_namespace(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    await engine.secrets.set("token", "of-everybody")
    assert await engine.secrets.find("shop.team", "TOKEN") == "of-everybody"
    await engine.secrets.set("TOKEN", "of-the-shop", "shop")
    await engine.secrets.set("TOKEN", "of-another", "shop.other")
    assert await engine.secrets.find("shop.team", "token") == "of-the-shop"
    assert await engine.secrets.find("shopping", "token") == "of-everybody"
    monkeypatch.setenv("SECRET_TOKEN", base64.b64encode(b"given").decode())
    assert await engine.secrets.find("shop.team", "token") == "given"


async def test_a_stored_secret_shows_nowhere(engine: Engine, tmp_path: Path) -> None:
    secret = "correct-horse-battery"
    await engine.secrets.set("TOKEN", secret)
    record = await run(engine, FLOW)
    assert await messages(engine, record.execution.id) == [f"it is {SHOWN}"]
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())
    assert secret.encode() not in stored


async def test_what_is_missing_or_can_not_be_read_is_named(engine: Engine, tmp_path: Path) -> None:
    record = await run(engine, FLOW)
    assert record.execution.state is Status.FAILED
    assert "Cannot find secret for key 'Token'." in (runs_of(record, "t")[0].attempts[-1].error or "")
    await engine.store.secrets.put("", "TOKEN", base64.b64encode(b"sealed with another key, say").decode(), 1)
    record = await run(engine, FLOW)
    assert "An encrypted value can't be read" in (runs_of(record, "t")[0].attempts[-1].error or "")
    for key, value in (("", "x"), ("a b", "x"), ("a", "")):
        with pytest.raises(Refused):
            await engine.secrets.set(key, value)
